//! Figures made of runs.

use hdrhistogram::Histogram;

/// The middle value; of an even number the mean of the two in the middle. 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (None, _) => 0.0,
        (Some(high), 0) => f64::midpoint(sorted.get(middle - 1).copied().unwrap_or(*high), *high),
        (Some(value), _) => *value,
    }
}

/// The smallest and the largest value. 0 of nothing.
pub(crate) fn spread(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().min_by(f64::total_cmp);
    let high = values.iter().copied().max_by(f64::total_cmp);
    (low.unwrap_or(0.0), high.unwrap_or(0.0))
}

/// `per`/`whole`, 0 when there is no whole.
pub(crate) fn ratio(per: f64, whole: f64) -> f64 {
    if whole > 0.0 { per / whole } else { 0.0 }
}

/// How many a second, `count` in `ns`.
pub(crate) fn per_second(count: u64, ns: u64) -> f64 {
    ratio(float(count), seconds(ns))
}

pub(crate) fn seconds(ns: u64) -> f64 {
    float(ns) / 1e9
}

#[expect(
    clippy::cast_precision_loss,
    reason = "what is counted here stays far below 2^53"
)]
pub(crate) const fn float(count: u64) -> f64 {
    count as f64
}

/// Latencies of one run, to 0.1 %.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// An hour, in microseconds: longer than a run may take.
    const MAX_US: u64 = 3_600_000_000;

    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_max(Self::MAX_US, 3)?))
    }

    pub(crate) fn record_ns(&mut self, ns: u64) {
        self.0.saturating_record(ns / 1_000);
    }

    pub(crate) fn clear(&mut self) {
        self.0.reset();
    }

    /// The latency that the share `quantile` of all does not exceed, in milliseconds.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        float(self.0.value_at_quantile(quantile)) / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() <= right.abs() * 0.001 + f64::EPSILON
    }

    #[test]
    fn a_median_is_in_the_middle_whatever_the_order() {
        assert!(close(median(&[5.0, 1.0, 100.0]), 5.0));
        assert!(close(median(&[4.0, 1.0, 100.0, 2.0]), 3.0));
        assert!(close(median(&[7.0]), 7.0));
        assert!(close(median(&[]), 0.0));
    }

    #[test]
    fn a_spread_is_from_the_smallest_to_the_largest() {
        let (low, high) = spread(&[0.8, 0.7, 0.9]);
        assert!(close(low, 0.7) && close(high, 0.9));
    }

    #[test]
    fn percentiles_of_a_thousand_known_latencies() {
        let mut latencies = Latencies::new().unwrap();
        for ms in (1..=1_000).rev() {
            latencies.record_ns(ms * 1_000_000);
        }
        assert!(close(latencies.quantile_ms(0.50), 500.0));
        assert!(close(latencies.quantile_ms(0.99), 990.0));
        latencies.clear();
        assert!(close(latencies.quantile_ms(0.99), 0.0));
    }

    #[test]
    fn a_rate_of_an_instant_is_no_infinity() {
        assert!(close(per_second(10, 2_000_000_000), 5.0));
        assert!(close(per_second(10, 0), 0.0));
    }
}
