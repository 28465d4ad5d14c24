//! Owns the drawing of line plots as standalone SVG text: panels one above the other, axes with
//! ticks, a legend. The axes are in `axis.rs`. The caller measures the values and writes the text.

use std::fmt::Write as _;

pub mod axis;
pub use axis::Scale;
use axis::{Axis, label};

/// Colors that people with any kind of color vision can distinguish. Each also has its own dashes.
const STYLES: [(&str, &str); 10] = [
    ("#0072b2", ""),
    ("#d55e00", "7 3"),
    ("#009e73", "2 3"),
    ("#cc79a7", "9 3 2 3"),
    ("#555555", "4 4"),
    ("#b8860b", "12 4"),
    ("#56b4e9", "1 4"),
    ("#000000", "12 3 2 3 2 3"),
    ("#e69f00", "4 2"),
    ("#7b3294", "14 2 2 2"),
];
pub const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 250.0;
pub const LEFT: f64 = 78.0;
const RIGHT: f64 = 16.0;
const HEAD: f64 = 40.0;
/// Space above and below the axes of a panel: title and legend, ticks and the name of x.
const ABOVE: f64 = 52.0;
const BELOW: f64 = 48.0;
/// Height of a row of a legend that takes several.
pub const LEGEND_ROW: f64 = 18.0;

#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    /// In the order of drawing. A point that is not finite breaks the line.
    pub points: Vec<(f64, f64)>,
}

#[derive(Clone, Debug, Default)]
pub struct Panel {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    pub y: Scale,
    /// Draws a mark at every point: for curves of few points.
    pub marks: bool,
    pub series: Vec<Series>,
}

/// Returns the picture of the panels, one above the other.
pub fn svg(title: &str, panels: &[Panel]) -> String {
    let height = HEAD + panels.len() as f64 * HEIGHT;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    text(&mut out, (LEFT, 27.0), "start", 17, title);
    for (i, panel) in panels.iter().enumerate() {
        panel_svg(&mut out, panel, HEAD + i as f64 * HEIGHT);
    }
    out.push_str("</svg>\n");
    out
}

fn panel_svg(out: &mut String, panel: &Panel, top: f64) {
    let points = || panel.series.iter().flat_map(|s| &s.points);
    let (x0, x1) = (LEFT, WIDTH - RIGHT);
    let legend = legend(&panel.series);
    let lowest = legend.last().map_or(0.0, |&(_, y)| y);
    let (y0, y1) = (top + HEIGHT - BELOW, top + ABOVE + lowest);
    let x = Axis::new(points().map(|p| p.0), Scale::Fit, x0, x1);
    let y = Axis::new(points().map(|p| p.1), panel.y, y0, y1).rounded();
    text(out, (LEFT, top + 18.0), "start", 14, &panel.title);
    for value in y.ticks() {
        let at = y.place(value).unwrap_or(y0);
        line(out, (x0, at), (x1, at), "#e4e4e4");
        text(out, (x0 - 8.0, at + 4.5), "end", 13, &label(value));
    }
    for value in x.ticks() {
        let at = x.place(value).unwrap_or(x0);
        line(out, (at, y0), (at, y0 + 5.0), "#444444");
        text(out, (at, y0 + 19.0), "middle", 13, &label(value));
    }
    line(out, (x0, y0), (x1, y0), "#444444");
    line(out, (x0, y0), (x0, y1), "#444444");
    text(out, ((x0 + x1) / 2.0, y0 + 37.0), "middle", 13, &panel.x_label);
    let _ = writeln!(out, "<g transform=\"rotate(-90) translate({:.1} 16)\">", -(y0 + y1) / 2.0);
    text(out, (0.0, 0.0), "middle", 13, &panel.y_label);
    out.push_str("</g>\n");
    for (i, (series, (entry, below))) in panel.series.iter().zip(legend).enumerate() {
        let (color, dash) = STYLES[i % STYLES.len()];
        let placed = series.points.iter().map(|&(a, b)| Some((x.place(a)?, y.place(b)?)));
        lines(out, placed, (color, dash), panel.marks);
        let at = top + 36.0 + below;
        let ends = [Some((entry, at)), Some((entry + 26.0, at))];
        lines(out, ends.into_iter(), (color, dash), false);
        text(out, (entry + 32.0, at + 4.5), "start", 13, &series.name);
    }
}

/// Returns the positions of the legend's entries: from the left, and below the first row.
pub fn legend(series: &[Series]) -> Vec<(f64, f64)> {
    let (mut x, mut y) = (LEFT, 0.0);
    let place = |series: &Series| {
        let width = 54.0 + 7.2 * series.name.chars().count() as f64;
        if x > LEFT && x + width > WIDTH {
            (x, y) = (LEFT, y + LEGEND_ROW);
        }
        let at = (x, y);
        x += width;
        at
    };
    series.iter().map(place).collect()
}

fn lines(
    out: &mut String,
    points: impl Iterator<Item = Option<(f64, f64)>>,
    (color, dash): (&str, &str),
    marks: bool,
) {
    let (mut path, mut dots, mut pen) = (String::new(), String::new(), 'M');
    for point in points {
        let Some((x, y)) = point else {
            pen = 'M';
            continue;
        };
        let _ = write!(path, "{pen}{x:.1} {y:.1}");
        if marks {
            let _ = write!(dots, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>");
        }
        pen = 'L';
    }
    let _ = writeln!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" \
         stroke-linejoin=\"round\" stroke-dasharray=\"{dash}\"/>{dots}"
    );
}

fn line(out: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), color: &str) {
    let path = format!("M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}");
    let _ = writeln!(out, "<path d=\"{path}\" stroke=\"{color}\"/>");
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, size: u32, text: &str) {
    let place = format!("x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"");
    let _ = writeln!(out, "<text {place} font-size=\"{size}\">{}</text>", escape(text));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
