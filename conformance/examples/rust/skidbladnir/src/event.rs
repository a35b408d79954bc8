//! What policies tell their listeners (EV-1).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crate::{circuit_breaker::State, error::Error};

/// Hears events. One listener may be given to several policies. One that panics changes nothing; the panic hook has told of it (GN-13).
pub type Listener<E> = Arc<dyn Fn(&Event<'_, E>) + Send + Sync>;

/// Something that a policy did.
#[derive(Debug)]
pub struct Event<'a, E> {
    /// The name of the policy.
    pub policy: &'a str,
    /// What it did.
    pub kind: EventKind<'a, E>,
}

/// The events and their fields. `generation` is the one in which the call was admitted.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum EventKind<'a, E> {
    CallAdmitted { state: State, generation: u64 },
    CallRejected { state: State, generation: u64, retry_after: Option<Duration> },
    CallSucceeded { generation: u64 },
    CallFailed { generation: u64, error: Option<&'a Error<E>> },
    CallIgnored { generation: u64, error: Option<&'a Error<E>> },
    CallCancelled { generation: u64 },
    CircuitStateChanged { from: State, to: State, generation: u64, reason: Transition },
    RetryScheduled { attempt: u32, delay: Duration, error: &'a Error<E> },
    RetryExhausted { attempt: u32, reason: Exhaustion, error: &'a Error<E> },
}

/// Why a circuit changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Transition {
    FailureThreshold,
    FailureRate,
    SlowCallRate,
    ResetTimeout,
    ProbesSucceeded,
    ProbeFailed,
    ProbeSlow,
    ForcedOpen,
    Disabled,
    Reset,
}

impl Transition {
    /// As the specification writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FailureThreshold => "failure_threshold",
            Self::FailureRate => "failure_rate",
            Self::SlowCallRate => "slow_call_rate",
            Self::ResetTimeout => "reset_timeout",
            Self::ProbesSucceeded => "probes_succeeded",
            Self::ProbeFailed => "probe_failed",
            Self::ProbeSlow => "probe_slow",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
            Self::Reset => "reset",
        }
    }
}

/// Why a retryable failure is not retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Exhaustion {
    MaxRetries,
    RetryAfter,
    MaxElapsed,
}

impl Exhaustion {
    /// As the specification writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxRetries => "max_retries",
            Self::RetryAfter => "retry_after",
            Self::MaxElapsed => "max_elapsed",
        }
    }
}

/// The listeners of one policy.
pub(crate) struct Listeners<E> {
    policy: Arc<str>,
    listeners: Vec<Listener<E>>,
}

impl<E> Listeners<E> {
    pub(crate) fn new(policy: Arc<str>, listeners: Vec<Listener<E>>) -> Self {
        Self { policy, listeners }
    }

    pub(crate) fn policy(&self) -> &Arc<str> {
        &self.policy
    }

    pub(crate) fn tell(&self, kind: EventKind<'_, E>) {
        let event = Event { policy: &self.policy, kind };
        for listener in &self.listeners {
            // The panic hook has told of the panic; the other listeners and the policy go on.
            let _ = catch_unwind(AssertUnwindSafe(|| listener(&event)));
        }
    }
}
