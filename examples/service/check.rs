//! The check: what the lake and the access log say of each request.

use std::collections::HashMap;
use std::fs;

use spanlake::core::{Kind, Level, Outcome, OwnedRecord};
use spanlake_query::{Filter, Lake};

use crate::Failure;
use crate::client::Sent;

/// Looks for the task of each request, and returns how many there are.
pub(crate) fn run(lake: &str, access: &str, sent: &[Sent]) -> Result<usize, Failure> {
    let access = fs::read_to_string(access)?;
    let mut traces: HashMap<String, Vec<OwnedRecord>> = HashMap::new();
    for record in Lake::open(lake)?.read(&Filter::new())? {
        if let Some(trace) = record.trace_id() {
            traces.entry(trace).or_default().push(record);
        }
    }
    for request in sent {
        let records = traces.get(&request.trace_id).ok_or_else(|| format!("{request:?} is not in the lake"))?;
        let is_right = is_as_promised(request, records).and_then(|()| is_in_log(&access, records));
        is_right.map_err(|wrong| format!("{request:?}: {wrong}: {records:#?}"))?;
    }
    Ok(sent.len())
}

fn is_as_promised(request: &Sent, records: &[OwnedRecord]) -> Result<(), &'static str> {
    let is_end = |record: &&OwnedRecord| record.kind == Kind::End && record.task.as_deref() == Some("request");
    let end = records.iter().find(is_end).ok_or("no end")?;
    let is_failure = request.status >= 500;
    let outcome = if is_failure { Outcome::Failed } else { Outcome::Succeeded };
    let is_true = [
        (request.status == expected(&request.path), "another answer than expected"),
        (end.outcome == Some(outcome), "another outcome than expected"),
        (end.error.is_some() == is_failure, "the reason is missing, or there is one too many"),
        (end.context.contains(&format!("\"path\":\"{}\"", request.path)), "another path"),
        (end.context.contains("\"method\":\"GET\""), "no method"),
    ];
    first_wrong(&is_true)?;
    match &*request.path {
        "/panics" => has_panicked(end),
        path => is_answered(request, records)
            .and_then(|()| if path.starts_with("/greet") { is_greeted(request.in_detail, records) } else { Ok(()) }),
    }
}

fn first_wrong(is_true: &[(bool, &'static str)]) -> Result<(), &'static str> {
    is_true.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, wrong)| Err(wrong))
}

fn expected(path: &str) -> u16 {
    match path {
        "/broken" | "/panics" => 500,
        "/nowhere" => 404,
        _ => 200,
    }
}

fn has_panicked(end: &OwnedRecord) -> Result<(), &'static str> {
    let said = end.error.as_deref().unwrap_or_default();
    if said.contains("panicked: index out of bounds") { Ok(()) } else { Err("not what the panic said") }
}

fn is_answered(request: &Sent, records: &[OwnedRecord]) -> Result<(), &'static str> {
    let answered = records.iter().find(|record| record.message == "answered").ok_or("nothing was answered")?;
    first_wrong(&[
        (answered.fields.contains(&format!("\"status\":{}", request.status)), "another status"),
        (answered.fields.contains("\"latency_us\":"), "no latency"),
        (!answered.fields.contains("\"team\":"), "what is bound to another logger"),
    ])
}

/// A task below that of the request, by a logger of its own, whose level was another one at first.
fn is_greeted(in_detail: bool, records: &[OwnedRecord]) -> Result<(), &'static str> {
    let greeting = records.iter().find(|record| record.message == "greeting").ok_or("no greeting")?;
    let is_inner = |record: &&OwnedRecord| record.task.as_deref() == Some("polite");
    let has_detail = records.iter().any(|record| record.level == Level::DEBUG);
    first_wrong(&[
        (greeting.fields.contains("\"team\":\"front_desk\""), "what is bound to its logger is missing"),
        (records.iter().any(|record| is_inner(&record)), "no task below that of the request"),
        (has_detail == in_detail, "another level than the file says"),
    ])
}

/// The log of requests has a line for each record of the middleware, with the key that the lake has.
fn is_in_log(access: &str, records: &[OwnedRecord]) -> Result<(), &'static str> {
    let is_line =
        |record: &OwnedRecord| record.key.as_ref().is_some_and(|key| access.contains(&format!(" key={key} ")));
    let is_right = |record: &OwnedRecord| is_line(record) == (record.target == "service::requests");
    if records.iter().all(is_right) { Ok(()) } else { Err("a line too few or too many in the log of requests") }
}
