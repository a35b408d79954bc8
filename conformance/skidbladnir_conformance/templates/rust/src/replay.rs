//! Replays a trace under virtual time: performs each step, settles, observes.

use crate::proto::{Observation, ReplayResponse, Trace, replay_response::Result as Answer};

/// Why a trace cannot be replayed.
struct Unsupported(String);

/// Answers a trace with what was seen, or with why it cannot be replayed.
pub fn replay(trace: Trace) -> ReplayResponse {
    let trace_id = trace.id.clone();
    let result = match observe(trace) {
        Ok(observation) => Answer::Observation(observation),
        Err(Unsupported(reason)) => Answer::Unsupported(reason),
    };
    ReplayResponse { trace_id, result: Some(result) }
}

/// Here the port begins: build the subject under a time that begins at 0; perform each step, settle, and look; count what is left behind.
fn observe(trace: Trace) -> Result<Observation, Unsupported> {
    Err(Unsupported(format!("the subject is not known: {:?}", trace.subject.and_then(|subject| subject.kind))))
}
