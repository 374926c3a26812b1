//! OTLP in protobuf over HTTP: logs, and spans of the tasks that ended.

use std::path::PathBuf;
use std::time::Instant;

use prost::Message;
use spanlake_core::segment::merge;
use spanlake_core::{Error, Loss, Record, Secret};
use spanlake_wire::exchange::Stream;
use spanlake_wire::otlp::proto::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use spanlake_wire::otlp::proto::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use spanlake_wire::otlp::{Beside, logs, traces};
use ureq::http::Uri;

use crate::transport::client::{Address, Client};
use crate::transport::{Delivered, Parcel, Transport, Undelivered, lose};

const LOGS: &str = "/v1/logs";
const TRACES: &str = "/v1/traces";
const PROTOBUF: &str = "application/x-protobuf";

/// Sends records to whoever takes OTLP by HTTP: an OpenTelemetry collector, a vendor, or spanlake's own.
///
/// Every record is a log, and every task that ended is a span besides, which says that its records come as logs too.
///
/// # What can be lost
///
/// What the other side rejects, which is counted; of a request of which it takes a part only, it says how many, not which. **A
/// request whose answer was lost is sent again**, and is there twice: OTLP has no numbers by which a receiver could know it.
/// What it acknowledges it has only as safe as it keeps it.
///
/// ```
/// use spanlake_publish::OtlpTransport;
///
/// let transport = OtlpTransport::new("http://127.0.0.1:4318").build()?;
/// # drop(transport);
/// # Ok::<(), spanlake_core::Error>(())
/// ```
#[derive(Debug)]
pub struct OtlpTransport {
    client: Client,
    logs: Uri,
    traces: Uri,
    signals: Signals,
    /// Segments whose logs are there, and whose spans are not.
    logged: Vec<(Stream, u64)>,
    /// What was rejected of these logs, to be told when their spans are there too.
    owed: Option<Loss>,
    complaint: Option<Error>,
}

/// What is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signals {
    /// Logs, and spans of the tasks that ended.
    #[default]
    LogsAndSpans,
    /// Logs, for a receiver that has no room for spans.
    Logs,
}

/// Settings of an [`OtlpTransport`].
///
/// | setting | default |
/// |---|---|
/// | [`signals`](Self::signals) | logs and spans |
/// | [`token`](Self::token) | none is sent |
/// | [`roots`](Self::roots) | the certificates that the machine trusts |
/// | [`client_certificate`](Self::client_certificate) | none |
#[derive(Clone, Debug)]
#[must_use = "nothing is opened until `build`"]
pub struct OtlpTransportBuilder {
    address: Address,
    signals: Signals,
}

/// What an answer says of what was not taken.
#[derive(Debug, Default)]
struct Rejected {
    count: u64,
    message: String,
}

// === impl OtlpTransportBuilder ===

impl OtlpTransportBuilder {
    /// What is sent.
    pub fn signals(mut self, signals: Signals) -> Self {
        self.signals = signals;
        self
    }

    /// The token that opens the receiver, sent as `Authorization: Bearer …`. It is shown nowhere.
    pub fn token(mut self, token: Secret<String>) -> Self {
        self.address.token = Some(token);
        self
    }

    /// A file of PEM certificates that are trusted in place of those that the machine trusts.
    pub fn roots(mut self, file: impl Into<PathBuf>) -> Self {
        self.address.roots = Some(file.into());
        self
    }

    /// Files with the certificate chain and the private key, as PEM, by which the receiver knows this program.
    pub fn client_certificate(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.address.client = Some((chain.into(), key.into()));
        self
    }

    /// The transport. Fails when the URL is none, and when certificates cannot be read. It connects when there is something to
    /// send.
    pub fn build(self) -> Result<OtlpTransport, Error> {
        let Self { address, signals } = self;
        let client = address.client("OtlpTransport", "otlp")?;
        let (logs, traces) = (client.below(LOGS)?, client.below(TRACES)?);
        Ok(OtlpTransport { client, logs, traces, signals, logged: Vec::new(), owed: None, complaint: None })
    }
}

