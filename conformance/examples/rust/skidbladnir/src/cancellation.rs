//! How a caller asks an operation to end.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// A signal that its caller has given up. Clones are the same signal.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<Mutex<Signal>>);

#[derive(Debug, Default)]
struct Signal {
    cancelled: bool,
    listeners: BTreeMap<u64, Waker>,
    last: u64,
}

impl Cancellation {
    /// A signal that has not been given.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the signal. A second time does nothing.
    pub fn cancel(&self) {
        let listeners = {
            let mut signal = self.signal();
            signal.cancelled = true;
            std::mem::take(&mut signal.listeners)
        };
        listeners.into_values().for_each(Waker::wake);
    }

    /// Whether it was given.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.signal().cancelled
    }

    /// Ends when the signal is given.
    pub async fn cancelled(&self) {
        let mut place = Place { cancellation: self, number: None };
        std::future::poll_fn(|context| place.poll(context)).await;
    }

    /// Runs the future to its end, or until the signal is given: then there is no output. A future that is ready wins.
    pub async fn run_until_cancelled<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut cancelled = pin!(self.cancelled());
        std::future::poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            cancelled.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    /// How many wait for it: none, when nothing is left behind.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.signal().listeners.len()
    }

    fn signal(&self) -> MutexGuard<'_, Signal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one who waits; given back when it is dropped.
struct Place<'a> {
    cancellation: &'a Cancellation,
    number: Option<u64>,
}

impl Place<'_> {
    fn poll(&mut self, context: &Context<'_>) -> Poll<()> {
        let mut signal = self.cancellation.signal();
        if signal.cancelled {
            return Poll::Ready(());
        }
        let number = *self.number.get_or_insert_with(|| {
            signal.last += 1;
            signal.last
        });
        signal.listeners.insert(number, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.cancellation.signal().listeners.remove(&number);
        }
    }
}
