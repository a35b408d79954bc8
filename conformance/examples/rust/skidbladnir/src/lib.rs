//! Circuit breaker and retry, with the behaviour that the specification of Skíðblaðnir Resilience demands.
//!
//! A call is given up in two ways. Dropping its future is the abrupt one: the operation's future is dropped with it, and what the call
//! held is given back. [`Cancellation`] is the one that asks: the operation hears it, and what it makes of it is the call's outcome.
//!
//! Decisions are pure and take the time; what waits, locks and tells listeners is apart from them. The package has no timers of its own: it
//! takes a [`Clock`], which is a dozen lines over any async runtime, and [`testing::VirtualTime`] in tests.
//!
//! ```
//! use std::{io, sync::Arc, time::Duration};
//! use skidbladnir::{Cancellation, CircuitBreaker, CircuitBreakerOptions, Retry, RetryOptions, testing::VirtualTime};
//!
//! let time = VirtualTime::new();
//! let retry = Retry::new(RetryOptions { max_retries: 2, ..Default::default() }, time.clock()).unwrap();
//! let breaker = CircuitBreaker::new(CircuitBreakerOptions::default(), time.clock()).unwrap();
//! time.spawn(async move {
//!     let mut answers = [Err(io::Error::from(io::ErrorKind::ConnectionReset)), Ok("Ada")].into_iter();
//!     let user = retry
//!         .call(Cancellation::new(), |cancellation| {
//!             let answer = answers.next().unwrap();
//!             breaker.call(cancellation, async move |_| Ok(answer?))
//!         })
//!         .await;
//!     assert_eq!(user.unwrap(), "Ada");
//! });
//! time.advance(Duration::from_secs(1));
//! assert_eq!(time.unfinished(), 0);
//! ```

mod cancellation;
mod circuit_breaker;
mod clock;
mod config;
mod error;
mod event;
mod retry;
pub mod testing;

pub use cancellation::Cancellation;
pub use circuit_breaker::{
    CircuitBreaker, CircuitBreakerOptions, OutcomePredicate, ResetTimeoutBackoff, SlowCall, State, Statistics, Totals, WindowKind, WindowOptions,
};
pub use clock::{Clock, Sleep};
pub use config::{count, millis};
pub use error::{CancelledError, CircuitOpenError, ConfigurationError, Error, Fault, Refusal, round_up_to_millis};
pub use event::{Event, EventKind, Exhaustion, Listener, Transition};
pub use retry::{Details, ErrorPredicate, Jitter, RandomSource, Reader, Retry, RetryOptions};
