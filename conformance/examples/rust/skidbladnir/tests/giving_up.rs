//! Ways out of a call that no trace can show (GN-8): a dropped future, and a panic.
#![allow(missing_docs)]

use std::{
    cell::Cell,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use skidbladnir::{Cancellation, CircuitBreaker, CircuitBreakerOptions, Error, EventKind, Retry, RetryOptions, State, testing::VirtualTime};

type Breaker = CircuitBreaker<(), io::Error>;

fn failing() -> Result<(), Error<io::Error>> {
    Err(io::Error::other("boom").into())
}

/// A circuit that is HALF_OPEN, with the only place for a probe taken by a task that does not end.
fn probing(time: &VirtualTime, options: CircuitBreakerOptions<(), io::Error>) -> (Rc<Breaker>, usize) {
    let options = CircuitBreakerOptions { failure_threshold: Some(1), half_open_success_threshold: 1, ..options };
    let breaker = Rc::new(Breaker::new(options, time.clock()).unwrap());
    let (opened, probed) = (breaker.clone(), breaker.clone());
    time.spawn(async move { assert!(opened.call(Cancellation::new(), async |_| failing()).await.is_err()) });
    time.advance(Duration::from_secs(30));
    let probe = time.spawn(async move { drop(probed.call(Cancellation::new(), async |_| std::future::pending().await).await) });
    time.settle();
    assert_eq!((breaker.statistics().state, breaker.statistics().running_probes), (State::HalfOpen, 1));
    (breaker, probe)
}

#[test]
fn dropped_call_is_cancelled_and_gives_its_place_back() {
    let time = VirtualTime::new();
    let heard = Arc::new(Mutex::new(0));
    let cancelled = heard.clone();
    let options = CircuitBreakerOptions::<(), io::Error> {
        listeners: vec![Arc::new(move |event| {
            *cancelled.lock().unwrap() += u32::from(matches!(event.kind, EventKind::CallCancelled { generation: 2 }))
        })],
        ..Default::default()
    };
    let (breaker, probe) = probing(&time, options);
    time.drop_task(probe);
    let statistics = breaker.statistics();
    assert_eq!((statistics.state, statistics.running_probes, statistics.totals.cancelled), (State::HalfOpen, 0, 1));
    assert_eq!(*heard.lock().unwrap(), 1);
}

#[test]
fn panic_of_the_operation_is_a_failure_and_goes_on() {
    let time = VirtualTime::new();
    let breaker = Rc::new(Breaker::new(CircuitBreakerOptions { failure_threshold: Some(1), ..Default::default() }, time.clock()).unwrap());
    let called = breaker.clone();
    time.spawn(async move { drop(called.call(Cancellation::new(), async |_| panic!("boom")).await) });
    assert!(catch_unwind(AssertUnwindSafe(|| time.settle())).is_err());
    let statistics = breaker.statistics();
    assert_eq!((statistics.state, statistics.failure_count, statistics.totals.failures), (State::Open, 1, 1));
}

#[test]
fn dropped_wait_leaves_nothing_behind() {
    let time = VirtualTime::new();
    let retry = Retry::<io::Error>::new(RetryOptions::default(), time.clock()).unwrap();
    let (attempts, counted) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (cancellation, count) = (Cancellation::new(), counted.clone());
    let given = cancellation.clone();
    let call = time.spawn(async move {
        let operation = async |_| {
            count.set(count.get() + 1);
            failing()
        };
        drop(retry.call(given, operation).await);
    });
    time.settle();
    attempts.set(counted.get());
    assert_eq!((time.armed(), cancellation.listeners()), (1, 1));
    time.drop_task(call);
    assert_eq!((time.armed(), cancellation.listeners()), (0, 0));
    time.advance(Duration::from_secs(60));
    assert_eq!((attempts.get(), counted.get()), (1, 1));
}
