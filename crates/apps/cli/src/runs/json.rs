//! Jobs and runs as JSON lines: the job, then its runs, each with all columns under their own names.
//!
//! In front of the columns stand `session`, the name of the session, and `state`: `running`, `finished` or `left behind`.
//! `_type` tells jobs and runs apart.

use std::io::{self, Write};

use spanlake_lake::runs::{Row, put_line};
use spanlake_query::runs::{RunFilter, SessionLog};

pub(super) fn put(out: &mut dyn Write, session: &SessionLog, filter: &RunFilter) -> io::Result<()> {
    put_row(out, session, &session.job)?;
    session.runs.iter().filter(|run| filter.admits(run)).try_for_each(|run| put_row(out, session, run))
}

fn put_row<R: Row>(out: &mut dyn Write, session: &SessionLog, row: &R) -> io::Result<()> {
    let mut line = Vec::new();
    put_line(&mut line, row);
    // Neither a name nor a state has anything to be escaped.
    write!(out, "{{\"session\":\"{}\",\"state\":\"{}\",", session.stem, session.state)?;
    out.write_all(line.strip_prefix(b"{").unwrap_or(&line))
}
