//! Errors: code, message, context, chain.

use std::error::Error as _;
use std::io;

use spanlake_core::{Category, Error, Severity, Stage};

fn error(stage: Stage, category: Category) -> Error {
    Error::new(stage, "Config", category, "something is wrong")
}

#[test]
fn code_spells_stage_service_category_and_severity() {
    let table = [
        (error(Stage::Configuration, Category::Configuration), "CONFIGURATION::Config::CONFIGURATION::ERROR"),
        (error(Stage::Factory, Category::Io), "FACTORY::Config::IO::ERROR"),
        (error(Stage::Dispatch, Category::Routing).severity(Severity::Warning), "DISPATCH::Config::ROUTING::WARNING"),
        (error(Stage::Handler, Category::Formatting), "HANDLER::Config::FORMATTING::ERROR"),
        (
            error(Stage::Processor, Category::Unexpected).severity(Severity::Critical),
            "PROCESSOR::Config::UNEXPECTED::CRITICAL",
        ),
        (error(Stage::Unknown, Category::Unknown), "UNKNOWN::Config::UNKNOWN::ERROR"),
        (error(Stage::Handler, Category::Validation).recoverable(), "HANDLER::Config::VALIDATION::ERROR::RECOVERABLE"),
    ];
    for (error, code) in table {
        assert_eq!(error.code().to_string(), code);
    }
}

#[test]
fn read_only_folder_is_an_error_of_the_sink_that_no_retry_helps() {
    let error = Error::io("FileSink", "cannot open the file", io::Error::from(io::ErrorKind::PermissionDenied));
    assert_eq!(error.code().to_string(), "HANDLER::FileSink::IO::ERROR");
    assert!(error.is_io() && !error.is_recoverable());
}

#[test]
fn io_failures_that_pass_are_recoverable() {
    use io::ErrorKind as Kind;
    for kind in [Kind::Interrupted, Kind::WouldBlock, Kind::TimedOut, Kind::StorageFull, Kind::BrokenPipe] {
        let error = Error::io("FileSink", "cannot write", io::Error::from(kind));
        assert_eq!(error.code().to_string(), "HANDLER::FileSink::IO::ERROR::RECOVERABLE", "{kind:?}");
    }
    for kind in [Kind::NotFound, Kind::AlreadyExists, Kind::InvalidInput] {
        assert!(!Error::io("FileSink", "cannot write", io::Error::from(kind)).is_recoverable(), "{kind:?}");
    }
}

#[test]
fn message_says_this_level_only_and_the_chain_says_each_level_once() {
    let cause = Error::io("FileSink", "cannot open the file", io::Error::other("the disk is gone")).with("path", "a");
    let error = Error::new(Stage::Factory, "Lake", Category::Io, "cannot start").with("lake", "b").caused_by(cause);
    assert_eq!(error.to_string(), "cannot start (lake: b)");
    assert_eq!(error.chain(), "cannot start (lake: b): cannot open the file (path: a): the disk is gone");
    assert_eq!(format!("{error:?}"), format!("FACTORY::Lake::IO::ERROR: {}", error.chain()));
    assert_eq!(error.source().expect("a cause").to_string(), "cannot open the file (path: a)");
}

#[test]
fn a_cause_that_is_repeated_by_what_it_causes_is_in_the_chain_once() {
    #[derive(Debug, thiserror::Error)]
    #[error("no connection: {0}")]
    struct Talkative(#[source] io::Error);
    let cause = Talkative(io::Error::other("nobody listens"));
    let error = Error::new(Stage::Handler, "Sink", Category::Io, "cannot write").caused_by(cause);
    assert_eq!(error.chain(), "cannot write: no connection: nobody listens");
}

#[test]
fn context_comes_back_in_the_order_it_was_added() {
    let error = error(Stage::Handler, Category::Io).with("sink", "jsonl").with("key", 7);
    assert_eq!(error.context().collect::<Vec<_>>(), [("sink", "jsonl"), ("key", "7")]);
    assert_eq!(error.to_string(), "something is wrong (sink: jsonl, key: 7)");
}

#[test]
fn questions_answer_by_category() {
    let ask = |category| {
        let error = error(Stage::Unknown, category);
        (error.is_configuration(), error.is_io(), error.is_validation())
    };
    assert_eq!(ask(Category::Configuration), (true, false, false));
    assert_eq!(ask(Category::Io), (false, true, false));
    assert_eq!(ask(Category::Validation), (false, false, true));
    assert_eq!(ask(Category::Unexpected), (false, false, false));
}
