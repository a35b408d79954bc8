//! What a CLOSED circuit counts, and when that opens it (CB-1 to CB-5).

use std::{collections::VecDeque, time::Duration};

use crate::event::Transition;

/// A window, and the numbers at which it opens the circuit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WindowSettings {
    Consecutive {
        threshold: u32,
    },
    Cumulative {
        threshold: u32,
    },
    Count {
        size: u32,
        rates: Rates,
    },
    /// `start` is when the circuit breaker was made: the buckets count from there.
    Time {
        duration: Duration,
        buckets: u32,
        start: Duration,
        rates: Rates,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) minimum_calls: u32,
    pub(crate) failure_rate: f64,
    pub(crate) slow_rate: f64,
}

/// An outcome that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) failed: bool,
    pub(crate) slow: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) failures: u64,
    pub(crate) successes: u64,
    slow: u64,
}

impl Counts {
    pub(crate) fn of_probes(failures: u64, successes: u64) -> Self {
        Self { failures, successes, slow: 0 }
    }

    fn add(&mut self, outcome: Counted) {
        *(if outcome.failed { &mut self.failures } else { &mut self.successes }) += 1;
        self.slow += u64::from(outcome.slow);
    }

    fn remove(&mut self, outcome: Counted) {
        *(if outcome.failed { &mut self.failures } else { &mut self.successes }) -= 1;
        self.slow -= u64::from(outcome.slow);
    }
}

#[derive(Debug)]
pub(crate) struct Window {
    settings: WindowSettings,
    counts: Counts,
    /// Window `count`: the last outcomes, the oldest first.
    last: VecDeque<Counted>,
    /// Window `time`: the buckets in which something happened, by number, the oldest first.
    buckets: VecDeque<(u128, Counts)>,
}

impl Window {
    pub(crate) fn new(settings: WindowSettings) -> Self {
        Self { settings, counts: Counts::default(), last: VecDeque::new(), buckets: VecDeque::new() }
    }

    /// Counts the outcome, and says whether that opens the circuit.
    pub(crate) fn record(&mut self, outcome: Counted, now: Duration) -> Option<Transition> {
        match self.settings {
            WindowSettings::Consecutive { threshold } => {
                self.counts.failures = if outcome.failed { self.counts.failures + 1 } else { 0 };
                self.threshold_reached(outcome, threshold)
            }
            WindowSettings::Cumulative { threshold } => {
                self.counts.failures += u64::from(outcome.failed);
                self.threshold_reached(outcome, threshold)
            }
            WindowSettings::Count { size, rates } => {
                if self.last.len() == size as usize
                    && let Some(oldest) = self.last.pop_front()
                {
                    self.counts.remove(oldest);
                }
                self.last.push_back(outcome);
                self.counts.add(outcome);
                rate_reached(self.counts, rates)
            }
            WindowSettings::Time { duration, buckets, start, rates } => {
                let current = bucket_at(now, start, duration, buckets);
                self.buckets.retain(|(number, _)| number + u128::from(buckets) > current);
                match self.buckets.back_mut() {
                    Some((number, counts)) if *number == current => counts.add(outcome),
                    _ => {
                        let mut counts = Counts::default();
                        counts.add(outcome);
                        self.buckets.push_back((current, counts));
                    }
                }
                rate_reached(self.counts(now), rates)
            }
        }
    }

    pub(crate) fn counts(&self, now: Duration) -> Counts {
        let WindowSettings::Time { duration, buckets, start, .. } = self.settings else {
            return self.counts;
        };
        let current = bucket_at(now, start, duration, buckets);
        let in_window = self.buckets.iter().filter(|(number, _)| number + u128::from(buckets) > current);
        in_window.fold(Counts::default(), |sum, (_, counts)| Counts {
            failures: sum.failures + counts.failures,
            successes: sum.successes + counts.successes,
            slow: sum.slow + counts.slow,
        })
    }

    fn threshold_reached(&self, outcome: Counted, threshold: u32) -> Option<Transition> {
        (outcome.failed && self.counts.failures >= u64::from(threshold)).then_some(Transition::FailureThreshold)
    }
}

/// `duration / buckets` need not be a whole number: the bucket is.
fn bucket_at(now: Duration, start: Duration, duration: Duration, buckets: u32) -> u128 {
    now.saturating_sub(start).as_nanos() * u128::from(buckets) / duration.as_nanos()
}

#[allow(clippy::cast_precision_loss)] // A window holds far less than 2^53 calls.
fn rate_reached(counts: Counts, rates: Rates) -> Option<Transition> {
    let calls = counts.failures + counts.successes;
    if calls < u64::from(rates.minimum_calls) {
        return None;
    }
    if counts.failures as f64 / calls as f64 >= rates.failure_rate {
        return Some(Transition::FailureRate);
    }
    (counts.slow as f64 / calls as f64 >= rates.slow_rate).then_some(Transition::SlowCallRate)
}
