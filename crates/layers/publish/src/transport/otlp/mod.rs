//! OTLP in protobuf over HTTP or gRPC: logs, and spans of the tasks that ended.

#[cfg(feature = "otlp-grpc")]
mod grpc;
mod http;
mod progress;

use std::path::PathBuf;
use std::time::Instant;

use spanlake_core::segment::Decoded;
use spanlake_core::{Category, Error, Kind, Loss, Record, Secret, Stage};
use spanlake_wire::client::Address;
use spanlake_wire::otlp::proto::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use spanlake_wire::otlp::proto::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use spanlake_wire::otlp::{Beside, logs, traces};

use crate::transport::{Delivered, Parcel, Transport, Undelivered, lose};
use progress::Progress;

const SERVICE: &str = "OtlpTransport";

/// Most records of a request. Where that is too much for the other side it is half as many, and grows again from there.
const REQUEST_RECORDS: usize = 4096;

/// Sends records to whoever takes OTLP: an OpenTelemetry collector, a vendor, or spanlake's own.
///
/// Every record is a log, and every task that ended is a span besides, which says that its records come as logs too.
///
/// # What can be lost
///
/// What the other side rejects, which is counted: a record that is too long by itself, and a request of at most 4,096 that makes no
/// sense to it; of one of which it takes a part only, it says how many, not which. **A request whose answer was lost is sent
/// again**, and is there twice: OTLP has no numbers by which a receiver could know it. What it acknowledges it has only as safe as
/// it keeps it.
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
    way: Box<dyn Way>,
    signals: Signals,
    request_records: usize,
    logged: Progress,
    spanned: Progress,
    /// What was rejected of a parcel, to be told when the rest of it is there.
    owed: Option<Loss>,
    complaint: Option<Error>,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Log,
    Span,
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
/// | [`gzip`](Self::gzip) | requests are not compressed |
#[derive(Clone, Debug)]
#[must_use = "nothing is opened until `build`"]
pub struct OtlpTransportBuilder {
    address: Address,
    protocol: Protocol,
    signals: Signals,
    gzip: bool,
}

/// How requests go.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    Http,
    #[cfg(feature = "otlp-grpc")]
    Grpc,
}

/// How a request gets to the other side, and its answer back.
trait Way: std::fmt::Debug + Send {
    /// A name for reports.
    fn name(&self) -> &str;

    fn logs(
        &mut self,
        request: ExportLogsServiceRequest,
        until: Instant,
    ) -> Result<ExportLogsServiceResponse, Undelivered>;

    fn traces(
        &mut self,
        request: ExportTraceServiceRequest,
        until: Instant,
    ) -> Result<ExportTraceServiceResponse, Undelivered>;
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

    /// Compresses requests by gzip, for a network that costs more than the program's time.
    pub fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// The transport. Fails when the URL is none, and when certificates cannot be read. It connects when there is something to
    /// send.
    pub fn build(self) -> Result<OtlpTransport, Error> {
        let Self { address, protocol, signals, gzip } = self;
        let way: Box<dyn Way> = match protocol {
            Protocol::Http => Box::new(http::Http::new(address, gzip)?),
            #[cfg(feature = "otlp-grpc")]
            Protocol::Grpc => Box::new(grpc::Grpc::new(address, gzip)?),
        };
        Ok(OtlpTransport {
            way,
            signals,
            request_records: REQUEST_RECORDS,
            logged: Progress::default(),
            spanned: Progress::default(),
            owed: None,
            complaint: None,
        })
    }
}

// === impl OtlpTransport ===

