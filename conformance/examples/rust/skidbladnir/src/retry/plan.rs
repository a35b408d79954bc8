//! What follows a failure: a delay, or the end (RT-1 to RT-5, RT-11, RT-12). It waits for nothing.

use std::time::Duration;

use super::options::Jitter;
use crate::{
    clock::{millis, whole_millis},
    event::Exhaustion,
};

#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) max_retries: u32,
    pub(super) initial_delay: Duration,
    pub(super) max_delay: Duration,
    pub(super) backoff_factor: f64,
    pub(super) jitter: Jitter,
    pub(super) max_retry_after: Duration,
    pub(super) max_elapsed: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Wait(Duration),
    GiveUp(Exhaustion),
}

/// The delays of one call: untruncated milliseconds, from which the next delay grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delays {
    last: Option<f64>,
}

impl Plan {
    pub(super) fn delays(&self) -> Delays {
        Delays { last: None }
    }

    /// After the attempt of this number, from 1, has failed in a way that may be retried.
    pub(super) fn after_failure(
        &self,
        attempt: u32,
        hint: Option<Duration>,
        elapsed: Duration,
        delays: &mut Delays,
        random: &dyn Fn() -> f64,
    ) -> Decision {
        if attempt > self.max_retries {
            return Decision::GiveUp(Exhaustion::MaxRetries);
        }
        let hint = hint.unwrap_or_default();
        if hint > self.max_retry_after {
            return Decision::GiveUp(Exhaustion::RetryAfter);
        }
        let delay = self.next_delay(delays, random).max(hint);
        if self.max_elapsed.is_some_and(|limit| elapsed + delay > limit) {
            return Decision::GiveUp(Exhaustion::MaxElapsed);
        }
        Decision::Wait(delay)
    }

    fn next_delay(&self, delays: &mut Delays, random: &dyn Fn() -> f64) -> Duration {
        let (initial, max) = (millis(self.initial_delay), millis(self.max_delay));
        let grown = |last: Option<f64>| match last {
            None => initial.min(max),
            Some(last) => (last * self.backoff_factor).min(max),
        };
        let (next, waited) = match self.jitter {
            Jitter::None => {
                let delay = grown(delays.last);
                (delay, delay)
            }
            Jitter::Full => {
                let delay = grown(delays.last);
                (delay, random() * delay)
            }
            Jitter::Equal => {
                let delay = grown(delays.last);
                (delay, delay / 2.0 + random() * (delay / 2.0))
            }
            Jitter::Decorrelated => {
                let last = delays.last.unwrap_or(initial);
                let delay = (initial + random() * (3.0 * last - initial)).min(max);
                (delay, delay)
            }
        };
        delays.last = Some(next);
        whole_millis(waited)
    }
}
