//! The circuit: its states, and what moves it from one to another. It decides and counts; it knows no clock, no lock and no listener.

use std::time::Duration;

use super::window::{Counted, Counts, Window, WindowSettings};
use crate::{
    clock::{millis, whole_millis},
    error::Refusal,
    event::Transition,
};

/// The state of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum State {
    Closed,
    Open,
    HalfOpen,
    ForcedOpen,
    Disabled,
}

impl State {
    /// As the specification writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Open => "OPEN",
            Self::HalfOpen => "HALF_OPEN",
            Self::ForcedOpen => "FORCED_OPEN",
            Self::Disabled => "DISABLED",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) window: WindowSettings,
    pub(crate) slow_from: Option<Duration>,
    pub(crate) reset_timeout: Duration,
    /// Factor and maximum (CB-10).
    pub(crate) backoff: Option<(f64, Duration)>,
    pub(crate) success_threshold: u32,
    pub(crate) max_concurrent: u32,
}

/// How a call ended (GN-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    Ignored,
    Cancelled,
}

/// A call that was let through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admission {
    /// Tells it from the other calls.
    number: u64,
    pub(crate) generation: u64,
    at: Duration,
}

/// A transition that took place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed {
    pub(crate) from: State,
    pub(crate) to: State,
    pub(crate) generation: u64,
    pub(crate) reason: Transition,
}

/// What a circuit breaker has seen since it was made (CB-23).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Totals {
    /// Admitted and rejected.
    pub calls: u64,
    pub successes: u64,
    pub failures: u64,
    pub ignored: u64,
    pub cancelled: u64,
    pub rejected: u64,
    pub slow: u64,
}

/// What can be read from a circuit breaker (CB-22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// The state; OPEN until a call comes, though the reset timeout has elapsed (CB-9).
    pub state: State,
    /// CLOSED: failures in the window. OPEN: those that opened it.
    pub failure_count: u64,
    /// CLOSED: successes in the window, for rates. HALF_OPEN: probes that succeeded.
    pub success_count: u64,
    /// Places that probes take.
    pub running_probes: u64,
    /// How many transitions there were.
    pub generation: u64,
    /// OPEN only.
    pub retry_after: Option<Duration>,
    /// Since it was made.
    pub totals: Totals,
}

/// A state with what belongs to it. Entering one begins it anew, so that no count outlives its state (CB-17).
#[derive(Debug)]
enum Phase {
    Closed(Window),
    Open { until: Duration, counts: Counts },
    HalfOpen(Probes),
    ForcedOpen,
    Disabled,
}

#[derive(Debug, Default)]
struct Probes {
    running: Vec<Admission>,
    succeeded: u32,
}

/// What happens to a circuit. An outcome of an earlier generation is none of these (CB-18).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input {
    Call,
    Ended { admission: Admission, outcome: Outcome, slow: bool },
    ForceOpen,
    Disable,
    Reset,
}

#[derive(Debug)]
pub(crate) struct Circuit {
    settings: Settings,
    phase: Phase,
    generation: u64,
    /// The reset timeout of the opening before, in milliseconds, where no CLOSED was between.
    last_reset_timeout: Option<f64>,
    totals: Totals,
}

impl Circuit {
    pub(crate) fn new(settings: Settings) -> Self {
        let phase = Phase::Closed(Window::new(settings.window));
        Self { settings, phase, generation: 0, last_reset_timeout: None, totals: Totals::default() }
    }

    /// A call comes: it may move the circuit to HALF_OPEN, and is let through or refused.
    pub(crate) fn admit(&mut self, now: Duration) -> (Option<Changed>, Result<Admission, Refusal>) {
        self.totals.calls += 1;
        let changed = self.apply(Input::Call, now);
        let admission = Admission { number: self.totals.calls, generation: self.generation, at: now };
        let decision = match &mut self.phase {
            Phase::Closed(_) | Phase::Disabled => Ok(admission),
            Phase::Open { until, .. } => Err(Refusal::RetryAfter(until.saturating_sub(now))),
            Phase::HalfOpen(probes) => probes.take_place(admission, &self.settings),
            Phase::ForcedOpen => Err(Refusal::ForcedOpen),
        };
        self.totals.rejected += u64::from(decision.is_err());
        (changed, decision)
    }

    /// A call that was let through has ended.
    pub(crate) fn end(&mut self, admission: Admission, outcome: Outcome, now: Duration) -> Option<Changed> {
        let counts = matches!(outcome, Outcome::Success | Outcome::Failure);
        let slow = counts && self.settings.slow_from.is_some_and(|limit| now.saturating_sub(admission.at) >= limit);
        self.totals.slow += u64::from(slow);
        *match outcome {
            Outcome::Success => &mut self.totals.successes,
            Outcome::Failure => &mut self.totals.failures,
            Outcome::Ignored => &mut self.totals.ignored,
            Outcome::Cancelled => &mut self.totals.cancelled,
        } += 1;
        if admission.generation != self.generation {
            return None;
        }
        self.apply(Input::Ended { admission, outcome, slow }, now)
    }

