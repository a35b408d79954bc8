//! What patterns find in the errors of std (RT-7), as std makes them.
#![allow(missing_docs)]

use std::{
    error::Error as StdError,
    fmt, io,
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use skidbladnir::{Cancellation, Error, Retry, RetryOptions, testing::VirtualTime};

/// Whether a retry for this pattern makes a second attempt.
fn is_found<E: StdError + 'static>(pattern: &str, make: impl Fn() -> E + 'static) -> bool {
    let time = VirtualTime::new();
    let options = RetryOptions { max_retries: 1, retryable_errors: Some(vec![pattern.to_owned()]), ..Default::default() };
    let retry = Retry::new(options, time.clock()).unwrap();
    let attempts: Arc<Mutex<u32>> = Arc::default();
    let count = attempts.clone();
    time.spawn(async move {
        let operation = async |_| {
            *count.lock().unwrap() += 1;
            Err::<(), _>(Error::Operation(make()))
        };
        assert!(retry.call(Cancellation::new(), operation).await.is_err());
    });
    time.advance(std::time::Duration::from_secs(1));
    let attempts = *attempts.lock().unwrap();
    attempts == 2
}

#[derive(Debug)]
struct ClientError(io::Error);

impl fmt::Display for ClientError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("request failed")
    }
}

impl StdError for ClientError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

/// Nobody listens there any more.
fn refused() -> io::Error {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    TcpStream::connect(address).unwrap_err()
}

#[test]
fn refused_connection_has_its_code() {
    assert!(is_found("ECONNREFUSED", refused));
    assert!(!is_found("ECONNRESET", refused));
}

#[test]
fn code_of_a_cause_is_found_and_its_message_is_not() {
    assert!(is_found("ECONNREFUSED", || ClientError(refused())));
    assert!(is_found("ECONNREFUSED", || io::Error::other(ClientError(refused()))));
    assert!(!is_found("inner", || ClientError(io::Error::other("inner"))));
}

#[test]
fn name_of_the_type_is_found() {
    assert!(is_found("ClientError", || ClientError(io::Error::other("inner"))));
}

#[cfg(not(feature = "regex"))]
#[test]
fn regex_is_refused_without_its_feature() {
    let options = RetryOptions::<io::Error> { retryable_errors: Some(vec!["/x/".to_owned()]), ..Default::default() };
    let Err(error) = Retry::new(options, VirtualTime::new().clock()) else { panic!("it was allowed") };
    let said = "retry.retryable_errors[0]: /x/ is not allowed: text; regexes need the feature `regex`";
    assert_eq!((error.fault.code(), error.to_string()), ("regex", said.to_owned()));
}
