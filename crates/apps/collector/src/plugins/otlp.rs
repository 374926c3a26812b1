//! OTLP in protobuf over HTTP: logs, and spans of the tasks that ended.

use std::time::{Duration, Instant};

use prost::Message;
use spanlake_core::{Error, Record};
use spanlake_wire::client::{Address, Client, Uri};
use spanlake_wire::exchange::Undelivered;
use spanlake_wire::otlp::proto::collector::logs::v1::ExportLogsServiceResponse;
use spanlake_wire::otlp::proto::collector::trace::v1::ExportTraceServiceResponse;
use spanlake_wire::otlp::{Beside, logs, traces};

use super::pause::Pause;
use super::{Plugin, Portion};

const LOGS: &str = "/v1/logs";
const TRACES: &str = "/v1/traces";
const PROTOBUF: &str = "application/x-protobuf";

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Most records of a request. Where that is too much for the other side it is half as many, and grows again from there.
const REQUEST_RECORDS: usize = 4096;

/// Sends records to whoever takes OTLP by HTTP: each as a log, and each task that ended as a span besides, which says that its records come
/// as logs too.
///
/// **A request whose answer was lost is sent again, and so is what came since the last checkpoint before a crash**: OTLP has no
/// numbers by which a receiver could know it. Of a request that is taken in part the other side says how many it does not take, not which:
/// they are lost, and told as an error of the plugin.
#[derive(Debug)]
pub struct OtlpPlugin {
    client: Client,
    logs: Uri,
    traces: Uri,
    signals: Signals,
    request_records: usize,
    pause: Pause,
    progress: Progress,
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

/// How much of a portion, which ends with this entry, is there: a portion that is tried again goes on from there.
#[derive(Debug, Default)]
struct Progress {
    entry: Option<u64>,
    logs: usize,
    spans: usize,
}

impl OtlpPlugin {
    /// To the receiver there, below which are `/v1/logs` and `/v1/traces`. Fails when the URL is none, and when certificates cannot be read.
    pub fn new(address: Address) -> Result<Self, Error> {
        let client = address.client("OtlpPlugin", "otlp")?;
        let (logs, traces) = (client.below(LOGS)?, client.below(TRACES)?);
        let (pause, progress) = (Pause::default(), Progress::default());
        Ok(Self {
            client,
            logs,
            traces,
            signals: Signals::default(),
            request_records: REQUEST_RECORDS,
            pause,
            progress,
        })
    }

    /// What is sent.
    #[must_use]
    pub fn signals(mut self, signals: Signals) -> Self {
        self.signals = signals;
        self
    }

    /// Sends a body; gives how many were not taken, and what was said of that.
    fn post<R: Message + Default>(
        &mut self,
        uri: &Uri,
        body: &[u8],
        rejected: impl Fn(R) -> Option<(i64, String)>,
    ) -> Result<Option<Error>, Error> {
        let answer = self.client.post(uri, &[("content-type", PROTOBUF)], body, Instant::now() + PATIENCE);
        let answer = answer.and_then(|answer| self.client.understand(answer));
        let answer = answer.map_err(|undelivered| self.failed(undelivered))?;
        let answer = R::decode(&*answer)
            .map_err(|error| self.client.failed("the reply makes no sense").caused_by(error).recoverable())?;
        let rejected = rejected(answer).filter(|(count, _)| *count > 0);
        Ok(rejected.map(|(count, text)| {
            let error = self.client.failed("the other side takes a part only").with("rejected", count);
            error.with("reply", text.escape_debug())
        }))
    }

    fn failed(&mut self, undelivered: Undelivered) -> Error {
        match undelivered {
            Undelivered::NotNow(error, after) => {
                self.pause.begin(after);
                error
            }
            Undelivered::TooMany(error) if self.request_records > 1 => {
                self.request_records /= 2;
                error.recoverable()
            }
            Undelivered::TooMany(error) | Undelivered::Never(error) => error,
        }
    }

    fn send_logs(&mut self, records: &[&Record<'_>]) -> Result<Option<Error>, Error> {
        let body = logs(records.iter().copied()).encode_to_vec();
        self.post(&self.logs.clone(), &body, |answer: ExportLogsServiceResponse| {
            answer.partial_success.map(|partial| (partial.rejected_log_records, partial.error_message))
        })
    }

    fn send_spans(&mut self, records: &[&Record<'_>]) -> Result<Option<Error>, Error> {
        let request = traces(records.iter().copied(), Beside::Logs);
        if request.resource_spans.is_empty() || self.signals == Signals::Logs {
            return Ok(None);
        }
        self.post(&self.traces.clone(), &request.encode_to_vec(), |answer: ExportTraceServiceResponse| {
            answer.partial_success.map(|partial| (partial.rejected_spans, partial.error_message))
        })
    }
}

impl Plugin for OtlpPlugin {
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        self.pause.check(|| self.client.failed("the other side asked to be left alone"))?;
        let records: Vec<&Record<'_>> = portion.records().map(|(_, record)| record).collect();
        let entry = portion.entries().last().map(|given| given.entry.index);
        if self.progress.entry != entry {
            self.progress = Progress { entry, ..Progress::default() };
        }
        while let Some(left) = records.get(self.progress.logs..).filter(|left| !left.is_empty()) {
            let sent = left.get(..self.request_records).unwrap_or(left);
            let complaint = self.send_logs(sent)?;
            self.progress.logs += sent.len();
            complaint.map_or(Ok(()), |error| Err(error.recoverable()))?;
        }
        while let Some(left) = records.get(self.progress.spans..).filter(|left| !left.is_empty()) {
            let sent = left.get(..self.request_records).unwrap_or(left);
            let complaint = self.send_spans(sent)?;
            self.progress.spans += sent.len();
            complaint.map_or(Ok(()), |error| Err(error.recoverable()))?;
        }
        // Once a portion, for each failure costs a pause.
        self.request_records = (self.request_records + self.request_records / 8 + 1).min(REQUEST_RECORDS);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn reach(&mut self) -> Result<(), Error> {
        self.pause.check(|| self.client.failed("the other side asked to be left alone"))?;
        self.send_logs(&[]).map(drop)
    }
}
