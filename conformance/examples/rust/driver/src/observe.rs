//! What is seen, in the words of the protocol.

use std::time::Duration;

use skidbladnir::{ConfigurationError, Event, EventKind, Statistics, round_up_to_millis};

use crate::{
    proto::{self, CallError, CallObservation, CircuitBreakerState, Fault, Pending, PolicyState, call_observation::End, policy_state::State},
    script::{Call, Failure, ScriptedError},
};

pub fn call(call: &Call) -> CallObservation {
    let ended = call.ended.borrow();
    CallObservation {
        id: call.id.clone(),
        starts_ms: call.starts_ms.borrow().clone(),
        signals_ms: call.signals_ms.borrow().clone(),
        end: Some(match &*ended {
            None => End::Pending(Pending {}),
            Some((Ok(value), _)) => End::Ok(value.clone()),
            Some((Err(error), _)) => End::Error(call_error(error)),
        }),
        ended_ms: ended.as_ref().map(|(_, at_ms)| *at_ms),
    }
}

fn call_error(error: &Failure) -> CallError {
    let scripted = match error {
        Failure::Operation(scripted) => Some(scripted),
        Failure::CircuitOpen(_) | Failure::Cancelled(_) => None,
    };
    CallError {
        code: error.code().to_owned(),
        message: error.to_string(),
        policy: error.policy().map(str::to_owned),
        retry_after_ms: error.retry_after().map(ms),
        same: scripted.is_some(),
        cause: scripted.filter(|error| error.has_cause).map(|_| "operation".to_owned()),
    }
}

pub fn circuit_breaker(name: &str, statistics: Statistics) -> PolicyState {
    let totals = statistics.totals;
    let state = CircuitBreakerState {
        state: statistics.state.name().to_owned(),
        failure_count: whole(statistics.failure_count),
        success_count: whole(statistics.success_count),
        running_probes: whole(statistics.running_probes),
        generation: whole(statistics.generation),
        retry_after_ms: statistics.retry_after.map(ms),
        calls: whole(totals.calls),
        successes: whole(totals.successes),
        failures: whole(totals.failures),
        ignored: whole(totals.ignored),
        cancelled: whole(totals.cancelled),
        rejected: whole(totals.rejected),
        slow: whole(totals.slow),
    };
    PolicyState { name: name.to_owned(), state: Some(State::CircuitBreaker(state)) }
}

pub fn event(event: &Event<'_, ScriptedError>, at_ms: i64) -> proto::Event {
    let mut seen = proto::Event { policy: event.policy.to_owned(), at_ms, ..Default::default() };
    let code = |error: &Failure| error.code().to_owned();
    let name = match event.kind {
        EventKind::CallAdmitted { state, generation } => {
            (seen.state, seen.generation) = (Some(state.name().to_owned()), Some(whole(generation)));
            "call_admitted"
        }
        EventKind::CallRejected { state, generation, retry_after } => {
            (seen.state, seen.generation) = (Some(state.name().to_owned()), Some(whole(generation)));
            seen.retry_after_ms = retry_after.map(ms);
            "call_rejected"
        }
        EventKind::CallSucceeded { generation } => {
            seen.generation = Some(whole(generation));
            "call_succeeded"
        }
        EventKind::CallFailed { generation, error } => {
            (seen.generation, seen.error) = (Some(whole(generation)), error.map(code));
            "call_failed"
        }
        EventKind::CallIgnored { generation, error } => {
            (seen.generation, seen.error) = (Some(whole(generation)), error.map(code));
            "call_ignored"
        }
        EventKind::CallCancelled { generation } => {
            seen.generation = Some(whole(generation));
            "call_cancelled"
        }
        EventKind::CircuitStateChanged { from, to, generation, reason } => {
            (seen.from, seen.to) = (Some(from.name().to_owned()), Some(to.name().to_owned()));
            (seen.generation, seen.reason) = (Some(whole(generation)), Some(reason.name().to_owned()));
            "circuit_state_changed"
        }
        EventKind::RetryScheduled { attempt, delay, error } => {
            (seen.attempt, seen.delay_ms, seen.error) = (Some(attempt.into()), Some(ms(delay)), Some(code(error)));
            "retry_scheduled"
        }
        EventKind::RetryExhausted { attempt, reason, error } => {
            (seen.attempt, seen.reason, seen.error) = (Some(attempt.into()), Some(reason.name().to_owned()), Some(code(error)));
            "retry_exhausted"
        }
    };
    seen.r#type = name.to_owned();
    seen
}

pub fn fault(error: &ConfigurationError) -> Fault {
    Fault { code: error.fault.code().to_owned(), path: error.path.clone(), line: 0, message: error.to_string() }
}

fn ms(duration: Duration) -> i64 {
    whole(round_up_to_millis(duration))
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).expect("a trace counts less than that")
}
