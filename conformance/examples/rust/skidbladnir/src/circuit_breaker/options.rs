//! The options of a circuit breaker, and their checks.

use std::{str::FromStr, time::Duration};

use super::{
    circuit::Settings,
    window::{Rates, WindowSettings},
};
use crate::{
    config::{GREATEST, check_count, check_duration, check_factor, check_rate, fault},
    error::{ConfigurationError, Error, Fault},
    event::Listener,
};

pub(super) const PATTERN: &str = "circuit_breaker";
const DEFAULT_SIZE: u32 = 100;
const DEFAULT_MINIMUM_CALLS: u32 = 10;
const GREATEST_SIZE: u32 = 1_000_000;
const GREATEST_BUCKETS: u32 = 1_000;
const ONE_MILLISECOND: Duration = Duration::from_millis(1);

/// A question about what a call ended with. It is not asked about cancellations, and rejections of a policy inside (CB-7).
pub type OutcomePredicate<T, E> = Box<dyn Fn(Result<&T, &Error<E>>) -> bool + Send + Sync>;

/// How a circuit breaker works. What is `None` was not given.
pub struct CircuitBreakerOptions<T, E> {
    /// `circuit_breaker`, where it is not given.
    pub name: Option<String>,
    /// So many failures open it; 5. Only with the windows `consecutive` and `cumulative`.
    pub failure_threshold: Option<u32>,
    /// How long it stays open.
    pub reset_timeout: Duration,
    /// So many probes have to succeed.
    pub half_open_success_threshold: u32,
    /// So many probes run at once; as many as have to succeed.
    pub half_open_max_concurrent: Option<u32>,
    /// What is counted while CLOSED.
    pub window: WindowOptions,
    /// Calls that take too long open it too. Only with the windows `count` and `time`.
    pub slow_call: Option<SlowCall>,
    /// It stays open longer with every opening in a row.
    pub reset_timeout_backoff: Option<ResetTimeoutBackoff>,
    /// What is a failure: every error, and no result.
    pub is_failure: Option<OutcomePredicate<T, E>>,
    /// What tells nothing of the dependency: nothing.
    pub ignore: Option<OutcomePredicate<T, E>>,
    /// Who hears its events, in this order.
    pub listeners: Vec<Listener<E>>,
}

impl<T, E> Default for CircuitBreakerOptions<T, E> {
    fn default() -> Self {
        Self {
            name: None,
            failure_threshold: None,
            reset_timeout: Duration::from_secs(30),
            half_open_success_threshold: 3,
            half_open_max_concurrent: None,
            window: WindowOptions::default(),
            slow_call: None,
            reset_timeout_backoff: None,
            is_failure: None,
            ignore: None,
            listeners: Vec::new(),
        }
    }
}

/// What is counted while CLOSED. An option that the kind does not have is refused (CB-6).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WindowOptions {
    /// Which window.
    pub kind: WindowKind,
    /// `count`: so many outcomes; 100.
    pub size: Option<u32>,
    /// `time`: so long; a minute.
    pub duration: Option<Duration>,
    /// `time`: in so many steps it moves on; 10.
    pub buckets: Option<u32>,
    /// `count` and `time`: fewer say nothing; 10, or the size where that is less.
    pub minimum_calls: Option<u32>,
    /// `count` and `time`: at this rate it opens; 0.5.
    pub failure_rate: Option<f64>,
}

/// The kinds of windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowKind {
    /// Failures in a row.
    #[default]
    Consecutive,
    /// Failures since it closed.
    Cumulative,
    /// The failure rate of the last calls.
    Count,
    /// The failure rate of the last while.
    Time,
}

impl FromStr for WindowKind {
    type Err = ConfigurationError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "consecutive" => Ok(Self::Consecutive),
            "cumulative" => Ok(Self::Cumulative),
            "count" => Ok(Self::Count),
            "time" => Ok(Self::Time),
            _ => Err(fault(Fault::Enum, "circuit_breaker.window.kind", word, "consecutive, cumulative, count, time")),
        }
    }
}

/// When calls are too slow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowCall {
    /// From here on a call is slow.
    pub duration: Duration,
    /// At this rate it opens; 1.
    pub rate: Option<f64>,
}

/// How the reset timeout grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResetTimeoutBackoff {
    /// With every opening in a row; 2.
    pub factor: Option<f64>,
    /// No longer than this.
    pub max: Duration,
}

