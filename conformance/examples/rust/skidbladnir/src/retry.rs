//! Retry: repeats a failed operation after growing delays.

mod options;
mod plan;
mod text;

use std::{sync::Arc, time::Duration};

pub use options::{ErrorPredicate, Jitter, RandomSource, RetryOptions};
use plan::{Decision, Plan};
use text::Pattern;
pub use text::{Details, Reader};

use crate::{
    cancellation::Cancellation,
    clock::Clock,
    error::{ConfigurationError, Error},
    event::{EventKind, Listeners},
};

/// Repeats operations that fail with `E`. May be shared by threads and tasks: attempts and delays belong to a call.
pub struct Retry<E> {
    plan: Plan,
    clock: Arc<dyn Clock>,
    patterns: Option<Vec<Pattern>>,
    is_retryable: Option<ErrorPredicate<E>>,
    retry_rejections: bool,
    reader: Reader,
    random: RandomSource,
    listeners: Listeners<E>,
}

impl<E: std::error::Error + 'static> Retry<E> {
    /// Checks the options (GN-16).
    pub fn new(options: RetryOptions<E>, clock: Arc<dyn Clock>) -> Result<Self, ConfigurationError> {
        let plan = options.plan()?;
        let patterns = options.patterns()?;
        let name = options.name.unwrap_or_else(|| options::PATTERN.to_owned());
        Ok(Self {
            plan,
            clock,
            patterns,
            is_retryable: options.is_retryable,
            retry_rejections: options.retry_rejections,
            reader: options.reader,
            random: options.random,
            listeners: Listeners::new(name.into(), options.listeners),
        })
    }

    /// Its name, in errors and events (GN-11).
    #[must_use]
    pub fn name(&self) -> &str {
        self.listeners.policy()
    }

    /// Runs the operation until it succeeds, fails for good, or its caller gives up. The last error is handed on unchanged.
    pub async fn call<T, F, O>(&self, cancellation: Cancellation, mut operation: F) -> Result<T, Error<E>>
    where
        F: FnMut(Cancellation) -> O,
        O: Future<Output = Result<T, Error<E>>>,
    {
        let began = self.clock.now();
        let mut delays = self.plan.delays();
        let mut attempt = 0;
        loop {
            if cancellation.is_cancelled() {
                return Err(Error::cancelled_in(self.listeners.policy()));
            }
            attempt += 1;
            let error = match operation(cancellation.clone()).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if cancellation.is_cancelled() || !self.is_retried(&error) {
                return Err(error);
            }
            let elapsed = self.clock.now().saturating_sub(began);
            match self.plan.after_failure(attempt, self.hint(&error), elapsed, &mut delays, &*self.random) {
                Decision::GiveUp(reason) => {
                    self.listeners.tell(EventKind::RetryExhausted { attempt, reason, error: &error });
                    return Err(error);
                }
                Decision::Wait(delay) => {
                    self.listeners.tell(EventKind::RetryScheduled { attempt, delay, error: &error });
                    if !delay.is_zero() && cancellation.run_until_cancelled(self.clock.sleep(delay)).await.is_none() {
                        return Err(Error::cancelled_in(self.listeners.policy()));
                    }
                }
            }
        }
    }

    /// RT-6, RT-8 to RT-10.
    fn is_retried(&self, error: &Error<E>) -> bool {
        match (error, &self.is_retryable, &self.patterns) {
            (Error::Cancelled(_), _, _) => false,
            (Error::CircuitOpen(_), _, _) => self.retry_rejections,
            (Error::Operation(_), Some(is_retryable), _) => is_retryable(error),
            (Error::Operation(error), None, Some(patterns)) => {
                let text = text::of(error, self.reader);
                patterns.iter().any(|pattern| pattern.matches(&text))
            }
            (Error::Operation(_), None, None) => true,
        }
    }

    /// RT-11.
    fn hint(&self, error: &Error<E>) -> Option<Duration> {
        match error {
            Error::Operation(error) => text::details(error, self.reader).retry_after,
            Error::CircuitOpen(_) | Error::Cancelled(_) => error.retry_after(),
        }
    }
}
