//! A receiver of OTLP as a plugin: records as logs, tasks that end as spans.

use std::fmt;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use spanlake_core::{Batch, Error, Record, Secret};
use spanlake_wire::otlp::proto::collector::logs::v1::ExportLogsServiceResponse;
use spanlake_wire::otlp::proto::collector::trace::v1::ExportTraceServiceResponse;
use spanlake_wire::otlp::{Beside, logs, traces};

use super::Plugin;
use super::client::Client;

/// Records of a request: receivers have a bound to what they take at once.
const REQUEST_RECORDS: usize = 2000;

const HEADERS: [(&str, &str); 2] = [("content-type", "application/x-protobuf"), ("content-encoding", "gzip")];

const NAME: &str = "OtlpPlugin";

/// Sends records to a receiver of OTLP over HTTP: all of them as logs, and tasks as spans when they end.
///
/// OTLP has no numbers, so that what is tried again because the answer was lost, and what comes again after a crash, is there
/// twice. What a receiver rejects of a request that it takes is told as a failure, and not tried again, as OTLP asks.
pub struct OtlpPlugin {
    client: Client,
    logs: bool,
    spans: bool,
    /// The requests of the batch that is being sent.
    requests: Vec<Request>,
    /// How many of them arrived.
    arrived: usize,
}

#[derive(PartialEq)]
struct Request {
    signal: Signal,
    body: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Signal {
    Logs,
    Traces,
}

impl OtlpPlugin {
    /// To the receiver at this URL, with a bearer's token that opens it, trusting certificates of a file or else the machine's.
    /// Fails when the URL is none, and when certificates cannot be read. It connects when there is something to send.
    pub fn new(url: &str, token: Option<&Secret<String>>, roots: Option<&Path>) -> Result<Self, Error> {
        let client = Client::new(NAME, url, token, roots)?;
        Ok(Self { client, logs: true, spans: true, requests: Vec::new(), arrived: 0 })
    }

    /// Whether all records are sent as logs: `true`.
    #[must_use]
    pub fn logs(mut self, logs: bool) -> Self {
        self.logs = logs;
        self
    }

    /// Whether tasks are sent as spans when they end: `true`. They say that there are logs too, so that spanlake reads nothing twice.
    #[must_use]
    pub fn spans(mut self, spans: bool) -> Self {
        self.spans = spans;
        self
    }

    fn requests_of(&self, records: &[&Record<'_>]) -> Vec<Request> {
        let beside = if self.logs { Beside::Logs } else { Beside::Nothing };
        let mut requests = Vec::new();
        for records in records.chunks(REQUEST_RECORDS) {
            if self.logs {
                let body = logs(records.iter().copied()).encode_to_vec();
                requests.push(Request { signal: Signal::Logs, body });
            }
            let spans = traces(records.iter().copied(), beside);
            if self.spans && !spans.resource_spans.is_empty() {
                requests.push(Request { signal: Signal::Traces, body: spans.encode_to_vec() });
            }
        }
        requests
    }

    /// Sends the next request.
    fn send(&mut self, request: &Request) -> Result<(), Error> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let body = gzip.write_all(&request.body).and_then(|()| gzip.finish());
        let body =
            body.map_err(|error| self.client.failed("cannot compress a batch").caused_by(error).recoverable())?;
        let answer = self.client.post(request.signal.path(), &HEADERS, &body)?;
        self.arrived += 1;
        match request.signal.rejected(&answer) {
            (0, _) => Ok(()),
            (count, why) => Err(self
                .client
                .failed("the receiver rejects a part of what it got")
                .with("count", count)
                .with("why", why.escape_debug())
                .recoverable()),
        }
    }
}

impl Plugin for OtlpPlugin {
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let requests = self.requests_of(&batch.records().collect::<Vec<_>>());
        if requests != self.requests {
            (self.requests, self.arrived) = (requests, 0);
        }
        let requests = std::mem::take(&mut self.requests);
        let sent = requests.iter().skip(self.arrived).try_for_each(|request| self.send(request));
        if sent.is_err() {
            self.requests = requests;
        }
        sent
    }

    /// The receiver has answered to every batch; what it does with it is its own affair.
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl fmt::Debug for OtlpPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(NAME).field("client", &self.client).finish_non_exhaustive()
    }
}

impl Signal {
    fn path(self) -> &'static str {
        match self {
            Self::Logs => "/v1/logs",
            Self::Traces => "/v1/traces",
        }
    }

    /// How many the receiver does not want, and why. An answer that is no protobuf says that it took everything.
    fn rejected(self, answer: &[u8]) -> (i64, String) {
        let rejected = match self {
            Self::Logs => ExportLogsServiceResponse::decode(answer)
                .ok()
                .and_then(|answer| answer.partial_success)
                .map(|part| (part.rejected_log_records, part.error_message)),
            Self::Traces => ExportTraceServiceResponse::decode(answer)
                .ok()
                .and_then(|answer| answer.partial_success)
                .map(|part| (part.rejected_spans, part.error_message)),
        };
        rejected.unwrap_or_default()
    }
}
