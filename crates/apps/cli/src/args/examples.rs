//! Texts behind the help: how to read what is shown, and command lines to begin with.

/// The examples of `spanlake --help`.
pub const EXAMPLES: &str = "\
Examples:
  spanlake tree lake                     tasks, with their records from INFO on
  spanlake tree lake --failed            what went wrong last night
  spanlake tree lake --follow            a job that is running
  spanlake cat lake --level warn         warnings and errors, one a line
  spanlake cat lake --json > all.jsonl   everything, one JSON object a line
  spanlake runs lake                     jobs and their runs, newest first
  spanlake runs diff previous latest     what changed since the last time
  spanlake spool ls lake                 crash-proof spools, and what was left
  spanlake recover lake                  what killed processes left behind
  spanlake config check spanlake.yaml    what is wrong with a configuration

`spanlake tree --help` and so on have more.";

/// The examples of `spanlake tree --help`.
pub const TREE_EXAMPLES: &str = "\
How to read it:
  ✓ succeeded   ✗ failed   ⊘ cancelled   ! interrupted: its process went away
  ▸ open: no end was seen   ? not seen: known only from the tasks below it
  The records of a task stand by their number, never by a clock, and a subtask
  stands where it began. Times are UTC. (+120 debug) counts records below the
  level, (+12 tasks, 340 records) what is folded away. Of values, ~ marks what
  the work of an observed object has changed.

Examples:
  spanlake tree lake
      all tasks, with their records from INFO on
  spanlake tree lake --failed
      only what leads to a failure is unfolded
  spanlake tree lake --failed --level debug
      the same, with all that was recorded around it
  spanlake tree lake --status open
      what is still running, or hangs
  spanlake tree lake --depth 1
      each root with its records, and a line for each of its subtasks
  spanlake tree lake --since 2h --text timeout
      the tasks in which something timed out lately
  spanlake tree lake --name load --field table=orders
      the tasks called `load`, where they touch one table
  spanlake tree lake --task e252a11f-d33d-483d-ba08-bc8f642b2f10/1/2
      one task and what lies below it
  spanlake tree lake --name pump --values
      inputs and outputs of an observed object, and what its work has changed
  spanlake tree lake --follow
      the tree of now, then what comes, as it comes
  spanlake tree lake --json
      one JSON document with tasks, records and a summary
  spanlake tree run.jsonl
      a single file";

/// The examples of `spanlake cat --help`.
pub const CAT_EXAMPLES: &str = "\
Examples:
  spanlake cat lake
      all records in order of time
  spanlake cat lake --level warn --since 10m
      what is wrong just now
  spanlake cat lake --target flights::silver --text rejected
      what one module says about it
  spanlake cat lake --task e252a11f-d33d-483d-ba08-bc8f642b2f10
      one root task and all below it
  spanlake cat lake --follow --since 0s
      only what comes from now on
  spanlake cat lake --format parquet --json
      the Parquet files as JSON lines";

/// The examples of `spanlake runs --help`.
pub const RUNS_EXAMPLES: &str = "\
How to read it:
  ✓ succeeded   ✗ failed   – skipped: there was nothing to do   ▸ running
  ! interrupted, or left behind: its process went away   · pending
  A job has its time, the name of its session and when it began; times are UTC.
  A run has its dataflow, its stage, rows read → written, bytes added, and its
  time. Below a failed one stands why, and what to type to see its records.
  Behind the jobs each dataflow has a strip: a mark for each of its last runs,
  30 at most, with the time of the last one and the median. By how much it is
  off is told where that is at least 20 % and 1 s.

Examples:
  spanlake runs lake
      the last 20 jobs with their runs
  spanlake runs lake --failed --since 1d
      what failed since yesterday
  spanlake runs lake --dataflow orders --dataflow raw_* --strip
      how some dataflows went lately
  spanlake runs lake --job nightly --limit 1
      the last time of one job
  spanlake runs lake --stage silver --status succeeded,skipped
      what went well in a stage
  spanlake runs s3://bucket/lake --json --all
      everything, one JSON object a line
  spanlake runs diff previous latest --lake lake
      what changed since the last time

Exit code:
  0 also when nothing matched; 1 when the lake cannot be read";

/// The examples of `spanlake runs diff --help`.
pub const DIFF_EXAMPLES: &str = "\
How to name a session:
  by its whole name, or a beginning that no other has
  by the id of a job, for the newest one of that job
  latest, for the newest one of the lake
  previous, for the one before the other, of the same job
  by a folder or URL, for the newest one of another lake; ./name for a folder
  whose name could be one of the above

