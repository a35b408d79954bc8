//! The errors of policies, and of options.

use std::{fmt, sync::Arc, time::Duration};

/// What a call ends with when it does not succeed (GN-9). The operation's own error is in it as it was (GN-7); `?` puts it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// The operation failed.
    Operation(E),
    /// A circuit breaker refused the call.
    CircuitOpen(CircuitOpenError),
    /// The caller gave up, and the operation, or the wait, ended by that.
    Cancelled(CancelledError),
}

impl<E> Error<E> {
    /// What an operation returns that ends because its caller has given up (GN-5).
    #[must_use]
    pub fn cancelled() -> Self {
        Self::Cancelled(CancelledError { policy: None })
    }

    pub(crate) fn cancelled_in(policy: &Arc<str>) -> Self {
        Self::Cancelled(CancelledError { policy: Some(policy.clone()) })
    }

    /// The code of GN-9.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Operation(_) => "operation",
            Self::CircuitOpen(_) => "circuit_open",
            Self::Cancelled(_) => "cancelled",
        }
    }

    /// The policy that made the error.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        match self {
            Self::Operation(_) => None,
            Self::CircuitOpen(error) => Some(&error.policy),
            Self::Cancelled(error) => error.policy.as_deref(),
        }
    }

    /// When a refused call may come back.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CircuitOpen(error) => error.retry_after(),
            Self::Operation(_) | Self::Cancelled(_) => None,
        }
    }
}

impl<E> From<E> for Error<E> {
    fn from(error: E) -> Self {
        Self::Operation(error)
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(error) => error.fmt(formatter),
            Self::CircuitOpen(error) => error.fmt(formatter),
            Self::Cancelled(error) => error.fmt(formatter),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Operation(error) => error.source(),
            Self::CircuitOpen(_) | Self::Cancelled(_) => None,
        }
    }
}

/// The circuit breaker `policy` refused the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitOpenError {
    /// The name of the circuit breaker.
    pub policy: Arc<str>,
    /// Why.
    pub refusal: Refusal,
}

/// Why a circuit breaker refuses a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is OPEN for so long.
    RetryAfter(Duration),
    /// It is HALF_OPEN, and no place for a probe is free.
    Probing,
    /// It is FORCED_OPEN.
    ForcedOpen,
}

impl CircuitOpenError {
    /// What is left of the reset timeout; absent unless the circuit is OPEN.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.refusal {
            Refusal::RetryAfter(left) => Some(left),
            Refusal::Probing | Refusal::ForcedOpen => None,
        }
    }
}

impl fmt::Display for CircuitOpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Circuit breaker is open: {}, ", self.policy)?;
        match self.refusal {
            Refusal::RetryAfter(left) => write!(formatter, "retry after {} ms", round_up_to_millis(left)),
            Refusal::Probing => write!(formatter, "probing"),
            Refusal::ForcedOpen => write!(formatter, "forced open"),
        }
    }
}

impl std::error::Error for CircuitOpenError {}

/// The caller gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelledError {
    /// The policy in which the call ended; absent where it was the operation that ended by the signal.
    pub policy: Option<Arc<str>>,
}

impl fmt::Display for CancelledError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.policy {
            Some(policy) => write!(formatter, "Call cancelled: {policy}"),
            None => write!(formatter, "Call cancelled"),
        }
    }
}

impl std::error::Error for CancelledError {}

/// An option that is not allowed (GN-16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationError {
    /// What kind of fault it is.
    pub fault: Fault,
    /// Where: `retry.max_delay_ms`.
    pub path: String,
    /// What was given.
    pub value: String,
    /// What may be.
    pub allowed: String,
}

/// The codes of PF-7 that options can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A number outside its range.
    Range,
    /// Not one of the allowed words.
    Enum,
    /// A pattern that does not compile.
    Regex,
    /// It excludes another option; this one is to be removed.
    Conflict,
}

impl Fault {
    /// The code of PF-7.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::Enum => "enum",
            Self::Regex => "regex",
            Self::Conflict => "conflict",
        }
    }
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} is not allowed: {}", self.path, self.value, self.allowed)
    }
}

impl std::error::Error for ConfigurationError {}

/// Whole milliseconds, of which the last may have only begun.
#[must_use]
pub fn round_up_to_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
