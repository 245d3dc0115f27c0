//! How long launches take, and how that is found.
//!
//! One method, ours and the peers' (`bench/README.md`): warm up; then for each sample push everything else out of
//! the L2 cache, and put an event before the launch and one behind it. The host runs ahead meanwhile, so that what it
//! takes to launch is not in the times. The median is the result.

use std::time::Duration;

/// How much to time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimingOptions {
    /// Launches before the clock counts take about as long as this, and are at least [`Self::WARM_UP_LAUNCHES`].
    pub warm_up: Duration,
    /// Samples take about as long as this, the cache's clearing apart.
    pub measure: Duration,
    /// Samples at the least and at the most.
    pub samples: (usize, usize),
    /// Whether the L2 cache is cleared before every sample.
    pub flush_l2: bool,
}

impl TimingOptions {
    /// Launches that come before the samples whatever they take.
    pub const WARM_UP_LAUNCHES: usize = 5;
}

impl Default for TimingOptions {
    fn default() -> Self {
        TimingOptions {
            warm_up: Duration::from_millis(100),
            measure: Duration::from_millis(250),
            samples: (10, 200),
            flush_l2: true,
        }
    }
}

impl TimingOptions {
    /// How many launches of `each` warm up, and how many are timed.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code))]
    pub(crate) fn counts(&self, each: Duration) -> (usize, usize) {
        let fit = |budget: Duration| (budget.as_secs_f64() / each.as_secs_f64().max(1e-7)) as usize;
        let (least, most) = self.samples;
        (
            fit(self.warm_up).clamp(Self::WARM_UP_LAUNCHES, 10_000),
            fit(self.measure).clamp(least.max(1), most.max(least).max(1)),
        )
    }
}

/// Times of launches.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// Of each, shortest first; at least one.
    sorted: Vec<Duration>,
}

impl Timing {
    /// Of these samples; `None` if there are none.
    pub fn new(mut samples: Vec<Duration>) -> Option<Timing> {
        samples.sort_unstable();
        (!samples.is_empty()).then_some(Timing { sorted: samples })
    }

    /// How many were taken.
    pub fn samples(&self) -> usize {
        self.sorted.len()
    }

    /// The time that `share` of the samples do not exceed: between the two nearest ones, in proportion.
    pub fn percentile(&self, share: f64) -> Duration {
        let at = share.clamp(0.0, 1.0) * (self.sorted.len() - 1) as f64;
        let (below, above) = (self.sorted[at.floor() as usize], self.sorted[at.ceil() as usize]);
        below + (above - below).mul_f64(at.fract())
    }

    /// Half were faster.
    pub fn median(&self) -> Duration {
        self.percentile(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let micros = |numbers: &[u64]| numbers.iter().map(|n| Duration::from_micros(*n)).collect::<Vec<_>>();
        let table: [(&[u64], f64, f64); 7] = [
            (&[7], 0.5, 7.0),
            (&[3, 1, 2], 0.5, 2.0),
            (&[4, 1, 2, 3], 0.5, 2.5),
            (&[10, 20, 30], 0.1, 12.0),
            (&[10, 20, 30], 0.9, 28.0),
            (&[10, 20, 30], 1.0, 30.0),
            (&[10, 20, 30], 7.0, 30.0),
        ];
        for (samples, share, expected) in table {
            let got = Timing::new(micros(samples)).unwrap().percentile(share).as_secs_f64() * 1e6;
            assert!((got - expected).abs() < 1e-2, "{samples:?} {share}: {got} instead of {expected}");
        }
        assert_eq!(Timing::new(Vec::new()), None);
    }

    #[test]
    fn counts_fit_the_budget() {
        let options = TimingOptions::default();
        let table = [
            // 100 ms of warming up and 250 ms of samples, within 5 launches and 10 to 200 samples.
            (Duration::from_millis(1), (100, 200)),
            (Duration::from_millis(5), (20, 50)),
            (Duration::from_secs(1), (5, 10)),
            (Duration::ZERO, (10_000, 200)),
        ];
        for (each, expected) in table {
            assert_eq!(options.counts(each), expected, "{each:?}");
        }
    }
}
