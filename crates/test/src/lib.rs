//! Tests that see what they log.
//!
//! # What
//!
//! [`capture`] gives a test a root task of its own, and a handle on what is recorded in it: events, tasks, errors. Tests that
//! run in parallel, and the threads and futures that they spawn, stay apart, because records are told apart by the key of
//! their task and not by the thread they come from.
//!
//! [`conformance`] is the suite that every sink passes, and [`Script`] makes records by hand, for authors of sinks.
//!
//! # Flow
//!
//! The first [`capture`] of a process makes one subscriber, the global default, whose records go to one store. That is why a
//! callsite that some test without a capture has hit before is not switched off for all others, and why registries do not mix
//! up each other's spans. A test that sets a subscriber for itself, with `with_default`, takes its records away from
//! here. A program that needs other layers as well puts [`layer`] into its own stack.
//!
//! # What can be lost
//!
//! Records of tasks whose test is over, or that never had a capture, are dropped. What is recorded outside any task belongs to no
//! test: all of them see it, see [`Capture::strays`].
//!
//! # Features
//!
//! None.
//!
//! # Example
//!
//! ```
//! use spanlake_core::Outcome;
//! use tracing::{info, info_span};
//!
//! fn load(table: &str) {
//!     info_span!("load", table).in_scope(|| info!(rows = 500, "wrote batch"));
//! }
//!
//! // #[test]
//! fn tables_are_loaded_in_batches() {
//!     let capture = spanlake_test::capture();
//!     load("orders");
//!     capture.assert_contains("wrote batch");
//!     capture.assert_field("rows", 500);
//!     assert_eq!(capture.task("load").outcome(), Some(Outcome::Succeeded));
//!     capture.assert_no_errors();
//!     assert_eq!(
//!         capture.text(),
//!         "> load {\"table\":\"orders\"}\n  INFO wrote batch {\"rows\":500}\n< load succeeded\n"
//!     );
//! }
//! # tables_are_loaded_in_batches();
//! ```
//!
//! In a thread or a Tokio task of its own, what is logged belongs to the test when it belongs to a span of the test:
//!
//! ```
//! use spanlake_scope::spawn_thread;
//! use tracing::{info, info_span};
//!
//! let capture = spanlake_test::capture();
//! spawn_thread(info_span!("worker"), || info!("from elsewhere")).join().unwrap();
//! assert!(capture.task("worker").contains("from elsewhere"));
//! ```

pub mod conformance;
pub mod renderers;
pub mod processors;
mod script;
mod store;
mod global;
mod secrets;
mod text;
mod capture;

pub use capture::{Capture, CapturedTask};
pub use global::{capture, install, layer};
pub use script::{NO_TASK, Script, TaskId, give};
