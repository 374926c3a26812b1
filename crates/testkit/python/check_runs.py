"""Opens the run logs of a lake as others do, with pyarrow and with DuckDB, and checks what their format promises.

    check_runs.py LAKE [RUNS]

Names, order and types of the columns, also where all of a column is null; the log of JSON lines against the tables; the
join of a run's row to the records of its task, which gives the errors of that run; as many runs as RUNS says, when it is
given. Ends with status 1 at the first promise that is broken.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

TEXT, INTEGER, FLOAT, BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()
TIME = pa.timestamp("us", tz="UTC")
TYPES = {"t": TEXT, "i": INTEGER, "f": FLOAT, "b": BOOL, "T": TIME}
DUCKDB_TYPES = {
    TEXT: "VARCHAR",
    INTEGER: "BIGINT",
    FLOAT: "DOUBLE",
    BOOL: "BOOLEAN",
    TIME: "TIMESTAMP WITH TIME ZONE",
}


def columns(text):
    """`name t` pairs, in the order of the file."""
    return [(name, TYPES[kind]) for name, kind in (pair.split() for pair in text.split(","))]


RUN = columns(
    """_type t, job_id t, dataflow_id t, workspace_id t, dataflow_name t, dataflow_description t, stage t,
    group_number i, execution_order i, processing_mode t, is_active b, configure t, dataflow_run_id t, task_key t,
    operation_type t, start_time T, end_time T, duration_seconds f, status t, error_message t, retry_attempts i,
    source_id t, source_name t, source_connection_type t, source_format t, source_catalog t, source_database t,
    source_schema t, source_table t, source_full_table t, source_path t, source_query t, source_configure t,
    source_start_time T, source_end_time T, source_duration_seconds f, source_status t, source_error_message t,
    source_rows_read i, source_action t, source_watermark_before t, source_watermark_after t,
    source_watermark_effective t, transform_configure t, transform_start_time T, transform_end_time T,
    transform_duration_seconds f, transform_status t, transform_error_message t, transformers_applied t,
    destination_id t, destination_name t, destination_connection_type t, destination_format t, destination_catalog t,
    destination_database t, destination_schema t, destination_table t, destination_full_table t, destination_path t,
    destination_load_type t, destination_merge_keys t, destination_partition_columns t, destination_configure t,
    destination_start_time T, destination_end_time T, destination_duration_seconds f, destination_status t,
    destination_error_message t, destination_operation_type t, destination_rows_written i,
    destination_rows_inserted i, destination_rows_updated i, destination_rows_deleted i, destination_files_added i,
    destination_files_removed i, destination_bytes_added i, destination_bytes_removed i, destination_bytes_saved i,
    destination_operation_details t"""
)
JOB = columns(
    """_type t, job_id t, job_num i, job_index i, workspace_id t, stages t, engine_name t, platform_name t,
    metadata_provider_name t, watermark_manager_name t, max_workers i, stop_on_error b, retry_count i, retry_delay f,
    dry_run b, retention_hours i, start_time T, end_time T, duration_seconds f, status t, error_message t,
    total_dataflows i, total_succeeded i, total_failed i, total_skipped i, total_rows_read i, total_rows_written i,
    total_rows_inserted i, total_rows_updated i, total_rows_deleted i, total_files_added i, total_files_removed i,
    total_bytes_added i, total_bytes_removed i"""
)

STATUSES = {"pending", "running", "succeeded", "failed", "skipped"}
TOTALS = {"succeeded": "total_succeeded", "failed": "total_failed", "skipped": "total_skipped"}


def main(lake, expected=None):
    runs, jobs = lake / "analyst" / "dataflow_run_log", lake / "analyst" / "job_run_log"
    logs = sorted((lake / "debug_json" / "job_run_log").rglob("*.jsonl"))
    expect("there are runs, jobs and logs", bool(files(runs) and files(jobs) and logs), True)
    expect("a log for each job", len(logs), len(files(jobs)))
    for folder, schema in ((runs, RUN), (jobs, JOB)):
        for file in files(folder):
            check_schema(file, schema)
    rows, summaries = read_with_pyarrow(runs, RUN), read_with_pyarrow(jobs, JOB)
    check_rows(rows, summaries)
    check_logs(logs, rows, summaries)
    if expected is not None:
        expect("every run is there", len(rows), expected)
    joined = check_with_duckdb(lake, runs, jobs, rows)
    print(f"{len(rows)} runs of {len(summaries)} jobs, {joined} errors of theirs in the records: pyarrow and DuckDB agree")


def expect(what, actual, expected):
    if actual != expected:
        sys.exit(f"{what}: expected {expected!r}, found {actual!r}")


def files(folder):
    return sorted(folder.rglob("*.parquet"))


# === pyarrow ===


def check_schema(file, schema):
    """Every file has every column in its type, also where all of it is null; and all of them may be null."""
    actual = pq.read_schema(file)
    expect(f"columns of {file.name}", actual.names, [name for name, _ in schema])
    for name, kind in schema:
        expect(f"type of {name} in {file.name}", actual.field(name).type, kind)
        expect(f"{name} in {file.name} may be null", actual.field(name).nullable, True)


def read_with_pyarrow(folder, schema):
    """The rows, each with the session that its file is named after."""
    dataset = ds.dataset(folder, format="parquet", partitioning="hive")
    expect("run_date is a column after all others", dataset.schema.names, [name for name, _ in schema] + ["run_date"])
    session = lambda file: file.stem.removeprefix("dataflow_").removeprefix("job_summary_")
    rows = [{**row, "session": session(file)} for file in files(folder) for row in pq.read_table(file).to_pylist()]
    expect("the rows of all files", len(rows), dataset.count_rows())
    return rows


def check_rows(rows, summaries):
    ids = [row["dataflow_run_id"] for row in rows]
    expect("run ids are unique", len(set(ids)), len(ids))
    for row in rows:
        expect("type of a run", row["_type"], "dataflow_run_log")
        expect(f"status of {row['dataflow_name']} is a word", row["status"] in STATUSES, True)
        expect("only what failed has an error", row["status"] == "failed", row["error_message"] is not None)
        check_duration(row)
    for job in summaries:
        expect("type of a job", job["_type"], "job_run_log")
        check_duration(job)
        own = [row for row in rows if row["session"] == job["session"]]
        for status, total in TOTALS.items():
            expect(f"{total} of {job['job_id']}", job[total], sum(row["status"] == status for row in own))
        read = [row["source_rows_read"] or 0 for row in own if row["operation_type"] != "maintenance"]
        expect(f"rows read of {job['job_id']}", job["total_rows_read"], sum(read))
        added = [row["destination_bytes_added"] or 0 for row in own]
        expect(f"bytes added of {job['job_id']}", job["total_bytes_added"], sum(added))


def check_duration(row):
    if row["end_time"] is not None:
        took = (row["end_time"] - row["start_time"]).total_seconds()
        expect("a duration is end less start", abs(took - row["duration_seconds"]) < 2e-6, True)


# === JSON lines ===


def check_logs(logs, rows, summaries):
    """The log has the keys in the order of the columns, and the same values; the job is its last line."""
    logged, ended = [], []
    for log in logs:
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        expect(f"the last line of {log.name}", lines[-1]["_type"], "job_run_log")
        logged += lines[:-1]
        ended.append(lines[-1])
    for lines, table, schema in ((logged, rows, RUN), (ended, summaries, JOB)):
        for line in lines:
            expect("keys of a line", list(line), [name for name, _ in schema])
        key = "dataflow_run_id" if schema is RUN else "start_time"
        of_log = {str(from_json(line, schema)[key]): from_json(line, schema) for line in lines}
        of_table = {str(row[key]): {name: row[name] for name, _ in schema} for row in table}
        expect("the log has what the table has", of_log, of_table)


def from_json(line, schema):
    time = lambda text: None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))
    return {name: time(line[name]) if kind == TIME else line[name] for name, kind in schema}


# === DuckDB ===


def check_with_duckdb(lake, runs, jobs, rows):
    db = duckdb.connect()
    db.sql("SET TimeZone = 'UTC'")
    for folder, name, schema in ((runs, "runs", RUN), (jobs, "jobs", JOB)):
        db.sql(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true)")
        described = [(column, kind) for column, kind, *_ in db.sql(f"DESCRIBE {name}").fetchall()]
        expected = [(column, DUCKDB_TYPES[kind]) for column, kind in schema]
        expect(f"columns of {name} for DuckDB", described[:-1], expected)
    [(count, first_us)] = db.sql("SELECT count(*), epoch_us(min(start_time)) FROM runs").fetchall()
    expect("runs for DuckDB", count, len(rows))
    first = min((row["start_time"] for row in rows if row["start_time"] is not None), default=None)
    expect("the first start", first_us, round(first.timestamp() * 1e6))
    return check_join(db, lake, rows)


def check_join(db, lake, rows):
    """By its task's key a run joins to its records, those of the tasks below included: the errors of that run."""
    records = lake / "analyst" / "records"
    if not files(records):
        return 0
    db.sql(f"CREATE VIEW records AS SELECT * FROM read_parquet('{records}/**/*.parquet', hive_partitioning = true)")
    joined = db.sql(
        """
        SELECT runs.dataflow_run_id, count(*) FILTER (level = 'ERROR'), count(*) FILTER (kind = 'begin')
        FROM runs JOIN records ON split_part(records.key, '@', 2) = runs.task_key
            OR starts_with(split_part(records.key, '@', 2), runs.task_key || '/')
        GROUP BY ALL
        """
    ).fetchall()
    found = {run: (errors, begins) for run, errors, begins in joined}
    for row in rows:
        if row["task_key"] is not None:
            errors, begins = found[row["dataflow_run_id"]]
            expect(f"the begin of {row['dataflow_name']} is among its records", begins > 0, True)
            if row["status"] == "failed":
                expect(f"errors of {row['dataflow_name']}", errors > 0, True)
    return sum(errors for errors, _ in found.values())


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else None)
