//! The check: what the lake says of each request.

use std::collections::HashMap;

use spanlake::core::{Kind, Outcome, OwnedRecord};
use spanlake_query::{Filter, Lake};

use crate::Failure;
use crate::client::Sent;

/// Looks for the task of each request, and returns how many there are.
pub(crate) fn run(lake: &str, sent: &[Sent]) -> Result<usize, Failure> {
    let mut traces: HashMap<String, Vec<OwnedRecord>> = HashMap::new();
    for record in Lake::open(lake)?.read(&Filter::new())? {
        if let Some(trace) = record.trace_id() {
            traces.entry(trace).or_default().push(record);
        }
    }
    for request in sent {
        let records = traces.get(&request.trace_id).ok_or_else(|| format!("{request:?} is not in the lake"))?;
        is_as_promised(request, records).map_err(|wrong| format!("{request:?}: {wrong}: {records:#?}"))?;
    }
    Ok(sent.len())
}

fn is_as_promised(request: &Sent, records: &[OwnedRecord]) -> Result<(), &'static str> {
    let one =
        |kind: Kind| records.iter().find(|record| record.kind == kind && record.task.as_deref() == Some("request"));
    let end = one(Kind::End).ok_or("no end")?;
    let is_failure = request.status >= 500;
    let outcome = if is_failure { Outcome::Failed } else { Outcome::Succeeded };
    let answered = records.iter().find(|record| record.message == "answered").ok_or("nothing was answered")?;
    let is_true = [
        (request.status == expected(&request.path), "another answer than expected"),
        (end.outcome == Some(outcome), "another outcome than expected"),
        (end.error.is_some() == is_failure, "the reason is missing, or there is one too many"),
        (end.context.contains(&format!("\"path\":\"{}\"", request.path)), "another path"),
        (end.context.contains("\"method\":\"GET\""), "no method"),
        (answered.fields.contains(&format!("\"status\":{}", request.status)), "another status"),
        (answered.fields.contains("\"latency_us\":"), "no latency"),
        (!request.path.starts_with("/greet") || has_inner_task(records), "no task below that of the request"),
    ];
    is_true.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, wrong)| Err(wrong))
}

fn expected(path: &str) -> u16 {
    match path {
        "/broken" => 500,
        "/nowhere" => 404,
        _ => 200,
    }
}

fn has_inner_task(records: &[OwnedRecord]) -> bool {
    records.iter().any(|record| record.task.as_deref() == Some("polite") && record.kind == Kind::Event)
}