How to read it:
  Runs go together by dataflow, stage and operation. What matters most comes
  first: failures, what is missing, other states, slower, other rows, what is
  new, recovered, faster. Slower and faster are at least 20 % and 1 s.

Examples:
  spanlake runs diff previous latest
      the newest job of `lake` and the one before it
  spanlake runs diff 20261119 20261120 --lake lake
      two days, where each has one job
  spanlake runs diff ./lake ./test-lake
      the newest of two lakes
  spanlake runs diff previous nightly --json
      one JSON document

Exit code:
  0 whatever differs; 1 when one is not found or cannot be read";

/// The examples of `spanlake spool ls --help`.
pub const LS_EXAMPLES: &str = "\
How to read it:
  ▸ live: its process runs, or somebody is recovering it
  ! orphaned: its process is gone; recovery puts the rest into the lake
  ✗ damaged: it has no ledger, or one that cannot be read
  ⊘ quarantine: what recovery could not read, kept for people to look at
  A line tells the process, its segments, when it began and what its sinks are.
  Live processes keep a few segments ready that nothing is in yet.

Examples:
  spanlake spool ls lake
      the spools in lake/.spool, the newest process first
  spanlake spool ls fast-disk/spool
      those in another folder
  spanlake spool ls lake --json
      one JSON object for each process

Exit code:
  0 also when there is none; 1 when something cannot be read";

/// The examples of `spanlake spool verify --help`.
pub const VERIFY_EXAMPLES: &str = "\
How to read it:
  whole        every frame matches its checksum
  open         it was being written, or is, and has room behind that place
  blank        nothing was written into it
  damaged      what stands behind that place cannot be read
  in the lake  the sinks have it, and recovery passes it over
  Records are counted with statements of loss. Nothing is changed.

Examples:
  spanlake spool verify lake
      every segment of every spool, against its checksums
  spanlake spool verify lake --json
      one JSON object for each process, with its segments

Exit code:
  0 when nothing is damaged; 1 when something is, or cannot be read";

/// The examples of `spanlake recover --help`.
pub const RECOVER_EXAMPLES: &str = "\
How to read it:
  ✓ all of it is in the lake, and the spool is gone
  ! what stood before the damage is in the lake; a copy of each damaged segment
    is in quarantine, and the spool is gone
  ✗ nothing of it could be recovered, for the reason that is told
  Tasks that were open end as interrupted. Spools of live processes are left
  alone. It may be killed and run again, by several at once: each record comes
  into the lake once.
  Behind the spools stand the sessions of jobs that nobody closed:
  ✓ its log, its runs and its job are in the lake; open runs are interrupted
  ! its log has lines that are none, or events of its lineage are still owed
  ✗ it could not be closed, for the reason that is told

Examples:
  spanlake recover lake
      what dead processes left in lake/.spool, and the jobs that they left open
  spanlake recover lake --spool fast-disk/spool
      what they left in another folder
  spanlake recover s3://bucket/lake
      the jobs that they left open in a bucket
  spanlake recover lake --json
      one JSON object for each spool and each session, told apart by `kind`

Exit code:
  0 when all was recovered, or nothing was there; 1 when something could not be";

/// The examples of `spanlake config check --help`.
pub const CHECK_EXAMPLES: &str = "\
Examples:
  spanlake config check spanlake.yaml
      everything that is wrong with it, each with its place and what was meant
  spanlake config check spanlake.toml --env
      with what the environment says in SPANLAKE_* here

Exit code:
  0 when all files are right; 1 when one is not, or cannot be read";

/// The examples of `spanlake config explain --help`.
pub const EXPLAIN_EXAMPLES: &str = "\
Examples:
  spanlake config explain spanlake.yaml
      every value that holds, defaults with them, and who said so
  spanlake config explain spanlake.yaml sinks.console
      those of one sink
  spanlake config explain spanlake.yaml --set
      only what the file says
  spanlake config explain spanlake.yaml queue --json
      JSON lines, an object for each value";

/// The examples of `spanlake control set --help`.
pub const SET_EXAMPLES: &str = "\
Examples:
  spanlake control set --service orders orders::db=debug --task load=trace
      one module at DEBUG and one task at TRACE, until somebody says otherwise
  spanlake control set --service orders debug --for 10m
      everything at DEBUG for ten minutes
  spanlake control set --service orders debug --collector https://logs:4600
      through another collector

It reaches a service with the reply to what it sends next, an idle one within
its `poll_every`, ten seconds unless it was built otherwise.";

/// The examples of `spanlake control get --help`.
pub const GET_EXAMPLES: &str = "\
Examples:
  spanlake control get
      all services that are asked for anything, with the times that are left
  spanlake control get --service orders --json
      one service, as JSON";
