//! The ranges of options (GN-16, GN-17).

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use crate::{
    clock::millis as millis_of,
    error::{ConfigurationError, Fault},
};

/// The greatest whole number, and the greatest duration in milliseconds.
pub(crate) const GREATEST: u32 = 2_147_483_647;
/// The greatest factor.
pub(crate) const GREATEST_FACTOR: f64 = 1000.0;

/// Whole milliseconds, as a file has them. The path names the option in the error.
pub fn millis(path: &str, value: i64) -> Result<Duration, ConfigurationError> {
    Ok(Duration::from_millis(u64::from(count(path, value)?)))
}

/// A whole number, as a file has it. The path names the option in the error.
pub fn count(path: &str, value: i64) -> Result<u32, ConfigurationError> {
    match u32::try_from(value) {
        Ok(number) if number <= GREATEST => Ok(number),
        _ => Err(fault(Fault::Range, path, value, format!("0 to {GREATEST}"))),
    }
}

pub(crate) fn check_count(path: &str, value: u32, allowed: RangeInclusive<u32>) -> Result<(), ConfigurationError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(fault(Fault::Range, path, value, format!("{} to {}", allowed.start(), allowed.end())))
}

/// The error tells durations in milliseconds, as the path's end says.
pub(crate) fn check_duration(path: &str, value: Duration, least: Duration) -> Result<(), ConfigurationError> {
    if (least..=Duration::from_millis(GREATEST.into())).contains(&value) {
        return Ok(());
    }
    Err(fault(Fault::Range, path, millis_of(value), format!("{} to {GREATEST}", least.as_millis())))
}

pub(crate) fn check_factor(path: &str, value: f64) -> Result<(), ConfigurationError> {
    if (1.0..=GREATEST_FACTOR).contains(&value) {
        return Ok(());
    }
    Err(fault(Fault::Range, path, value, format!("1 to {GREATEST_FACTOR}")))
}

pub(crate) fn check_rate(path: &str, value: f64) -> Result<(), ConfigurationError> {
    if value > 0.0 && value <= 1.0 {
        return Ok(());
    }
    Err(fault(Fault::Range, path, value, "greater than 0, and at most 1"))
}

pub(crate) fn fault(fault: Fault, path: &str, value: impl Display, allowed: impl Into<String>) -> ConfigurationError {
    ConfigurationError { fault, path: path.to_owned(), value: value.to_string(), allowed: allowed.into() }
}
