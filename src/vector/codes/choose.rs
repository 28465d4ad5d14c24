//! Owns the choice of a frame by a sample of its rows. It takes the codes that were asked for if
//! they are worthwhile, else finer codes, else the vectors.

use std::sync::Arc;

use super::fit::Fit;
use super::frame::Frame;
use super::rows::CodeBuffer;
use super::spec::CodeSpec;
use crate::options::{Metric, Quantization};
use crate::vector::metric::squared_norm;

/// Vectors of up to this many dimensions have no codes. Codes would save next to nothing, and the
/// error of a few coordinates does not average out.
const FEW_DIMENSIONS: usize = 32;

/// With fewer rows in the sample the error of codes cannot be measured, so the vectors are used.
const FEW_ROWS: usize = 16;

/// A centre is subtracted if its squared length is at least this share of the mean squared length.
/// Errors are proportional to the lengths of both residuals, so they fall by about this share.
const LONG_CENTRE: f32 = 0.1;

/// A frame is given up when the mean squared distance of the vectors from its centre is this many
/// times that from their own centre.
const DRIFTED: f32 = 1.25;

impl Frame {
    /// Chooses the frame for rows of which `sample` is a sample, in stored form. Also returns the
    /// error of its codes there. `wanted` are the codes that were asked for. `known` is the frame
    /// of other rows of the collection: it is kept while it serves. `rows` is the number of all
    /// rows. A search by code may leave at most about `most` of them to be measured exactly.
    ///
    /// O(sample × dimension) for a sample of a fixed size.
    pub(crate) fn choose(
        wanted: CodeSpec,
        known: Option<&Arc<Self>>,
        sample: &[Vec<f32>],
        rows: u64,
        most: u64,
    ) -> (Arc<Self>, Fit) {
        let plain = CodeSpec { codes: Quantization::None, centred: false, ..wanted };
        let few = wanted.dimension <= FEW_DIMENSIONS || sample.len() < FEW_ROWS;
        if few || wanted.codes == Quantization::None {
            return (plain.into(), Fit::exact());
        }
        let (centre, energy) = centre_of(wanted, sample);
        let fit = |frame: &Arc<Self>| {
            let mut codes = CodeBuffer::new(Arc::clone(frame), sample.len());
            sample.iter().for_each(|vector| codes.push(vector));
            Fit::measured(&codes, sample, rows)
        };
        let serves = |frame: &Arc<Self>, fit: &Fit, most: u64| {
            fit.pays(frame.spec) && f64::from(fit.share) * rows as f64 <= most as f64
        };
        if let Some(known) = known.filter(|known| known.spec.codes != Quantization::None)
            && known.energy(sample) <= DRIFTED * energy
        {
            let fit = fit(known);
            // The known frame gets twice the limit, so that chance does not change a frame back and
            // forth.
            if serves(known, &fit, most.saturating_mul(2)) {
                return (Arc::clone(known), fit);
            }
        }
        let finer = (wanted.codes != Quantization::Int8).then_some(Quantization::Int8);
        for codes in std::iter::once(wanted.codes).chain(finer) {
            let frame = Arc::new(Self::new(CodeSpec { codes, ..wanted }, centre.clone()));
            let fit = fit(&frame);
            if serves(&frame, &fit, most) {
                return (frame, fit);
            }
        }
        (plain.into(), Fit::exact())
    }
}

/// Returns the centre to subtract, empty if it is not worthwhile, and the mean squared length of
/// the residuals. Under dot there is no centre, because its contribution to a product differs from
/// row to row.
fn centre_of(wanted: CodeSpec, sample: &[Vec<f32>]) -> (Vec<f32>, f32) {
    let plain = Frame::new(wanted, Vec::new());
    let whole = plain.energy(sample);
    if wanted.metric == Metric::Dot {
        return (Vec::new(), whole);
    }
    let mut sums = vec![0.0f64; wanted.dimension];
    for vector in sample {
        sums.iter_mut().zip(&*plain.place(vector)).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let centre: Vec<f32> = sums.iter().map(|sum| (sum / sample.len() as f64) as f32).collect();
    if squared_norm(&centre) < LONG_CENTRE * whole {
        return (Vec::new(), whole);
    }
    let energy = Frame::new(wanted, centre.clone()).energy(sample);
    (centre, energy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Uniform;

    /// Returns rows; `shape` turns each coordinate's number and a random value about zero into the
    /// coordinate.
    fn rows(count: usize, dimension: usize, shape: impl Fn(usize, f32) -> f32) -> Vec<Vec<f32>> {
        let mut random = Uniform(7);
        (0..count).map(|_| (0..dimension).map(|i| shape(i, random.next())).collect()).collect()
    }

    fn chosen(metric: Metric, rows: &[Vec<f32>]) -> (Arc<Frame>, Fit) {
        let wanted = CodeSpec::new(Quantization::Bits4, metric, rows[0].len());
        Frame::choose(wanted, None, rows, rows.len() as u64, u64::MAX)
    }

    #[test]
    fn a_centre_is_taken_off_where_it_is_long() {
        let about_zero = chosen(Metric::L2, &rows(300, 96, |_, x| x)).0;
        assert!(!about_zero.spec.centred && about_zero.spec.codes == Quantization::Bits4);
        let far = rows(300, 96, |_, x| 100.0 + x);
        for metric in [Metric::L2, Metric::Cosine] {
            let (frame, fit) = chosen(metric, &far);
            assert!(frame.spec.centred && frame.spec.codes == Quantization::Bits4, "{metric:?}");
            assert!(fit.recall > 0.99 && fit.share < 0.1, "{metric:?} {fit:?}");
        }
    }

    #[test]
    fn codes_that_cannot_tell_rows_apart_are_not_used() {
        // One coordinate is a thousand times larger than the others, or a product consists mostly
        // of the centre's contribution.
        let uneven = rows(300, 96, |i, x| if i == 5 { 1000.0 * x } else { x });
        assert_ne!(chosen(Metric::L2, &uneven).0.spec.codes, Quantization::Bits4);
        let far = rows(300, 96, |_, x| 1000.0 + x);
        assert_eq!(chosen(Metric::Dot, &far).0.spec.codes, Quantization::None);
        let positions = rows(300, 2, |i, x| [48.0, 2.0][i] + 0.1 * x);
        assert_eq!(
            chosen(Metric::L2, &positions).0.spec.codes,
            Quantization::None,
            "few dimensions"
        );
        let few = rows(5, 96, |_, x| x);
        assert_eq!(chosen(Metric::L2, &few).0.spec.codes, Quantization::None, "few rows");
    }

    #[test]
    fn a_frame_is_kept_until_the_data_has_moved_away() {
        let before = rows(300, 96, |_, x| 10.0 + x);
        let (frame, _) = chosen(Metric::L2, &before);
        let choose = |rows: &[Vec<f32>]| {
            Frame::choose(
                CodeSpec::new(Quantization::Bits4, Metric::L2, 96),
                Some(&frame),
                rows,
                300,
                u64::MAX,
            )
        };
        let near = rows(300, 96, |_, x| 10.1 + x);
        assert!(Arc::ptr_eq(&choose(&near).0, &frame));
        let away = rows(300, 96, |_, x| 12.0 + x);
        assert!(!Arc::ptr_eq(&choose(&away).0, &frame));
    }
}
