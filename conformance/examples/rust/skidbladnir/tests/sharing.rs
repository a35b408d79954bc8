//! What listeners, threads and runtimes may do (GN-13 to GN-15).
#![allow(missing_docs)]

use std::{
    io,
    pin::pin,
    sync::{Arc, Mutex, OnceLock},
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use skidbladnir::{
    Cancellation, CircuitBreaker, CircuitBreakerOptions, Clock, Error, EventKind, Retry, RetryOptions, Sleep, State, testing::VirtualTime,
};
use tokio::time::Instant;

type Breaker = CircuitBreaker<u32, io::Error>;

/// How a clock looks over an async runtime.
struct TokioClock {
    start: Instant,
}

impl Clock for TokioClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[tokio::test(start_paused = true)]
async fn calls_run_in_tasks_of_a_runtime() {
    let start = Instant::now();
    let clock = Arc::new(TokioClock { start });
    let retry = Retry::<io::Error>::new(RetryOptions::default(), clock.clone()).unwrap();
    let breaker = Breaker::new(CircuitBreakerOptions::default(), clock).unwrap();
    let call = tokio::spawn(async move {
        let failing = async |_| Err(io::Error::other("boom").into());
        retry.call(Cancellation::new(), |cancellation| breaker.call(cancellation, failing)).await
    });
    assert!(matches!(call.await.unwrap(), Err(Error::Operation(_))));
    assert_eq!(start.elapsed().as_secs(), 7);
}

#[test]
fn totals_of_threads_add_up() {
    const THREADS: u64 = 8;
    const CALLS: u64 = 2_000;
    let breaker = Breaker::new(CircuitBreakerOptions { failure_threshold: Some(1_000), ..Default::default() }, VirtualTime::new().clock()).unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..CALLS).for_each(|number| run(&breaker, number)));
        }
    });
    let totals = breaker.statistics().totals;
    assert_eq!((totals.calls, totals.successes, totals.failures), (THREADS * CALLS, THREADS * CALLS / 2, THREADS * CALLS / 2));
}

/// Every second call fails.
fn run(breaker: &Breaker, number: u64) {
    let operation = async move |_| if number.is_multiple_of(2) { Ok(1) } else { Err(io::Error::other("boom").into()) };
    assert!(at_once(breaker.call(Cancellation::new(), operation)).is_ready());
}

/// What a future has for whoever does not wait.
fn at_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn listeners_hear_after_the_state_has_changed_and_may_call_back() {
    let called: Arc<OnceLock<Arc<Breaker>>> = Arc::default();
    let seen: Arc<Mutex<Vec<State>>> = Arc::default();
    let (listening, states) = (called.clone(), seen.clone());
    let options = CircuitBreakerOptions::<u32, io::Error> {
        failure_threshold: Some(1),
        listeners: vec![Arc::new(move |event| {
            let breaker = listening.get().unwrap();
            states.lock().unwrap().push(breaker.statistics().state);
            if matches!(event.kind, EventKind::CircuitStateChanged { to: State::Open, .. }) {
                breaker.force_open();
            }
        })],
        ..Default::default()
    };
    let breaker = called.get_or_init(|| Arc::new(Breaker::new(options, VirtualTime::new().clock()).unwrap()));
    run(breaker, 1);
    assert_eq!(*seen.lock().unwrap(), [State::Closed, State::Open, State::Open, State::ForcedOpen]);
}

#[test]
fn listener_that_panics_changes_nothing_for_the_others() {
    let heard: Arc<Mutex<u32>> = Arc::default();
    let counted = heard.clone();
    let options = CircuitBreakerOptions::<u32, io::Error> {
        listeners: vec![Arc::new(|_| panic!("a listener")), Arc::new(move |_| *counted.lock().unwrap() += 1)],
        ..Default::default()
    };
    let breaker = Breaker::new(options, VirtualTime::new().clock()).unwrap();
    run(&breaker, 2);
    assert_eq!((*heard.lock().unwrap(), breaker.statistics().totals.successes), (2, 1));
}
