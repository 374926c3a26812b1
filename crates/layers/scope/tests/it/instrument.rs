//! `#[instrument]`, above all with `err`.

use std::fmt;

use tracing::instrument;

use crate::support::record;

#[derive(Debug)]
struct Failure;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it broke")
    }
}

impl std::error::Error for Failure {}

#[instrument(err)]
fn fails() -> Result<(), Failure> {
    Err(Failure)
}

#[instrument(err)]
fn succeeds() -> Result<(), Failure> {
    Ok(())
}

#[instrument(err(Debug))]
fn fails_in_debug() -> Result<(), Failure> {
    Err(Failure)
}

#[instrument(err(level = "warn"))]
fn fails_as_a_warning() -> Result<(), Failure> {
    Err(Failure)
}

#[instrument(level = "debug", err)]
fn fails_at_debug() -> Result<(), Failure> {
    Err(Failure)
}

#[instrument(err, ret)]
fn returns() -> Result<u8, Failure> {
    Ok(7)
}

#[instrument(err)]
fn passes_on() -> Result<(), Failure> {
    fails()?;
    Ok(())
}

#[instrument]
fn copes() {
    let _ = fails();
}

#[instrument(err)]
async fn fails_later() -> Result<(), Failure> {
    tokio::task::yield_now().await;
    Err(Failure)
}

#[instrument(err)]
fn mentions_an_error() -> Result<(), Failure> {
    tracing::error!(error = %Failure);
    Ok(())
}

#[instrument(fields(rows = 3), skip(_secret))]
fn has_fields(table: &str, _secret: &str) {
    let _ = table;
}

#[instrument(name = "renamed", err)]
fn has_another_name() -> Result<(), Failure> {
    Err(Failure)
}

#[test]
fn reported_error_makes_the_task_fail() {
    let tape = record(|| drop(fails()));
    assert_eq!(tape.ends(), ["U failed ERROR FAILED fails: it broke"]);
    let tape = record(|| drop(fails()));
    assert_eq!(tape.said(), ["0@U begin fails", "1@U event ", "2@U end FAILED fails"], "and stays an event as well");
}

#[test]
fn function_that_returns_ok_succeeds() {
    assert_eq!(record(|| drop(succeeds())).ends(), ["U succeeded INFO succeeds"]);
    assert_eq!(record(|| drop(returns())).ends(), ["U succeeded INFO returns"]);
}

#[test]
fn form_and_level_of_the_report_do_not_matter() {
    assert_eq!(record(|| drop(fails_in_debug())).ends(), ["U failed ERROR FAILED fails_in_debug: Failure"]);
    assert_eq!(record(|| drop(fails_as_a_warning())).ends(), ["U failed ERROR FAILED fails_as_a_warning: it broke"]);
    assert_eq!(record(|| drop(fails_at_debug())).ends(), ["U failed ERROR FAILED fails_at_debug: it broke"]);
    assert_eq!(record(|| drop(has_another_name())).ends(), ["U failed ERROR FAILED renamed: it broke"]);
}

#[test]
fn error_that_is_passed_on_fails_both_tasks() {
    let ends = record(|| drop(passes_on())).ends();
    assert_eq!(ends, ["U/1 failed ERROR FAILED fails: it broke", "U failed ERROR FAILED passes_on: it broke"]);
}

#[test]
fn error_that_is_handled_fails_the_inner_task_only() {
    let ends = record(copes).ends();
    assert_eq!(ends, ["U/1 failed ERROR FAILED fails: it broke", "U succeeded INFO copes"]);
}

#[test]
fn async_function_fails_too() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let tape = record(|| drop(runtime.block_on(fails_later())));
    assert_eq!(tape.ends(), ["U failed ERROR FAILED fails_later: it broke"]);
}

#[test]
fn event_that_only_mentions_an_error_fails_nothing() {
    assert_eq!(record(|| drop(mentions_an_error())).ends(), ["U succeeded INFO mentions_an_error"]);
}

#[test]
fn arguments_are_the_tasks_context() {
    let records = record(|| has_fields("orders", "secret")).records();
    assert_eq!(records[0].context, r#"{"table":"orders","rows":3}"#);
}
