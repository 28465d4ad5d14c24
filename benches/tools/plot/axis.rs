//! Owns the axes of plots: ranges, ticks, labels, and the position of a value. The drawing is in
//! `mod.rs`.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// The range of the values.
    #[default]
    Fit,
    /// From 0, so that heights can be compared.
    FromZero,
    /// Powers of ten. Values that are not positive are left out.
    Log,
}

/// An axis: the values at its ends (their logarithms, if `log`) and the positions of its ends.
pub struct Axis {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
    /// Distance between ticks, unless `log`.
    step: f64,
    log: bool,
}

impl Axis {
    pub fn new(values: impl Iterator<Item = f64>, scale: Scale, start: f64, end: f64) -> Self {
        let log = scale == Scale::Log;
        let (mut from, mut to) = values
            .filter_map(|value| drawable(value, log))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        if scale == Scale::FromZero {
            (from, to) = (from.min(0.0), to.max(0.0));
        }
        if from > to || (from, to) == (0.0, 0.0) {
            (from, to) = (0.0, 1.0);
        }
        // A flat series gets room around it, so that noise does not fill the panel.
        let room = 0.01 * from.abs().max(to.abs()) - (to - from);
        if room > 0.0 {
            (from, to) = (from - room / 2.0, to + room / 2.0);
        }
        let step = round_step((to - from) / 5.0);
        Self { from, to, start, end, step, log }
    }

    /// Moves the ends outwards to ticks.
    pub fn rounded(mut self) -> Self {
        if self.log {
            let ladder = self.ladder();
            let below = ladder.iter().rfind(|v| v.log10() <= self.from + 1e-9);
            let above = ladder.iter().find(|v| v.log10() >= self.to - 1e-9);
            (self.from, self.to) =
                below.zip(above).map_or((self.from, self.to), |(a, b)| (a.log10(), b.log10()));
        } else {
            let step = self.step;
            self.from = (self.from / step + 1e-9).floor() * step;
            self.to = (self.to / step - 1e-9).ceil() * step;
        }
        self
    }

    /// Returns 1, 2, 5, 10, 20, … around a logarithmic axis.
    fn ladder(&self) -> Vec<f64> {
        let tens = self.from.floor() as i32..=self.to.ceil() as i32;
        tens.flat_map(|p| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(p))).collect()
    }

    /// Returns the position of a value in the picture, if it can be drawn.
    pub fn place(&self, value: f64) -> Option<f64> {
        let share = (drawable(value, self.log)? - self.from) / (self.to - self.from);
        Some(self.start + share * (self.end - self.start))
    }

    pub fn ticks(&self) -> Vec<f64> {
        if self.log {
            let ends = self.from - 1e-9..=self.to + 1e-9;
            return self.ladder().into_iter().filter(|v| ends.contains(&v.log10())).collect();
        }
        let step = self.step;
        let (first, last) = ((self.from / step - 1e-9).ceil(), (self.to / step + 1e-9).floor());
        (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect()
    }
}

/// Returns a value on the axis's own scale, if it can be drawn. Values below 1e-30 count as 0.
fn drawable(value: f64, log: bool) -> Option<f64> {
    let value = if value.abs() < 1e-30 { 0.0 } else { value };
    let drawn = value.abs() < 1e30 && (!log || value > 0.0);
    drawn.then(|| if log { value.log10() } else { value })
}

/// Returns the least of 1, 2 or 5 times a power of ten that is at least `raw`.
fn round_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().find(|m| m * power >= raw * 0.999);
    step.unwrap_or(10.0) * power
}

/// Returns a short label: `0.95`, `1500`, `20k`, `3M`.
pub fn label(value: f64) -> String {
    let (value, unit) = match value.abs() {
        v if v >= 1e9 => (value / 1e9, "G"),
        v if v >= 1e6 => (value / 1e6, "M"),
        v if v >= 1e4 => (value / 1e3, "k"),
        v if v < 1e-12 => (0.0, ""),
        v if v < 1e-4 => return format!("{value:.0e}"),
        _ => (value, ""),
    };
    let text = format!("{value:.5}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}
