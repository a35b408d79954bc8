//! The options of a retry, and their checks.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    str::FromStr,
    time::Duration,
};

use super::{
    plan::Plan,
    text::{Details, Pattern, Reader},
};
use crate::{
    config::{GREATEST, check_count, check_duration, check_factor, fault},
    error::{ConfigurationError, Error, Fault},
    event::Listener,
};

pub(super) const PATTERN: &str = "retry";

/// A question about the error of an operation.
pub type ErrorPredicate<E> = Box<dyn Fn(&Error<E>) -> bool + Send + Sync>;
/// Gives a number in [0, 1) for each delay with jitter.
pub type RandomSource = Box<dyn Fn() -> f64 + Send + Sync>;

/// What is repeated, how often, and after which delays.
pub struct RetryOptions<E> {
    /// `retry`, where it is not given.
    pub name: Option<String>,
    /// So many attempts follow the first.
    pub max_retries: u32,
    /// Before the first retry.
    pub initial_delay: Duration,
    /// No delay is longer, but for hints.
    pub max_delay: Duration,
    /// Each delay is so many times the one before.
    pub backoff_factor: f64,
    /// How much of a delay is left to chance.
    pub jitter: Jitter,
    /// What is retried: text that is contained in an error's (RT-7), or `/.../`, which is searched (feature `regex`). Absent: every failure.
    pub retryable_errors: Option<Vec<String>>,
    /// Decides in place of `retryable_errors`.
    pub is_retryable: Option<ErrorPredicate<E>>,
    /// Whether rejections by a policy inside are retried.
    pub retry_rejections: bool,
    /// An error that asks for a longer delay is not retried.
    pub max_retry_after: Duration,
    /// No delay ends later than this after the call began.
    pub max_elapsed: Option<Duration>,
    /// Reads from errors of other packages what std has no place for.
    pub reader: Reader,
    /// Where jitter comes from.
    pub random: RandomSource,
    /// Who hears its events, in this order.
    pub listeners: Vec<Listener<E>>,
}

impl<E> Default for RetryOptions<E> {
    fn default() -> Self {
        Self {
            name: None,
            max_retries: 3,
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(10),
            backoff_factor: 2.0,
            jitter: Jitter::None,
            retryable_errors: None,
            is_retryable: None,
            retry_rejections: false,
            max_retry_after: Duration::from_secs(60),
            max_elapsed: None,
            reader: |_| Details::default(),
            random: Box::new(system_random),
            listeners: Vec::new(),
        }
    }
}

/// How much of a delay is left to chance (RT-3, RT-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// Nothing.
    #[default]
    None,
    /// All.
    Full,
    /// Half.
    Equal,
    /// Between the initial delay and three times the one before.
    Decorrelated,
}

impl FromStr for Jitter {
    type Err = ConfigurationError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "none" => Ok(Self::None),
            "full" => Ok(Self::Full),
            "equal" => Ok(Self::Equal),
            "decorrelated" => Ok(Self::Decorrelated),
            _ => Err(fault(Fault::Enum, "retry.jitter", word, "none, full, equal, decorrelated")),
        }
    }
}

impl<E> RetryOptions<E> {
    pub(super) fn plan(&self) -> Result<Plan, ConfigurationError> {
        check_count("retry.max_retries", self.max_retries, 0..=GREATEST)?;
        check_duration("retry.initial_delay_ms", self.initial_delay, Duration::ZERO)?;
        check_duration("retry.max_delay_ms", self.max_delay, Duration::ZERO)?;
        check_factor("retry.backoff_factor", self.backoff_factor)?;
        check_duration("retry.max_retry_after_ms", self.max_retry_after, Duration::ZERO)?;
        if let Some(limit) = self.max_elapsed {
            check_duration("retry.max_elapsed_ms", limit, Duration::ZERO)?;
        }
        Ok(Plan {
            max_retries: self.max_retries,
            initial_delay: self.initial_delay,
            max_delay: self.max_delay,
            backoff_factor: self.backoff_factor,
            jitter: self.jitter,
            max_retry_after: self.max_retry_after,
            max_elapsed: self.max_elapsed,
        })
    }

    pub(super) fn patterns(&self) -> Result<Option<Vec<Pattern>>, ConfigurationError> {
        let Some(patterns) = &self.retryable_errors else {
            return Ok(None);
        };
        if self.is_retryable.is_some() {
            return Err(fault(Fault::Conflict, "retry.is_retryable", "is_retryable", "not beside retryable_errors"));
        }
        let compiled = patterns.iter().enumerate().map(|(index, pattern)| {
            let allowed = |reason| fault(Fault::Regex, &format!("retry.retryable_errors[{index}]"), pattern, reason);
            Pattern::compile(pattern).map_err(allowed)
        });
        compiled.collect::<Result<_, _>>().map(Some)
    }
}

/// std has no generator of random numbers, but seeds of hashes that are random.
#[allow(clippy::cast_precision_loss)]
fn system_random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
