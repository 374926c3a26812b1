//! Requests by HTTP.

use std::io::Write;
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use spanlake_core::Error;
use spanlake_wire::client::{Address, Client, Uri};
use spanlake_wire::otlp::proto::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use spanlake_wire::otlp::proto::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};

use super::{SERVICE, Way};
use crate::transport::Undelivered;

const LOGS: &str = "/v1/logs";
const TRACES: &str = "/v1/traces";
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    logs: Uri,
    traces: Uri,
    gzip: bool,
}

impl Http {
    pub(super) fn new(address: Address, gzip: bool) -> Result<Self, Error> {
        let client = address.client(SERVICE, "otlp")?;
        let (logs, traces) = (client.below(LOGS)?, client.below(TRACES)?);
        Ok(Self { client, logs, traces, gzip })
    }

    fn post<A: Message + Default>(&self, uri: &Uri, request: &impl Message, until: Instant) -> Result<A, Undelivered> {
        let body = request.encode_to_vec();
        let answer = if self.gzip {
            self.client.post(uri, &[PROTOBUF, GZIP], &zipped(&body), until)?
        } else {
            self.client.post(uri, &[PROTOBUF], &body, until)?
        };
        let answer = self.client.understand(answer)?;
        A::decode(&*answer).map_err(|error| self.client.not_now("the reply makes no sense", error))
    }
}

impl Way for Http {
    fn name(&self) -> &str {
        self.client.name()
    }

    fn logs(
        &mut self,
        request: ExportLogsServiceRequest,
        until: Instant,
    ) -> Result<ExportLogsServiceResponse, Undelivered> {
        self.post(&self.logs, &request, until)
    }

    fn traces(
        &mut self,
        request: ExportTraceServiceRequest,
        until: Instant,
    ) -> Result<ExportTraceServiceResponse, Undelivered> {
        self.post(&self.traces, &request, until)
    }
}

fn zipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Nothing fails where it is written to memory.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
