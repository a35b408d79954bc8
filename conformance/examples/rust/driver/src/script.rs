//! What the operations of a trace do.

use std::{
    cell::{Cell, RefCell},
    error::Error,
    fmt, io,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use skidbladnir::{Cancellation, Clock, Details};

use crate::proto::{self, Script, Value, on_cancel::End as CancelledEnd, on_cancel::Reaction, script::End};

pub type Failure = skidbladnir::Error<ScriptedError>;
pub type Outcome = Result<Value, Failure>;

/// A call of a trace: what its operation does, and what is seen of it.
pub struct Call {
    pub id: String,
    pub scripts: Vec<Script>,
    pub cancellation: Cancellation,
    pub clock: Arc<dyn Clock>,
    pub starts_ms: RefCell<Vec<i64>>,
    pub signals_ms: RefCell<Vec<i64>>,
    pub running: Cell<u32>,
    /// The outcome, and when the caller got it.
    pub ended: RefCell<Option<(Outcome, i64)>>,
}

pub fn now_ms(clock: &dyn Clock) -> i64 {
    i64::try_from(clock.now().as_millis()).expect("a trace is shorter than time")
}

impl Call {
    pub fn now_ms(&self) -> i64 {
        now_ms(&*self.clock)
    }

    /// Starts the operation once more.
    pub async fn operate(&self, cancellation: Cancellation) -> Outcome {
        let earlier = self.starts_ms.borrow().len();
        let script = &self.scripts[earlier.min(self.scripts.len() - 1)];
        self.starts_ms.borrow_mut().push(self.now_ms());
        self.running.set(self.running.get() + 1);
        let outcome = self.perform(script, &cancellation).await;
        self.running.set(self.running.get() - 1);
        outcome
    }

    async fn perform(&self, script: &Script, cancellation: &Cancellation) -> Outcome {
        let mut wait = pin!(async {
            match script.end {
                Some(End::Never(_)) => std::future::pending().await,
                _ => self.sleep(script.after_ms).await,
            }
        });
        if cancellation.run_until_cancelled(wait.as_mut()).await.is_none() {
            self.signals_ms.borrow_mut().push(self.now_ms());
            let Some(on_cancel) = &script.on_cancel else { return Err(Failure::cancelled()) };
            match on_cancel.reaction {
                Some(Reaction::Ignore(_)) => wait.await,
                Some(Reaction::SettleAfterMs(after_ms)) => {
                    self.sleep(after_ms).await;
                    return ended_by_cancellation(on_cancel.end.as_ref());
                }
                None => return ended_by_cancellation(on_cancel.end.as_ref()),
            }
        }
        match &script.end {
            Some(End::Ok(value)) => Ok(value.clone()),
            Some(End::Error(error)) => Err(ScriptedError::new(error).into()),
            Some(End::Never(_)) | None => panic!("a script that does not end has ended"),
        }
    }

    /// For 0, without waiting.
    async fn sleep(&self, ms: i64) {
        if ms == 0 {
            return;
        }
        self.clock.sleep(Duration::from_millis(ms.try_into().expect("a script waits forwards"))).await;
    }
}

fn ended_by_cancellation(end: Option<&CancelledEnd>) -> Outcome {
    match end {
        Some(CancelledEnd::Ok(value)) => Ok(value.clone()),
        Some(CancelledEnd::Error(error)) => Err(ScriptedError::new(error).into()),
        None => Err(Failure::cancelled()),
    }
}

type Source = Box<dyn Error + Send + Sync>;

/// The error of a script. It cannot be cloned: the one that a caller gets is the one that was made.
#[derive(Debug)]
pub struct ScriptedError {
    message: String,
    details: Details,
    pub has_cause: bool,
    source: Option<Source>,
}

impl ScriptedError {
    fn new(error: &proto::Error) -> Self {
        let cause: Option<Source> = error.cause.as_deref().map(|cause| Self::new(cause).into());
        let os_code = error.os_code.as_deref();
        let (has_cause, kind) = (cause.is_some(), os_code.and_then(kind_of));
        let source: Option<Source> = match (kind, cause) {
            (Some(kind), Some(cause)) => Some(io::Error::new(kind, cause).into()),
            (Some(kind), None) => Some(io::Error::from(kind).into()),
            (None, cause) => cause,
        };
        let details = Details {
            os_code: os_code.filter(|_| kind.is_none()).map(str::to_owned),
            http_status: error.http_status.map(|status| status.try_into().expect("a status is a small number")),
            retry_after: error.retry_after_ms.map(|ms| Duration::from_millis(ms.try_into().expect("a hint is not negative"))),
        };
        Self { message: error.message.clone(), details, has_cause, source }
    }

    /// What std has no place for is read from here, as an HTTP client's error would be.
    pub fn read(error: &(dyn Error + 'static)) -> Details {
        error.downcast_ref::<Self>().map(|error| error.details.clone()).unwrap_or_default()
    }
}

/// The kind by which std's errors store a code of the system. It has none for a name that does not exist.
fn kind_of(os_code: &str) -> Option<io::ErrorKind> {
    match os_code {
        "EACCES" => Some(io::ErrorKind::PermissionDenied),
        "EAGAIN" => Some(io::ErrorKind::WouldBlock),
        "ECONNABORTED" => Some(io::ErrorKind::ConnectionAborted),
        "ECONNREFUSED" => Some(io::ErrorKind::ConnectionRefused),
        "ECONNRESET" => Some(io::ErrorKind::ConnectionReset),
        "EHOSTUNREACH" => Some(io::ErrorKind::HostUnreachable),
        "ENETDOWN" => Some(io::ErrorKind::NetworkDown),
        "ENETUNREACH" => Some(io::ErrorKind::NetworkUnreachable),
        "ENOENT" => Some(io::ErrorKind::NotFound),
        "EPIPE" => Some(io::ErrorKind::BrokenPipe),
        "ETIMEDOUT" => Some(io::ErrorKind::TimedOut),
        _ => None,
    }
}

impl fmt::Display for ScriptedError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for ScriptedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
