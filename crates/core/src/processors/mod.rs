//! The processors that come with spanlake, one for each thing that programs do to records on their way to the sinks.
//!
//! | processor | what it does |
//! |---|---|
//! | [`FilterByLevel`] | drops what is less severe |
//! | [`FilterByTarget`] | drops by target, on the boundaries of `::` |
//! | [`FilterKeys`] | takes fields out |
//! | [`Rename`] | gives fields other names |
//! | [`AddCallsite`] | says in fields where a record comes from |
//! | [`AddDefaults`] | adds fields where they are not there |
//! | [`StructuredErrors`] | makes an error a map of its parts |
//! | [`StripMarkup`] | takes terminal markup out of messages |
//! | [`Redact`] | a [`Redaction`](crate::Redaction) for the sinks behind it |
//! | a closure | anything else, see [`Processor`](crate::Processor) |
//!
//! All of them let statements of loss pass as they are, never fail, and cost no allocation for a record that they do not
//! change, unless [`Redact`] has to read an error in it. Where a record is changed, its own fields are: those of its task's
//! context are shared by all records of the task and stay as they were recorded. [`Redact`] alone changes these as well, for the
//! records that come by.

mod filter;
mod rename;
mod add;
mod errors;
mod frames;
mod markup;
mod redact;

pub use add::{AddCallsite, AddDefaults, CallsiteParameter};
pub use errors::{ERROR_BACKTRACE, ERROR_TYPE, StructuredErrors};
pub use filter::{FilterByLevel, FilterByTarget, FilterKeys};
pub use markup::StripMarkup;
pub use redact::Redact;
pub use rename::Rename;

use crate::record::{Kind, Record};

/// The records that a processor may change.
fn told<'r, 'a>(records: &'r mut [Record<'a>]) -> impl Iterator<Item = &'r mut Record<'a>> {
    records.iter_mut().filter(|record| record.kind != Kind::Loss)
}

fn owned(texts: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    texts.into_iter().map(Into::into).collect()
}
