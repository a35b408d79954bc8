//! What a trace is about, built from the package's public API.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
};

use skidbladnir::{
    Cancellation, CircuitBreaker, CircuitBreakerOptions, Clock, ConfigurationError, Listener, ResetTimeoutBackoff, Retry, RetryOptions, SlowCall,
    WindowOptions, count, millis,
};

use crate::{
    proto::{self, Match, Target, Value, policy::Pattern, subject::Kind},
    script::{Call, Failure, Outcome, ScriptedError},
};

pub enum Policy {
    CircuitBreaker(Box<CircuitBreaker<Value, ScriptedError>>),
    Retry(Retry<ScriptedError>),
}

/// Policies, the outermost first.
pub struct Subject {
    pub policies: Vec<Policy>,
}

/// Why there is no subject.
pub enum Refusal {
    /// The driver does not know it.
    Unsupported(String),
    /// The package refuses its options.
    Fault(ConfigurationError),
}

impl From<ConfigurationError> for Refusal {
    fn from(error: ConfigurationError) -> Self {
        Self::Fault(error)
    }
}

/// What the policies of a trace are given.
pub struct Surroundings {
    pub clock: Arc<dyn Clock>,
    /// One, or none where nobody listens.
    pub listeners: Vec<Listener<ScriptedError>>,
    pub random: Arc<Mutex<VecDeque<f64>>>,
}

impl Subject {
    pub fn build(subject: proto::Subject, surroundings: &Surroundings) -> Result<Self, Refusal> {
        let Some(Kind::Composition(composition)) = subject.kind else {
            return Err(Refusal::Unsupported("only policies and compositions are known".to_owned()));
        };
        let policies = composition.policies.into_iter().map(|policy| match policy.pattern {
            Some(Pattern::CircuitBreaker(options)) => {
                let options = CircuitBreakerOptions { name: policy.name, ..circuit_breaker(options, surroundings)? };
                Ok(Policy::CircuitBreaker(Box::new(CircuitBreaker::new(options, surroundings.clock.clone())?)))
            }
            Some(Pattern::Retry(options)) => {
                let options = RetryOptions { name: policy.name, ..retry(options, surroundings)? };
                Ok(Policy::Retry(Retry::new(options, surroundings.clock.clone())?))
            }
            _ => Err(Refusal::Unsupported("only circuit_breaker and retry are known".to_owned())),
        });
        Ok(Self { policies: policies.collect::<Result<_, _>>()? })
    }

    pub async fn call(&self, call: &Call) -> Outcome {
        run(&self.policies, call.cancellation.clone(), call).await
    }

    pub fn circuit_breakers(&self) -> impl Iterator<Item = &CircuitBreaker<Value, ScriptedError>> {
        self.policies.iter().filter_map(|policy| match policy {
            Policy::CircuitBreaker(breaker) => Some(&**breaker),
            Policy::Retry(_) => None,
        })
    }

    /// The one that is named, or the only one.
    pub fn circuit_breaker(&self, target: &Target) -> Result<&CircuitBreaker<Value, ScriptedError>, Refusal> {
        let meant = |breaker: &&CircuitBreaker<_, _>| target.policy.as_deref().is_none_or(|name| name == breaker.name());
        self.circuit_breakers().find(meant).ok_or_else(|| Refusal::Unsupported(format!("no circuit breaker is meant by {target:?}")))
    }
}

fn run<'a>(policies: &'a [Policy], cancellation: Cancellation, call: &'a Call) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    match policies.split_first() {
        None => Box::pin(call.operate(cancellation)),
        Some((Policy::CircuitBreaker(breaker), inside)) => Box::pin(breaker.call(cancellation, |signal| run(inside, signal, call))),
        Some((Policy::Retry(retry), inside)) => Box::pin(retry.call(cancellation, |signal| run(inside, signal, call))),
    }
}