    /// The table of states.
    pub(crate) fn apply(&mut self, input: Input, now: Duration) -> Option<Changed> {
        use Outcome::{Cancelled, Failure, Ignored, Success};
        match (&mut self.phase, input) {
            (Phase::Closed(window), Input::Ended { outcome: outcome @ (Success | Failure), slow, .. }) => {
                let reason = window.record(Counted { failed: outcome == Failure, slow }, now)?;
                let counts = window.counts(now);
                Some(self.open(counts, reason, now))
            }
            (Phase::Open { until, .. }, Input::Call) if now >= *until => {
                Some(self.enter(Phase::HalfOpen(Probes::default()), Transition::ResetTimeout))
            }
            (Phase::HalfOpen(probes), Input::Ended { outcome: Failure, .. }) => {
                let counts = Counts::of_probes(1, probes.succeeded.into());
                Some(self.open(counts, Transition::ProbeFailed, now))
            }
            (Phase::HalfOpen(probes), Input::Ended { outcome: Success, slow: true, .. }) => {
                let counts = Counts::of_probes(0, probes.succeeded.into());
                Some(self.open(counts, Transition::ProbeSlow, now))
            }
            (Phase::HalfOpen(probes), Input::Ended { admission, outcome: Success, slow: false }) => {
                probes.give_back(admission);
                probes.succeeded += 1;
                (probes.succeeded >= self.settings.success_threshold).then(|| self.close(Transition::ProbesSucceeded))
            }
            (Phase::HalfOpen(probes), Input::Ended { admission, outcome: Ignored | Cancelled, .. }) => {
                probes.give_back(admission);
                None
            }
            (Phase::ForcedOpen, Input::ForceOpen) | (Phase::Disabled, Input::Disable) => None,
            (_, Input::ForceOpen) => Some(self.enter(Phase::ForcedOpen, Transition::ForcedOpen)),
            (_, Input::Disable) => Some(self.enter(Phase::Disabled, Transition::Disabled)),
            (_, Input::Reset) => Some(self.close(Transition::Reset)),
            (Phase::Closed(_) | Phase::Open { .. } | Phase::HalfOpen(_) | Phase::ForcedOpen | Phase::Disabled, Input::Call | Input::Ended { .. }) => {
                None
            }
        }
    }

    pub(crate) fn state(&self) -> State {
        match self.phase {
            Phase::Closed(_) => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen(_) => State::HalfOpen,
            Phase::ForcedOpen => State::ForcedOpen,
            Phase::Disabled => State::Disabled,
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn statistics(&self, now: Duration) -> Statistics {
        let (counts, running_probes, retry_after) = match &self.phase {
            Phase::Closed(window) => (window.counts(now), 0, None),
            Phase::Open { until, counts } => (*counts, 0, Some(until.saturating_sub(now))),
            Phase::HalfOpen(probes) => (Counts::of_probes(0, probes.succeeded.into()), probes.places_taken(now, self.settings.reset_timeout), None),
            Phase::ForcedOpen | Phase::Disabled => (Counts::default(), 0, None),
        };
        Statistics {
            state: self.state(),
            failure_count: counts.failures,
            success_count: counts.successes,
            running_probes,
            generation: self.generation,
            retry_after,
            totals: self.totals,
        }
    }

    fn open(&mut self, counts: Counts, reason: Transition, now: Duration) -> Changed {
        let timeout = self.next_reset_timeout();
        self.enter(Phase::Open { until: now + timeout, counts }, reason)
    }

    fn close(&mut self, reason: Transition) -> Changed {
        self.last_reset_timeout = None;
        self.enter(Phase::Closed(Window::new(self.settings.window)), reason)
    }

    fn enter(&mut self, phase: Phase, reason: Transition) -> Changed {
        let from = self.state();
        self.phase = phase;
        self.generation += 1;
        Changed { from, to: self.state(), generation: self.generation, reason }
    }

    /// CB-10.
    fn next_reset_timeout(&mut self) -> Duration {
        let Some((factor, max)) = self.settings.backoff else {
            return self.settings.reset_timeout;
        };
        let timeout = match self.last_reset_timeout {
            None => millis(self.settings.reset_timeout),
            Some(last) => (last * factor).min(millis(max)),
        };
        self.last_reset_timeout = Some(timeout);
        whole_millis(timeout)
    }
}

impl Probes {
    /// CB-11.
    fn take_place(&mut self, admission: Admission, settings: &Settings) -> Result<Admission, Refusal> {
        self.running.retain(|probe| holds_place(probe, admission.at, settings.reset_timeout));
        let running = self.running.len() as u64;
        if running < settings.max_concurrent.into() && running + u64::from(self.succeeded) < settings.success_threshold.into() {
            self.running.push(admission);
            return Ok(admission);
        }
        Err(Refusal::Probing)
    }

    fn give_back(&mut self, admission: Admission) {
        self.running.retain(|probe| probe.number != admission.number);
    }

    fn places_taken(&self, now: Duration, limit: Duration) -> u64 {
        self.running.iter().filter(|probe| holds_place(probe, now, limit)).count() as u64
    }
}

/// CB-12: a probe that hangs does not hold its place for good.
fn holds_place(probe: &Admission, now: Duration, limit: Duration) -> bool {
    limit.is_zero() || now.saturating_sub(probe.at) < limit
}
