//! Time for tests, which never passes by itself: an executor of one thread that is stepped by hand, and its clock.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::clock::{Clock, Sleep};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Runs tasks under a time that moves only by [`VirtualTime::advance`].
#[derive(Default)]
pub struct VirtualTime {
    clock: VirtualClock,
    ready: Ready,
    /// `None` when it has ended.
    tasks: RefCell<Vec<Option<Task>>>,
}

/// The numbers of the tasks that can move, in the order in which they were woken.
type Ready = Arc<Mutex<VecDeque<usize>>>;

impl VirtualTime {
    /// At 0, and without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For the policies under test.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    /// Begins a task; it moves when time is settled or advanced. The number is for [`Self::drop_task`].
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) -> usize {
        let mut tasks = self.tasks.borrow_mut();
        tasks.push(Some(Box::pin(task)));
        lock(&self.ready).push_back(tasks.len() - 1);
        tasks.len() - 1
    }

    /// Drops a task, wherever it is.
    pub fn drop_task(&self, number: usize) {
        let task = self.tasks.borrow_mut()[number].take();
        drop(task);
    }

    /// Runs until nothing can move without time passing.
    pub fn settle(&self) {
        loop {
            // A statement of its own, so that a task that wakes another finds the lock free.
            let number = lock(&self.ready).pop_front();
            let Some(number) = number else { return };
            // A task that has ended may still be woken.
            let Some(mut task) = self.tasks.borrow_mut()[number].take() else { continue };
            let waker = Waker::from(Arc::new(TaskWaker { number, ready: self.ready.clone() }));
            if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                self.tasks.borrow_mut()[number] = Some(task);
            }
        }
    }

    /// Moves the time from timer to timer, settling at each, and then to its end.
    pub fn advance(&self, duration: Duration) {
        let end = self.clock.now() + duration;
        self.settle();
        while let Some(timer) = self.clock.fire_next(end) {
            timer.wake();
            self.settle();
        }
        self.clock.timers().now = end;
    }

    /// Timers that have not fired.
    #[must_use]
    pub fn armed(&self) -> usize {
        self.clock.timers().armed.len()
    }

    /// Tasks that have not ended.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.tasks.borrow().iter().flatten().count()
    }
}

struct TaskWaker {
    number: usize,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        lock(&self.ready).push_back(self.number);
    }
}

#[derive(Clone, Default)]
struct VirtualClock(Arc<Mutex<Timers>>);

#[derive(Default)]
struct Timers {
    now: Duration,
    /// By the time they are due, and then in the order in which they were armed.
    armed: BTreeMap<(Duration, u64), Waker>,
    last: u64,
}

impl VirtualClock {
    fn timers(&self) -> MutexGuard<'_, Timers> {
        lock(&self.0)
    }

    /// Moves the time to the earliest timer that is due by then.
    fn fire_next(&self, by: Duration) -> Option<Waker> {
        let mut timers = self.timers();
        let first = timers.armed.first_entry().filter(|timer| timer.key().0 <= by)?;
        let ((due, _), waker) = first.remove_entry();
        timers.now = due;
        Some(waker)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        self.timers().now
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut timers = self.timers();
        timers.last += 1;
        Box::pin(VirtualSleep { clock: self.clone(), timer: (timers.now + duration, timers.last), begun: false })
    }
}

/// Ends when its timer has fired: one of 0 waits too, so that a wait that should not be is seen (RT-5).
struct VirtualSleep {
    clock: VirtualClock,
    timer: (Duration, u64),
    begun: bool,
}

impl Future for VirtualSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let begun = std::mem::replace(&mut self.begun, true);
        let mut timers = self.clock.timers();
        if begun && !timers.armed.contains_key(&self.timer) {
            return Poll::Ready(());
        }
        timers.armed.insert(self.timer, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for VirtualSleep {
    fn drop(&mut self) {
        self.clock.timers().armed.remove(&self.timer);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
