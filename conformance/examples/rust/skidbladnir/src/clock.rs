//! Where the time comes from, and how to wait for it.

use std::{pin::Pin, time::Duration};

/// Ends when the time it was made for has passed. Dropping it disarms it.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A monotonic clock (GN-2).
pub trait Clock: Send + Sync {
    /// The time since an instant that stays the same.
    fn now(&self) -> Duration;
    /// Waits.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// In doubles, as RT-2 and CB-10 grow them. Exact for whole milliseconds.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e6
}

/// Truncated to whole milliseconds.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn whole_millis(millis: f64) -> Duration {
    Duration::from_millis(millis as u64)
}
