# The one door: `just` lists what there is. Every recipe is one plain command, for those who do not have `just`.

# What there is.
[private]
default:
    @'{{ just_executable() }}' --list --unsorted

# Everything, with set-up: what CI runs.
check:
    ./test

# Set-up and tests, without lints, features and documentation.
quick:
    ./test --quick

# Every test of the workspace, or those that a filter names.
test *filter:
    cargo test --workspace --all-features --locked {{ filter }}

# The hand-over between threads, played in thousands of orders.
models:
    ./test models

# The same under Miri, once, which knows what weak memory may do; needs a nightly toolchain with it.
miri:
    MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p spanlake-core --test models

# Fuzzes one of the targets in `fuzz`; needs a nightly toolchain and `cargo install cargo-fuzz`.
fuzz target seconds="600":
    mkdir -p fuzz/corpus/{{ target }}
    cd fuzz && TMPDIR=/dev/shm cargo +nightly fuzz run -s none {{ target }} corpus/{{ target }} seeds/{{ target }} -- \
        -max_len=4096 -max_total_time={{ seconds }}

# What rustfmt would change.
format:
    ./test format

# What clippy and the compiler warn of; a warning is an error.
lint:
    ./test lint

# Each package without its optional features.
features:
    ./test features

# The documentation, without a dead link.
docs:
    ./test docs

# A lake of the example, opened by pyarrow and DuckDB.
lake:
    ./test lake

# The main job: January 2013 in New York, from raw to figures.
flights:
    cargo run --release -p spanlake-examples --example flights

# Coupled tanks by Newton's method, as observed objects: the same work logged in six ways.
tanks:
    cargo run --example tanks

# A web service that is set up by a file, and its own client.
service:
    cargo run --example service

# What a record costs: spanlake and its peers side by side. `just bench --help` names the options.
bench *options="--work events --threads 1,2,4 --rounds 5":
    cargo run --release -p spanlake-benches --bin compare -- {{ options }}

# Licences, banned crates and sources; needs `cargo install cargo-deny`.
deny:
    cargo deny check licenses bans sources