impl OtlpTransport {
    /// Settings of a transport that speaks HTTP to the receiver at this URL, such as `http://127.0.0.1:4318`, below which are
    /// `/v1/logs` and `/v1/traces`.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(url: impl Into<String>) -> OtlpTransportBuilder {
        Self::by(Protocol::Http, url.into())
    }

    /// Settings of a transport that speaks gRPC to the receiver at this URL, such as `http://127.0.0.1:4317`.
    #[cfg(feature = "otlp-grpc")]
    pub fn grpc(url: impl Into<String>) -> OtlpTransportBuilder {
        Self::by(Protocol::Grpc, url.into())
    }

    fn by(protocol: Protocol, url: String) -> OtlpTransportBuilder {
        OtlpTransportBuilder { address: Address::new(url), protocol, signals: Signals::default(), gzip: false }
    }

    /// Sends the records of segments, in as many requests as it takes, but for those that are there.
    fn send_all(
        &mut self,
        signal: Signal,
        parcel: &Parcel<'_>,
        segments: &[Decoded<'_>],
        numbers: &[u64],
        until: Instant,
    ) -> Result<(), Undelivered> {
        let (progress, fits): (_, fn(&Record<'_>) -> bool) = match signal {
            Signal::Log => (&self.logged, |_| true),
            Signal::Span => (&self.spanned, |record| record.kind == Kind::End),
        };
        let left = progress.left(parcel.stream(), segments, numbers, fits);
        let mut next = 0;
        while let Some(rest) = left.records.get(next..).filter(|rest| !rest.is_empty()) {
            let now = rest.get(..self.request_records).unwrap_or(rest);
            match self.post(signal, now, until) {
                Ok(rejected) => {
                    self.request_records = grown(self.request_records);
                    self.reject(signal, now, &rejected);
                }
                Err(Undelivered::TooMany(_)) if now.len() > 1 => {
                    self.request_records = now.len().div_ceil(2);
                    continue;
                }
                Err(Undelivered::TooMany(error) | Undelivered::Never(error)) => self.give_up(signal, now, error),
                Err(not_now) => return Err(not_now),
            }
            let progress = if signal == Signal::Log { &mut self.logged } else { &mut self.spanned };
            progress.add(parcel.stream(), &left, next..next + now.len());
            next += now.len();
        }
        Ok(())
    }

    fn post(&mut self, signal: Signal, records: &[Record<'_>], until: Instant) -> Result<Rejected, Undelivered> {
        Ok(match signal {
            Signal::Log => self.way.logs(logs(records), until)?.partial_success.map(Rejected::from),
            Signal::Span => self.way.traces(traces(records, Beside::Logs), until)?.partial_success.map(Rejected::from),
        }
        .unwrap_or_default())
    }

    /// What of a request the other side says that it has not taken. A span is no record.
    fn reject(&mut self, signal: Signal, records: &[Record<'_>], rejected: &Rejected) {
        if rejected.count == 0 && rejected.message.is_empty() {
            return;
        }
        if signal == Signal::Log {
            // Which were not taken is not said; the first so many give the levels.
            let count = usize::try_from(rejected.count).unwrap_or(usize::MAX);
            records.iter().take(count).for_each(|record| lose(&mut self.owed, record));
        }
        let error = Error::new(Stage::Handler, SERVICE, Category::Io, "the other side takes a part only");
        let what = if signal == Signal::Log { "logs" } else { "spans" };
        let error = error.with("to", self.way.name()).with(what, rejected.count);
        self.complaint.get_or_insert(error.with("reply", rejected.message.escape_debug()));
    }

    /// A request that will never be taken.
    fn give_up(&mut self, signal: Signal, records: &[Record<'_>], error: Error) {
        if signal == Signal::Log {
            records.iter().for_each(|record| lose(&mut self.owed, record));
        }
        self.complaint.get_or_insert(error);
    }
}

impl Transport for OtlpTransport {
    fn name(&self) -> &str {
        self.way.name()
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        let (segments, refused) = parcel.decode();
        let numbers: Vec<u64> =
            parcel.segments().map(|(number, _)| number).filter(|number| !refused.contains(number)).collect();
        self.send_all(Signal::Log, parcel, &segments, &numbers, until)?;
        if self.signals == Signals::LogsAndSpans {
            self.send_all(Signal::Span, parcel, &segments, &numbers, until)?;
        }
        self.logged.settle(parcel);
        self.spanned.settle(parcel);
        Ok(Delivered { refused, lost: self.owed.take(), complaint: self.complaint.take(), ..Delivered::default() })
    }
}

/// By an eighth: one record that was too much is soon forgotten, and a receiver that takes little is seldom asked for more.
fn grown(request_records: usize) -> usize {
    (request_records + request_records / 8 + 1).min(REQUEST_RECORDS)
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
