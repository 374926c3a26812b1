//! OTLP in protobuf over HTTP: logs, and spans of the tasks that ended.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use prost::Message;
use spanlake_core::{Error, Record};
use spanlake_wire::client::{Address, Client, Uri};
use spanlake_wire::exchange::Undelivered;
use spanlake_wire::otlp::proto::collector::logs::v1::ExportLogsServiceResponse;
use spanlake_wire::otlp::proto::collector::trace::v1::ExportTraceServiceResponse;
use spanlake_wire::otlp::{Beside, logs, traces};

use super::pause::Pause;
use super::{Pieces, Place, Plugin, Portion};

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

/// What of a portion that failed is there: it is tried again without that, also in pieces.
#[derive(Debug, Default)]
struct Progress {
    logs: BTreeSet<Place>,
    spans: BTreeSet<Place>,
}

/// What is not there yet, and its places.
type Left<'a> = (Vec<Place>, Vec<&'a Record<'a>>);

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

impl Progress {
    /// Forgets what is before a portion: it does not come again.
    fn pass(&mut self, portion: &Portion<'_>) {
        let first = portion.records().map(|(place, _)| place).min();
        for places in [&mut self.logs, &mut self.spans] {
            *places = first.map(|first| places.split_off(&first)).unwrap_or_default();
        }
    }
}

fn left<'a>(portion: &Portion<'a>, there: &BTreeSet<Place>) -> Left<'a> {
    portion.records().filter(|(place, _)| !there.contains(place)).unzip()
}

impl Plugin for OtlpPlugin {
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        self.pause.check(|| self.client.failed("the other side asked to be left alone"))?;
        self.progress.pass(portion);
        let (mut places, mut records) = left(portion, &self.progress.logs);
        while !records.is_empty() {
            let most = self.request_records.min(records.len());
            let complaint = self.send_logs(&records[..most])?;
            self.progress.logs.extend(places.drain(..most));
            records.drain(..most);
            complaint.map_or(Ok(()), |error| Err(error.recoverable()))?;
        }
        let (mut places, mut records) = left(portion, &self.progress.spans);
        while !records.is_empty() {
            let most = self.request_records.min(records.len());
            let complaint = self.send_spans(&records[..most])?;
            self.progress.spans.extend(places.drain(..most));
            records.drain(..most);
            complaint.map_or(Ok(()), |error| Err(error.recoverable()))?;
        }
        // Once a portion, for each failure costs a pause.
        self.request_records = (self.request_records + self.request_records / 8 + 1).min(REQUEST_RECORDS);
        Ok(())
    }

    /// What is there already is known of each record.
    fn pieces(&self) -> Pieces {
        Pieces::Records
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn reach(&mut self) -> Result<(), Error> {
        self.pause.check(|| self.client.failed("the other side asked to be left alone"))?;
        self.send_logs(&[]).map(drop)
    }
}
