//! The ways a process ends, each played by a child, and what is in the lake afterwards: the matrix in `docs/ends.md`.
//!
//! Without the usual harness, because a child is this program with a part to play, and its `main` has to be a real one:
//! some of the ways out lead through it.

/// The ways out, and what is promised for each.
mod way;

/// Where records are between the caller and the lake.
mod storage;

/// The child: a program that logs and then ends.
mod child;

/// A run of a child, and what it left behind.
mod run;

/// All ways, and the table of what came of them.
mod matrix;

/// What `spanlake::init` does without being told.
mod defaults;

/// What there is to check.
const CHECKS: [(&str, fn()); 2] = [
    ("matrix::every_way_out_leaves_what_is_promised", matrix::every_way_out_leaves_what_is_promised),
    ("defaults::init_looks_after_exits_and_fatal_panics", defaults::init_looks_after_exits_and_fatal_panics),
];

fn main() {
    if let Some(part) = child::Part::of_this_process() {
        return child::play(part);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // As in `-- --test-threads 1`, whose number is no name.
    let is_value = |at: usize| at > 0 && ["--test-threads", "--skip"].contains(&arguments[at - 1].as_str());
    let filters = arguments.iter().enumerate().filter(|(at, argument)| !argument.starts_with('-') && !is_value(*at));
    let filters: Vec<_> = filters.map(|(_, filter)| filter).collect();
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    for (name, check) in CHECKS.into_iter().filter(|(name, _)| wanted(name)) {
        if arguments.iter().any(|argument| argument == "--list") {
            println!("{name}: test");
            continue;
        }
        check();
        println!("test {name} ... ok");
    }
}