fn circuit_breaker(
    given: proto::CircuitBreaker,
    surroundings: &Surroundings,
) -> Result<CircuitBreakerOptions<Value, ScriptedError>, ConfigurationError> {
    let mut options = CircuitBreakerOptions { listeners: surroundings.listeners.clone(), ..Default::default() };
    options.failure_threshold = given.failure_threshold.map(|value| count("circuit_breaker.failure_threshold", value)).transpose()?;
    if let Some(value) = given.reset_timeout_ms {
        options.reset_timeout = millis("circuit_breaker.reset_timeout_ms", value)?;
    }
    if let Some(value) = given.half_open_success_threshold {
        options.half_open_success_threshold = count("circuit_breaker.half_open_success_threshold", value)?;
    }
    options.half_open_max_concurrent =
        given.half_open_max_concurrent.map(|value| count("circuit_breaker.half_open_max_concurrent", value)).transpose()?;
    if let Some(window) = given.window {
        options.window = WindowOptions {
            kind: window.kind.parse()?,
            size: window.size.map(|value| count("circuit_breaker.window.size", value)).transpose()?,
            duration: window.duration_ms.map(|value| millis("circuit_breaker.window.duration_ms", value)).transpose()?,
            buckets: window.buckets.map(|value| count("circuit_breaker.window.buckets", value)).transpose()?,
            minimum_calls: window.minimum_calls.map(|value| count("circuit_breaker.window.minimum_calls", value)).transpose()?,
            failure_rate: window.failure_rate,
        };
    }
    if let Some(slow) = given.slow_call {
        options.slow_call = Some(SlowCall { duration: millis("circuit_breaker.slow_call.duration_ms", slow.duration_ms)?, rate: slow.rate });
    }
    if let Some(backoff) = given.reset_timeout_backoff {
        let max = millis("circuit_breaker.reset_timeout_backoff.max_ms", backoff.max_ms)?;
        options.reset_timeout_backoff = Some(ResetTimeoutBackoff { factor: backoff.factor, max });
    }
    options.is_failure = given.is_failure.map(|asked| Box::new(move |outcome: Result<&Value, &Failure>| matches(&asked, outcome)) as _);
    options.ignore = given.ignore.map(|asked| Box::new(move |outcome: Result<&Value, &Failure>| matches(&asked, outcome)) as _);
    Ok(options)
}

fn retry(given: proto::Retry, surroundings: &Surroundings) -> Result<RetryOptions<ScriptedError>, ConfigurationError> {
    let random = surroundings.random.clone();
    let mut options = RetryOptions {
        listeners: surroundings.listeners.clone(),
        reader: ScriptedError::read,
        random: Box::new(move || random.lock().expect("one thread draws").pop_front().expect("the trace has a random number for each draw")),
        ..Default::default()
    };
    if let Some(value) = given.max_retries {
        options.max_retries = count("retry.max_retries", value)?;
    }
    if let Some(value) = given.initial_delay_ms {
        options.initial_delay = millis("retry.initial_delay_ms", value)?;
    }
    if let Some(value) = given.max_delay_ms {
        options.max_delay = millis("retry.max_delay_ms", value)?;
    }
    if let Some(value) = given.backoff_factor {
        options.backoff_factor = value;
    }
    if let Some(word) = given.jitter {
        options.jitter = word.parse()?;
    }
    options.retryable_errors = given.retryable_errors.map(|list| list.patterns);
    options.is_retryable = given.is_retryable.map(|asked| Box::new(move |error: &Failure| matches(&asked, Err(error))) as _);
    if let Some(value) = given.retry_rejections {
        options.retry_rejections = value;
    }
    if let Some(value) = given.max_retry_after_ms {
        options.max_retry_after = millis("retry.max_retry_after_ms", value)?;
    }
    options.max_elapsed = given.max_elapsed_ms.map(|value| millis("retry.max_elapsed_ms", value)).transpose()?;
    Ok(options)
}

fn matches(asked: &Match, outcome: Result<&Value, &Failure>) -> bool {
    match outcome {
        Ok(value) => value.text.as_ref().is_some_and(|text| asked.results.contains(text)),
        Err(error) => asked.errors.iter().any(|part| error.to_string().contains(part)),
    }
}
