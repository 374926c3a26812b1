//! Behaviour of tasks on spans.

/// A layer that records into memory, and what it heard in short words.
mod support;

/// Tasks and records are numbered as documented.
mod keys;

/// Begins and ends say what became of a task.
mod lifecycle;

/// Other layers know how a task ended when its span closes.
mod closing;

/// `#[instrument(err)]` makes the task of the function fail.
mod instrument;

/// Tasks that panic fail, and only those.
mod panics;

/// Futures and closures that are dropped before their end are cancelled.
mod cancel;

/// Context comes from fields, later values and `bind`, and is inherited.
mod context;

/// Durations are monotonic, busy and idle time are kept apart.
mod time;

/// Tasks around code that has no span.
mod timed;

/// Tasks go on elsewhere: text, headers, foreign traces, malformed ones.
mod carriers;

/// Tasks go along to threads, pools and Tokio.
mod spawn;

/// `ScopeLayer` and recording layers, alone and together, in any order, wrapped in anything.
mod layers;

/// Three layers that follow tasks in one stack, one of them inside a layer of other people's making.
mod several;

/// Spans nested deeper than keys can say.
mod depth;

/// What is recorded of an observed object, and what of it is asked.
mod observe;

/// Fields as inputs and outputs, by attribute.
mod observe_derive;

/// Which details pass the filters by context and by time.
mod observe_filters;

/// Observed objects on several threads and in futures.
mod observe_threads;

/// Levels that change while the program runs: by target, by task, and for a while.
mod verbosity;
