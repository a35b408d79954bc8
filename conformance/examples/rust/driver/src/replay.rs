//! Replays a trace under virtual time: performs each step, settles, observes.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use skidbladnir::{Cancellation, Clock, Event, Listener, testing::VirtualTime};

use crate::{
    observe,
    proto::{self, Observation, ReplayResponse, StepObservation, Trace, replay_response::Result as Answer, step::Action},
    script::{Call, ScriptedError, now_ms},
    subject::{Refusal, Subject, Surroundings},
};

pub fn replay(trace: Trace) -> ReplayResponse {
    let trace_id = trace.id.clone();
    let result = match observe(trace) {
        Ok(observation) => Answer::Observation(observation),
        Err(Refusal::Fault(error)) => Answer::Observation(Observation { faults: vec![observe::fault(&error)], ..Default::default() }),
        Err(Refusal::Unsupported(reason)) => Answer::Unsupported(reason),
    };
    ReplayResponse { trace_id, result: Some(result) }
}

fn observe(trace: Trace) -> Result<Observation, Refusal> {
    let mut stage = Stage::new(trace.subject.unwrap_or_default(), trace.random, trace.unheard)?;
    let mut steps = Vec::with_capacity(trace.steps.len());
    for step in trace.steps {
        stage.perform(step.action)?;
        stage.time.settle();
        steps.push(stage.look());
    }
    Ok(Observation { steps, leftovers: stage.leftovers(), ..Default::default() })
}

/// Where one trace is played.
struct Stage {
    time: VirtualTime,
    clock: Arc<dyn Clock>,
    subject: Rc<Subject>,
    calls: Vec<Rc<Call>>,
    /// Since the last step.
    events: Arc<Mutex<Vec<proto::Event>>>,
}

impl Stage {
    fn new(subject: proto::Subject, random: Vec<f64>, unheard: bool) -> Result<Self, Refusal> {
        let time = VirtualTime::new();
        let (clock, events) = (time.clock(), Arc::<Mutex<Vec<_>>>::default());
        let (listening, heard) = (clock.clone(), events.clone());
        let listener =
            move |event: &Event<'_, ScriptedError>| heard.lock().expect("one thread hears").push(observe::event(event, now_ms(&*listening)));
        let listeners: Vec<Listener<ScriptedError>> = if unheard { Vec::new() } else { vec![Arc::new(listener)] };
        let surroundings = Surroundings { clock: clock.clone(), listeners, random: Arc::new(Mutex::new(random.into())) };
        let subject = Rc::new(Subject::build(subject, &surroundings)?);
        Ok(Self { time, clock, subject, calls: Vec::new(), events })
    }

    fn perform(&mut self, action: Option<Action>) -> Result<(), Refusal> {
        match action {
            Some(Action::Call(call)) => self.begin(call)?,
            Some(Action::Cancel(id)) => {
                let call = self.calls.iter().find(|call| call.id == id);
                call.ok_or_else(|| Refusal::Unsupported(format!("no call is named {id}")))?.cancellation.cancel();
            }
            Some(Action::AdvanceMs(ms)) => self.time.advance(Duration::from_millis(ms.try_into().expect("time goes forwards"))),
            Some(Action::ForceOpen(target)) => self.subject.circuit_breaker(&target)?.force_open(),
            Some(Action::Disable(target)) => self.subject.circuit_breaker(&target)?.disable(),
            Some(Action::Reset(target)) => self.subject.circuit_breaker(&target)?.reset(),
            other => return Err(Refusal::Unsupported(format!("the action is not known: {other:?}"))),
        }
        Ok(())
    }

    fn begin(&mut self, given: proto::Call) -> Result<(), Refusal> {
        if given.fallback.is_some() {
            return Err(Refusal::Unsupported("calls with a fallback are not known".to_owned()));
        }
        let call = Rc::new(Call {
            id: given.id,
            scripts: given.op,
            cancellation: Cancellation::new(),
            clock: self.clock.clone(),
            starts_ms: RefCell::default(),
            signals_ms: RefCell::default(),
            running: Cell::default(),
            ended: RefCell::default(),
        });
        if given.cancelled {
            call.cancellation.cancel();
        }
        self.calls.push(call.clone());
        let subject = self.subject.clone();
        self.time.spawn(async move {
            let outcome = subject.call(&call).await;
            *call.ended.borrow_mut() = Some((outcome, call.now_ms()));
        });
        Ok(())
    }

    fn look(&self) -> StepObservation {
        StepObservation {
            now_ms: now_ms(&*self.clock),
            calls: self.calls.iter().map(|call| observe::call(call)).collect(),
            policies: self.subject.circuit_breakers().map(|breaker| observe::circuit_breaker(breaker.name(), breaker.statistics())).collect(),
            events: std::mem::take(&mut *self.events.lock().expect("one thread hears")),
            health: Vec::new(),
            running: self.running(),
            reported: 0,
        }
    }

    /// Tasks that have not ended, armed timers, and places at callers' signals, when no operation runs.
    fn leftovers(&self) -> u32 {
        if self.running() > 0 {
            return 0;
        }
        let listeners: usize = self.calls.iter().map(|call| call.cancellation.listeners()).sum();
        u32::try_from(self.time.unfinished() + self.time.armed() + listeners).expect("a trace leaves little behind")
    }

    fn running(&self) -> u32 {
        self.calls.iter().map(|call| call.running.get()).sum()
    }
}