impl<T, E> CircuitBreakerOptions<T, E> {
    pub(super) fn settings(&self, now: Duration) -> Result<Settings, ConfigurationError> {
        let max_concurrent = self.half_open_max_concurrent.unwrap_or(self.half_open_success_threshold);
        check_count("circuit_breaker.half_open_success_threshold", self.half_open_success_threshold, 1..=GREATEST)?;
        check_count("circuit_breaker.half_open_max_concurrent", max_concurrent, 1..=GREATEST)?;
        check_duration("circuit_breaker.reset_timeout_ms", self.reset_timeout, Duration::ZERO)?;
        Ok(Settings {
            window: self.window_settings(now)?,
            slow_from: self.slow_call.map(|slow| slow.duration),
            reset_timeout: self.reset_timeout,
            backoff: self.reset_timeout_backoff.map(|backoff| self.checked(backoff)).transpose()?,
            success_threshold: self.half_open_success_threshold,
            max_concurrent,
        })
    }

    fn window_settings(&self, start: Duration) -> Result<WindowSettings, ConfigurationError> {
        self.window.refuse_options_of_other_kinds()?;
        if !self.window.kind.has_rates() {
            if self.slow_call.is_some() {
                return Err(fault(Fault::Conflict, "circuit_breaker.slow_call", "slow_call", "only with the windows count and time"));
            }
            let threshold = self.failure_threshold.unwrap_or(5);
            check_count("circuit_breaker.failure_threshold", threshold, 1..=GREATEST)?;
            return Ok(match self.window.kind {
                WindowKind::Cumulative => WindowSettings::Cumulative { threshold },
                _ => WindowSettings::Consecutive { threshold },
            });
        }
        if let Some(threshold) = self.failure_threshold {
            let allowed = "only with the windows consecutive and cumulative";
            return Err(fault(Fault::Conflict, "circuit_breaker.failure_threshold", threshold, allowed));
        }
        let slow_rate = match self.slow_call {
            Some(slow) => {
                check_duration("circuit_breaker.slow_call.duration_ms", slow.duration, ONE_MILLISECOND)?;
                slow.rate.unwrap_or(1.0)
            }
            None => 1.0,
        };
        check_rate("circuit_breaker.slow_call.rate", slow_rate)?;
        self.window.rate_settings(slow_rate, start)
    }

    fn checked(&self, backoff: ResetTimeoutBackoff) -> Result<(f64, Duration), ConfigurationError> {
        let factor = backoff.factor.unwrap_or(2.0);
        check_factor("circuit_breaker.reset_timeout_backoff.factor", factor)?;
        check_duration("circuit_breaker.reset_timeout_backoff.max_ms", backoff.max, self.reset_timeout)?;
        Ok((factor, backoff.max))
    }
}

impl WindowOptions {
    fn refuse_options_of_other_kinds(&self) -> Result<(), ConfigurationError> {
        let rates = self.kind.has_rates();
        let options = [
            ("size", self.size.is_some(), self.kind == WindowKind::Count),
            ("duration_ms", self.duration.is_some(), self.kind == WindowKind::Time),
            ("buckets", self.buckets.is_some(), self.kind == WindowKind::Time),
            ("minimum_calls", self.minimum_calls.is_some(), rates),
            ("failure_rate", self.failure_rate.is_some(), rates),
        ];
        for (option, given, known) in options {
            if given && !known {
                return Err(fault(Fault::Conflict, &format!("circuit_breaker.window.{option}"), option, "not with this kind of window"));
            }
        }
        Ok(())
    }

    fn rate_settings(&self, slow_rate: f64, start: Duration) -> Result<WindowSettings, ConfigurationError> {
        let size = self.size.unwrap_or(DEFAULT_SIZE);
        check_count("circuit_breaker.window.size", size, 1..=GREATEST_SIZE)?;
        let most_calls = if self.kind == WindowKind::Count { size } else { GREATEST };
        let minimum_calls = self.minimum_calls.unwrap_or(DEFAULT_MINIMUM_CALLS.min(most_calls));
        check_count("circuit_breaker.window.minimum_calls", minimum_calls, 1..=most_calls)?;
        let failure_rate = self.failure_rate.unwrap_or(0.5);
        check_rate("circuit_breaker.window.failure_rate", failure_rate)?;
        let rates = Rates { minimum_calls, failure_rate, slow_rate };
        if self.kind == WindowKind::Count {
            return Ok(WindowSettings::Count { size, rates });
        }
        let duration = self.duration.unwrap_or(Duration::from_secs(60));
        check_duration("circuit_breaker.window.duration_ms", duration, ONE_MILLISECOND)?;
        let buckets = self.buckets.unwrap_or(10);
        check_count("circuit_breaker.window.buckets", buckets, 1..=GREATEST_BUCKETS)?;
        Ok(WindowSettings::Time { duration, buckets, start, rates })
    }
}

impl WindowKind {
    fn has_rates(self) -> bool {
        matches!(self, Self::Count | Self::Time)
    }
}
