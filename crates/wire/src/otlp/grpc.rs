//! What gRPC adds to the messages: where they go, and when a refusal says to come back.

use std::time::Duration;

use prost::Message;

/// Where logs go.
pub const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// Where spans go.
pub const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// `google.rpc.Status`
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`
#[derive(Clone, Copy, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// Details of a status that ask to come back after a pause, as `grpc-status-details-bin` carries them, before base64.
pub fn come_back(code: i32, message: &str, after: Duration) -> Vec<u8> {
    let seconds = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
    let nanos = i32::try_from(after.subsec_nanos()).unwrap_or(0);
    let value = RetryInfo { retry_delay: Some(Delay { seconds, nanos }) }.encode_to_vec();
    let details = vec![Any { type_url: RETRY_INFO.to_owned(), value }];
    Status { code, message: message.to_owned(), details }.encode_to_vec()
}

/// The pause that details of a status ask for; `None` where they ask for none, or are no details.
pub fn pause(details: &[u8]) -> Option<Duration> {
    let details = Status::decode(details).ok()?.details;
    let info = details.iter().find(|detail| detail.type_url == RETRY_INFO)?;
    let Delay { seconds, nanos } = RetryInfo::decode(&*info.value).ok()?.retry_delay.unwrap_or_default();
    Some(Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanos).unwrap_or(0)))
}
