//! The text of an error, and the patterns that are looked for in it (RT-6, RT-7).

use std::{any::type_name, error::Error, io, time::Duration};

/// What an error says beside its message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The symbolic code of the system: `ECONNRESET`.
    pub os_code: Option<String>,
    /// The status of an HTTP answer, from 100 to 599.
    pub http_status: Option<u16>,
    /// When the operation may be repeated.
    pub retry_after: Option<Duration>,
}

/// Reads the details of an error, or of one of its causes, that is not of std: `error.downcast_ref::<reqwest::Error>()`. `std::io::Error` is read
/// without it.
pub type Reader = fn(&(dyn Error + 'static)) -> Details;

/// Something to look for in a text; case-sensitive.
pub(super) enum Pattern {
    Contained(String),
    #[cfg(feature = "regex")]
    Searched(regex::Regex),
}

impl Pattern {
    /// `/.../` is a regex, everything else a text. The error is what is allowed.
    pub(super) fn compile(pattern: &str) -> Result<Self, String> {
        match pattern.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(regex) if !regex.is_empty() => Self::compile_regex(regex),
            _ => Ok(Self::Contained(pattern.to_owned())),
        }
    }

    #[cfg(feature = "regex")]
    fn compile_regex(regex: &str) -> Result<Self, String> {
        regex::Regex::new(regex).map(Self::Searched).map_err(|error| format!("a regex; {error}"))
    }

    #[cfg(not(feature = "regex"))]
    fn compile_regex(_: &str) -> Result<Self, String> {
        Err("text; regexes need the feature `regex`".to_owned())
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Contained(part) => text.contains(part.as_str()),
            #[cfg(feature = "regex")]
            Self::Searched(regex) => regex.is_match(text),
        }
    }
}

/// The message, the name of the type, and what the error or a cause says of system and HTTP, in lines.
pub(super) fn of<E: Error + 'static>(error: &E, reader: Reader) -> String {
    let details = details(error, reader);
    let status = details.http_status.filter(|status| (100..600).contains(status));
    let lines = [Some(error.to_string()), Some(short_name::<E>().to_owned()), details.os_code, status.map(status_line)];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// Each detail is that of the outermost error that has it.
pub(super) fn details(error: &(dyn Error + 'static), reader: Reader) -> Details {
    let mut found = Details::default();
    let mut next = Some(error);
    while let Some(error) = next {
        let own = reader(error);
        found.os_code = found.os_code.or(own.os_code).or_else(|| io_code(error).map(str::to_owned));
        found.http_status = found.http_status.or(own.http_status);
        found.retry_after = found.retry_after.or(own.retry_after);
        next = cause_of(error);
    }
    found
}

/// What `std::io::Error` wraps is not its `source()`, but stands before it.
fn cause_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// `std::io::Error` knows the codes of the system by kind.
fn io_code(error: &(dyn Error + 'static)) -> Option<&'static str> {
    use io::ErrorKind as Kind;
    match error.downcast_ref::<io::Error>()?.kind() {
        Kind::AddrInUse => Some("EADDRINUSE"),
        Kind::AddrNotAvailable => Some("EADDRNOTAVAIL"),
        Kind::BrokenPipe => Some("EPIPE"),
        Kind::ConnectionAborted => Some("ECONNABORTED"),
        Kind::ConnectionRefused => Some("ECONNREFUSED"),
        Kind::ConnectionReset | Kind::UnexpectedEof => Some("ECONNRESET"),
        Kind::HostUnreachable => Some("EHOSTUNREACH"),
        Kind::Interrupted => Some("EINTR"),
        Kind::NetworkDown => Some("ENETDOWN"),
        Kind::NetworkUnreachable => Some("ENETUNREACH"),
        Kind::NotConnected => Some("ENOTCONN"),
        Kind::NotFound => Some("ENOENT"),
        Kind::PermissionDenied => Some("EACCES"),
        Kind::TimedOut => Some("ETIMEDOUT"),
        Kind::WouldBlock => Some("EAGAIN"),
        _ => None,
    }
}

/// `ScriptedError` of `driver::script::ScriptedError`.
fn short_name<E>() -> &'static str {
    let name = type_name::<E>();
    let path = name.split('<').next().unwrap_or(name);
    path.rsplit("::").next().unwrap_or(path)
}

fn status_line(status: u16) -> String {
    match reason_phrase(status) {
        Some(phrase) => format!("{status} {phrase}"),
        None => status.to_string(),
    }
}

/// The phrases of RFC 9110 and of the registry of status codes.
fn reason_phrase(status: u16) -> Option<&'static str> {
    Some(match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        510 => "Not Extended",
        511 => "Network Authentication Required",
        _ => return None,
    })
}
