//! Carriers: how a task goes on in another process, through text, the environment or HTTP headers.

use std::fmt;
use std::str::FromStr;

use spanlake_core::{Category, Error, Stage, TaskKey};

/// The environment variable that holds a task key.
pub const TASK_VARIABLE: &str = "SPANLAKE_TASK";

/// The environment variable that holds a W3C `traceparent`.
pub const TRACE_VARIABLE: &str = "TRACEPARENT";

/// The W3C header that names trace and parent span.
pub const TRACEPARENT: &str = "traceparent";

/// The W3C header whose member `spanlake` holds the task key.
pub const TRACESTATE: &str = "tracestate";

/// Longest value that W3C allows for one member of `tracestate`; a longer key travels without it.
const MAX_TRACESTATE_VALUE: usize = 256;

/// A task that goes on elsewhere: ours by its key, or the trace of a foreign program.
///
/// ```
/// use spanlake_scope::Carrier;
///
/// let carrier: Carrier = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1".parse()?;
/// for (name, value) in carrier.headers() {
///     println!("{name}: {value}");
/// }
/// # Ok::<(), spanlake_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The task with exactly this key.
    Task(TaskKey),
    /// A trace of a program that does not speak spanlake: a root whose UUID is the trace id.
    Trace {
        /// The trace id.
        trace_id: [u8; 16],
        /// The id of the span that called.
        parent_id: [u8; 8],
    },
}

impl Carrier {
    /// What this process was told to continue: `SPANLAKE_TASK`, else `TRACEPARENT`. Empty counts as unset, a malformed
    /// value is an error. A child that is started without [`CommandExt`](crate::CommandExt) inherits the variables and
    /// would continue the same task a second time: start children with it, or clear them.
    pub fn from_env() -> Result<Option<Self>, Error> {
        let read = |name: &'static str| -> Result<Option<Self>, Error> {
            let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else {
                return Ok(None);
            };
            let text = value.to_str().ok_or_else(|| refused("not UTF-8"));
            text.and_then(str::parse).map(Some).map_err(|error| error.with("variable", name))
        };
        match read(TASK_VARIABLE)? {
            Some(carrier) => Ok(Some(carrier)),
            None => read(TRACE_VARIABLE),
        }
    }

    /// What a request was sent with; `get` looks a header up by its lower-case name. A malformed value is an error.
    pub fn from_headers<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Option<Self>, Error> {
        if let Some(key) = get(TRACESTATE).and_then(own_member) {
            return key.parse().map(Some).map_err(|error: Error| error.with("header", TRACESTATE));
        }
        let parent = get(TRACEPARENT).map(|value| value.trim().parse()).transpose();
        parent.map_err(|error: Error| error.with("header", TRACEPARENT))
    }

    /// The headers to send: `traceparent`, and `tracestate` for a task whose key is at most 256 bytes long.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![(TRACEPARENT, self.traceparent())];
        if let Carrier::Task(key) = self {
            let key = key.to_string();
            if key.len() <= MAX_TRACESTATE_VALUE {
                headers.push((TRACESTATE, format!("spanlake={key}")));
            }
        }
        headers
    }

    /// The environment variables to set for a child process.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![(TRACE_VARIABLE, self.traceparent())];
        if let Carrier::Task(key) = self {
            variables.push((TASK_VARIABLE, key.to_string()));
        }
        variables
    }

    /// The W3C `traceparent`. The parent span is the task that exported this one.
    pub fn traceparent(&self) -> String {
        let (trace_id, parent_id) = match self {
            Carrier::Task(key) => (key.trace_id(), key.parent().as_ref().unwrap_or(key).span_id()),
            Carrier::Trace { trace_id, parent_id } => (*trace_id, *parent_id),
        };
        let (trace_id, parent_id) = (u128::from_be_bytes(trace_id), u64::from_be_bytes(parent_id));
        format!("00-{trace_id:032x}-{parent_id:016x}-01")
    }
}

/// The task key, or the `traceparent` of a foreign trace.
impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Carrier::Task(key) => key.fmt(f),
            Carrier::Trace { .. } => f.write_str(&self.traceparent()),
        }
    }
}

impl FromStr for Carrier {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(trace) = parse_traceparent(text) {
            return Ok(trace);
        }
        text.parse()
            .map(Carrier::Task)
            .map_err(|cause| refused("neither a task key nor a traceparent").caused_by(cause))
    }
}

impl From<TaskKey> for Carrier {
    fn from(key: TaskKey) -> Self {
        Carrier::Task(key)
    }
}

fn refused(why: &str) -> Error {
    Error::new(Stage::Dispatch, "Carrier", Category::Validation, format!("task from elsewhere refused: {why}"))
}

/// The member `spanlake` of a `tracestate`.
fn own_member(tracestate: &str) -> Option<&str> {
    tracestate.split(',').find_map(|member| member.trim().strip_prefix("spanlake="))
}

/// `version-trace_id-parent_id-flags`; a later version may have more behind it.
fn parse_traceparent(text: &str) -> Option<Carrier> {
    let mut parts = text.split('-');
    let (version, trace_id) = (parts.next()?, parts.next()?);
    let (parent_id, flags) = (parts.next()?, parts.next()?);
    let known = version == "00";
    if hex(version, 2)? == 0xff || (known && parts.next().is_some()) {
        return None;
    }
    hex(flags, 2)?;
    let (trace_id, parent_id) = (hex(trace_id, 32)?, u64::try_from(hex(parent_id, 16)?).ok()?);
    let valid = trace_id != 0 && parent_id != 0;
    valid.then(|| Carrier::Trace { trace_id: trace_id.to_be_bytes(), parent_id: parent_id.to_be_bytes() })
}

/// Exactly `digits` lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let plain = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if plain { u128::from_str_radix(text, 16).ok() } else { None }
}
