//! The daemon `spanlaked`: takes records of many processes over the network, keeps them on disk, and hands them to plugins.
//!
//! # What
//!
//! [`Collector::builder`] puts a collector together: a durable [`queue`], an [`http`] endpoint, [`plugins`], and [`control`] over how
//! verbose the senders are. `spanlaked run` does so by a file. Any [`Plugin`], or any sink as a [`SinkPlugin`], takes part.
//!
//! # Flow
//!
//! A receiver hands what came to the [`intake`], which looks at it and offers it to the queue; the sender hears that it is there when it
//! is synced. Each plugin has a thread that takes records from the queue at its own pace, and a place in it that is made durable
//! behind what the plugin has for good.
//!
//! # What can be lost
//!
//! Nothing that was acknowledged, as long as the disk keeps what it said it had synced. What is not taken is refused, with a
//! reason that says whether the sender should come back, and counted. What a plugin will never take is in its dead letters.

#![warn(missing_docs)]

mod collector;
pub mod http;
mod tokens;
mod quota;
pub mod intake;
pub mod receive;
pub mod queue;
pub mod plugins;
pub mod control;
mod health;
mod from_file;
pub mod command;

pub use collector::{Collector, CollectorBuilder, DEFAULT_ADDRESS, DEFAULT_CHECKPOINT_EVERY, DEFAULT_FLUSH_EVERY};
pub use control::Control;
pub use from_file::from_settings;
pub use health::CANARY_TARGET;
pub use http::{Limits, Tls};
pub use plugins::{
    BucketPlugin, Formats, LakePlugin, MAX_DEAD, Match, Pieces, Place, Plugin, PluginReport, Portion, SinkPlugin,
};
#[cfg(feature = "nats")]
pub use receive::JetStream;
pub use tokens::{Right, Token, Tokens};
