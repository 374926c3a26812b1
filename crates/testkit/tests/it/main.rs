//! The rules of the tree, the conformance suite run by the sinks of this workspace, and the fake disk.

/// The tree: its root, its files, and how a broken rule is told.
mod tree;

/// Rust source without comments and literals, so that a rule about code does not trip over a text.
mod code;

/// Arrows between our crates point one way, and some libraries stay out of some crates.
mod dependencies;

/// Members take what is common from the root and say what they are.
mod manifests;

/// Files open with a sentence, do not panic where they must not, and have a reason to be long.
mod sources;

/// The JSON Schema takes files that are right, and refuses those whose keys or values are wrong by themselves.
mod schema;

/// What the documents name is there, and nothing names somebody's machine.
mod documents;

/// The suite finds the sinks that break a promise.
mod conformance;

/// The sinks pass the suite.
mod sinks;

/// The renderers pass their suite, and it finds those that break a promise.
mod renderers;

/// The processors pass their suite, and it finds those that break a promise.
mod processors;

/// The fake disk fails as told, and a power cut leaves what one could.
mod disk;
