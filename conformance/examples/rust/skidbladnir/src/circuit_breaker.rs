//! Circuit breaker: stops calls to a dependency that fails, and lets a few probes find out when it works again.

mod circuit;
mod options;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use circuit::{Admission, Changed, Circuit, Input, Outcome};
pub use circuit::{State, Statistics, Totals};
pub use options::{CircuitBreakerOptions, OutcomePredicate, ResetTimeoutBackoff, SlowCall, WindowKind, WindowOptions};

use crate::{
    cancellation::Cancellation,
    clock::Clock,
    error::{CircuitOpenError, ConfigurationError, Error},
    event::{EventKind, Listeners},
};

/// Guards calls that give `T` or fail with `E`. May be shared by threads and tasks; no lock is held while the operation, a predicate or a
/// listener runs (GN-14).
pub struct CircuitBreaker<T, E> {
    circuit: Mutex<Circuit>,
    clock: Arc<dyn Clock>,
    is_failure: Option<OutcomePredicate<T, E>>,
    ignore: Option<OutcomePredicate<T, E>>,
    listeners: Listeners<E>,
}

impl<T, E> CircuitBreaker<T, E> {
    /// Checks the options (GN-16).
    pub fn new(options: CircuitBreakerOptions<T, E>, clock: Arc<dyn Clock>) -> Result<Self, ConfigurationError> {
        let settings = options.settings(clock.now())?;
        let name = options.name.unwrap_or_else(|| options::PATTERN.to_owned());
        Ok(Self {
            circuit: Mutex::new(Circuit::new(settings)),
            clock,
            is_failure: options.is_failure,
            ignore: options.ignore,
            listeners: Listeners::new(name.into(), options.listeners),
        })
    }

    /// Its name, in errors and events (GN-11).
    #[must_use]
    pub fn name(&self) -> &str {
        self.listeners.policy()
    }

    /// Runs the operation, unless the circuit is open (`CircuitOpen`) or the caller has given up (`Cancelled`). Its result or error is handed on
    /// unchanged. Dropping the future counts as `cancelled`, a panic as a failure (GN-8).
    pub async fn call<F, O>(&self, cancellation: Cancellation, operation: F) -> Result<T, Error<E>>
    where
        F: FnOnce(Cancellation) -> O,
        O: Future<Output = Result<T, Error<E>>>,
    {
        if cancellation.is_cancelled() {
            return Err(Error::cancelled_in(self.listeners.policy()));
        }
        let held = self.admit()?;
        let result = operation(cancellation).await;
        let outcome = self.outcome_of(&result);
        held.end(outcome, result.as_ref().err());
        result
    }

    /// What can be read; reading changes nothing (GN-12).
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.circuit().statistics(self.clock.now())
    }

    /// Refuses every call until [`Self::reset`] or [`Self::disable`].
    pub fn force_open(&self) {
        self.override_by(Input::ForceOpen);
    }

    /// Lets every call through, and counts totals only, until [`Self::reset`] or [`Self::force_open`].
    pub fn disable(&self) {
        self.override_by(Input::Disable);
    }

    /// Closes the circuit, whatever its state.
    pub fn reset(&self) {
        self.override_by(Input::Reset);
    }

    fn admit(&self) -> Result<Held<'_, T, E>, Error<E>> {
        let (changed, decision, state, generation) = {
            let mut circuit = self.circuit();
            let (changed, decision) = circuit.admit(self.clock.now());
            (changed, decision, circuit.state(), circuit.generation())
        };
        self.tell_change(changed);
        match decision {
            Ok(admission) => {
                let held = Held { breaker: self, admission: Some(admission) };
                self.listeners.tell(EventKind::CallAdmitted { state, generation });
                Ok(held)
            }
            Err(refusal) => {
                let error = CircuitOpenError { policy: self.listeners.policy().clone(), refusal };
                self.listeners.tell(EventKind::CallRejected { state, generation, retry_after: error.retry_after() });
                Err(Error::CircuitOpen(error))
            }
        }
    }

    /// CB-7.
    fn outcome_of(&self, result: &Result<T, Error<E>>) -> Outcome {
        match result {
            Err(Error::Cancelled(_)) => return Outcome::Cancelled,
            Err(Error::CircuitOpen(_)) => return Outcome::Ignored,
            Ok(_) | Err(Error::Operation(_)) => {}
        }
        if self.ignore.as_ref().is_some_and(|ignore| ignore(result.as_ref())) {
            return Outcome::Ignored;
        }
        match &self.is_failure {
            Some(is_failure) if is_failure(result.as_ref()) => Outcome::Failure,
            None if result.is_err() => Outcome::Failure,
            _ => Outcome::Success,
        }
    }

    fn end(&self, admission: Admission, outcome: Outcome, error: Option<&Error<E>>) {
        let changed = self.circuit().end(admission, outcome, self.clock.now());
        let generation = admission.generation;
        self.listeners.tell(match outcome {
            Outcome::Success => EventKind::CallSucceeded { generation },
            Outcome::Failure => EventKind::CallFailed { generation, error },
            Outcome::Ignored => EventKind::CallIgnored { generation, error },
            Outcome::Cancelled => EventKind::CallCancelled { generation },
        });
        self.tell_change(changed);
    }

    fn override_by(&self, input: Input) {
        let changed = self.circuit().apply(input, self.clock.now());
        self.tell_change(changed);
    }

    fn tell_change(&self, changed: Option<Changed>) {
        if let Some(Changed { from, to, generation, reason }) = changed {
            self.listeners.tell(EventKind::CircuitStateChanged { from, to, generation, reason });
        }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a call holds of the circuit; given back whatever the way out.
struct Held<'a, T, E> {
    breaker: &'a CircuitBreaker<T, E>,
    admission: Option<Admission>,
}

impl<T, E> Held<'_, T, E> {
    fn end(mut self, outcome: Outcome, error: Option<&Error<E>>) {
        if let Some(admission) = self.admission.take() {
            self.breaker.end(admission, outcome, error);
        }
    }
}

impl<T, E> Drop for Held<'_, T, E> {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            let outcome = if std::thread::panicking() { Outcome::Failure } else { Outcome::Cancelled };
            self.breaker.end(admission, outcome, None);
        }
    }
}