// === impl OtlpTransport ===

impl OtlpTransport {
    /// Settings of a transport to the receiver at this URL, such as `http://127.0.0.1:4318`, below which are `/v1/logs` and
    /// `/v1/traces`.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(url: impl Into<String>) -> OtlpTransportBuilder {
        OtlpTransportBuilder { address: Address::new(url.into()), signals: Signals::default() }
    }

    fn post(&self, uri: &Uri, body: &[u8], until: Instant) -> Result<Vec<u8>, Undelivered> {
        let answer = self.client.post(uri, &[("content-type", PROTOBUF)], body, until)?;
        self.client.understand(answer)
    }

    /// Sends records as logs; gives what was not taken.
    fn send_logs(&self, records: &[Record<'_>], until: Instant) -> Result<Rejected, Undelivered> {
        let body = logs(records).encode_to_vec();
        let answer = self.post(&self.logs, &body, until)?;
        let answer = ExportLogsServiceResponse::decode(&*answer).map_err(|error| self.unknown(error))?;
        Ok(answer.partial_success.map(Rejected::from).unwrap_or_default())
    }

    /// Sends the tasks that ended as spans. What is refused for good is no record, and only complained of.
    fn send_spans(&self, records: &[Record<'_>], until: Instant) -> Result<Option<Error>, Undelivered> {
        let request = traces(records, Beside::Logs);
        if request.resource_spans.is_empty() || self.signals == Signals::Logs {
            return Ok(None);
        }
        let answer = match self.post(&self.traces, &request.encode_to_vec(), until) {
            Err(Undelivered::Never(error)) => return Ok(Some(error)),
            answer => answer?,
        };
        let answer = ExportTraceServiceResponse::decode(&*answer).map_err(|error| self.unknown(error))?;
        Ok(self.complaint(&answer.partial_success.map(Rejected::from).unwrap_or_default(), "spans"))
    }

    fn unknown(&self, error: prost::DecodeError) -> Undelivered {
        self.client.not_now("the reply makes no sense", error)
    }

    fn complaint(&self, rejected: &Rejected, what: &'static str) -> Option<Error> {
        let is_silent = rejected.count == 0 && rejected.message.is_empty();
        let error = || self.client.failed("the other side takes a part only").with(what, rejected.count);
        (!is_silent).then(|| error().with("reply", rejected.message.escape_debug()))
    }
}

impl Transport for OtlpTransport {
    fn name(&self) -> &str {
        self.client.name()
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        let (decoded, refused) = parcel.decode();
        let records: Vec<Record<'_>> = merge(&decoded).collect();
        let of = |number: u64| (parcel.stream().clone(), number);
        let is_logged = parcel.segments().all(|(number, _)| self.logged.contains(&of(number)));
        if !is_logged && !records.is_empty() {
            let rejected = self.send_logs(&records, until)?;
            let count = usize::try_from(rejected.count).unwrap_or(usize::MAX);
            // Which were not taken is not said; the first so many give the levels.
            records.iter().take(count).for_each(|record| lose(&mut self.owed, record));
            self.complaint = self.complaint(&rejected, "logs").or(self.complaint.take());
            self.logged.extend(parcel.segments().map(|(number, _)| of(number)));
        }
        let complaint = self.send_spans(&records, until)?;
        self.logged.retain(|logged| !parcel.segments().any(|(number, _)| *logged == of(number)));
        let complaint = self.complaint.take().or(complaint);
        Ok(Delivered { refused, lost: self.owed.take(), complaint, ..Delivered::default() })
    }
}

impl From<ExportLogsPartialSuccess> for Rejected {
    fn from(partial: ExportLogsPartialSuccess) -> Self {
        let count = u64::try_from(partial.rejected_log_records).unwrap_or(0);
        Self { count, message: partial.error_message }
    }
}

impl From<ExportTracePartialSuccess> for Rejected {
    fn from(partial: ExportTracePartialSuccess) -> Self {
        Self { count: u64::try_from(partial.rejected_spans).unwrap_or(0), message: partial.error_message }
    }
}
