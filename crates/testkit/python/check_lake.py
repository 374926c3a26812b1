"""Opens a lake as others do, with pyarrow and with DuckDB, and checks what the format promises.

    check_lake.py LAKE [RECORDS]

Columns, types and order of the Parquet files; `run_date` as a partition; the same records in JSON lines, each once;
as many as RECORDS says, when it is given. Ends with status 1 at the first promise that is broken.
"""

import json
import struct
import sys
import uuid
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

WORD = pa.dictionary(pa.int32(), pa.string())

# Name, type for pyarrow, type for DuckDB; in the order of the file.
COLUMNS = [
    ("ts", pa.timestamp("us", tz="UTC"), "TIMESTAMP WITH TIME ZONE"),
    ("level", WORD, "VARCHAR"),
    ("kind", WORD, "VARCHAR"),
    ("key", pa.string(), "VARCHAR"),
    ("root", pa.binary(16), "BLOB"),
    ("path_key", pa.binary(), "BLOB"),
    ("seq", pa.int64(), "BIGINT"),
    ("task", WORD, "VARCHAR"),
    ("message", pa.string(), "VARCHAR"),
    ("target", WORD, "VARCHAR"),
    ("module", WORD, "VARCHAR"),
    ("file", WORD, "VARCHAR"),
    ("line", pa.int32(), "INTEGER"),
    ("thread", WORD, "VARCHAR"),
    ("pid", pa.int64(), "BIGINT"),
    ("host", WORD, "VARCHAR"),
    ("service", WORD, "VARCHAR"),
    ("dataflow_id", WORD, "VARCHAR"),
    ("context", pa.string(), "VARCHAR"),
    ("fields", pa.string(), "VARCHAR"),
    ("duration_us", pa.int64(), "BIGINT"),
    ("outcome", WORD, "VARCHAR"),
    ("error", pa.string(), "VARCHAR"),
    ("trace_id", pa.string(), "VARCHAR"),
    ("span_id", pa.string(), "VARCHAR"),
]

# What JSON lines leave out: it is the key again, in a form for engines.
PARQUET_ONLY = {"root", "path_key", "seq"}
JSON_KEYS = [name for name, _, _ in COLUMNS if name not in PARQUET_ONLY]

# Columns that hold JSON as text in Parquet, and are JSON in JSON lines.
JSON_TEXT = {"context", "fields"}

LEVELS = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR"}
KINDS = {"event", "begin", "end", "loss"}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def main(lake, expected=None):
    parquet, jsonl = lake / "analyst" / "records", lake / "debug_json" / "records"
    files = sorted(parquet.rglob("*.parquet"))
    lines = sorted(jsonl.rglob("*.jsonl"))
    expect("there are Parquet and JSONL files", bool(files and lines), True)

    for file in files:
        check_schema(file)
        check_order(file)
    rows = read_with_pyarrow(parquet)
    check_rows(rows)
    check_same_records(rows, read_lines(lines))
    if expected is not None:
        expect("every record that was written is there", len(rows), expected)
    check_with_duckdb(parquet, jsonl, rows)
    print(f"{len(rows)} records in {len(files)} Parquet and {len(lines)} JSONL files: pyarrow and DuckDB agree")


def expect(what, actual, expected):
    if actual != expected:
        sys.exit(f"{what}: expected {expected!r}, found {actual!r}")


# === pyarrow ===


def check_schema(file):
    """Every file has every column in its type, also where all of it is null."""
    schema = pq.read_schema(file)
    expect(f"columns of {file.name}", schema.names, [name for name, _, _ in COLUMNS])
    for name, kind, _ in COLUMNS:
        expect(f"type of {name} in {file.name}", schema.field(name).type, kind)


def check_order(file):
    """By task in tree order and by number within a task; then what is outside any task, by time."""
    columns = pq.read_table(file, columns=["path_key", "seq", "ts"])
    columns = columns.set_column(2, "ts", columns["ts"].cast(pa.int64()))
    keys = [
        (0, row["path_key"], row["seq"]) if row["path_key"] is not None else (1, b"", row["ts"])
        for row in columns.to_pylist()
    ]
    first = next((at for at, pair in enumerate(zip(keys, keys[1:])) if pair[0] > pair[1]), None)
    expect(f"row of {file.name} that is out of order", first, None)


def read_with_pyarrow(folder):
    dataset = ds.dataset(folder, format="parquet", partitioning="hive")
    expect("run_date is a column after all others", dataset.schema.names[-1], "run_date")
    table = dataset.to_table()
    table = table.set_column(0, "ts", table["ts"].cast(pa.int64()))
    rows = table.to_pylist()
    day = min(row["run_date"] for row in rows)
    expect(
        "rows of a partition, asked for by run_date",
        dataset.count_rows(filter=ds.field("run_date") == day),
        sum(row["run_date"] == day for row in rows),
    )
    return rows


def check_rows(rows):
    for row in rows:
        expect("a known level and kind", (row["level"] in LEVELS, row["kind"] in KINDS), (True, True))
        expect(f"run_date of {row['key']}", row["run_date"], utc(row["ts"])[:10])
        ids = [row[name] for name in ("key", "root", "path_key", "seq", "trace_id")]
        expect("ids of a record", ids, ids_of(row["path_key"], row["seq"]))
        for name in JSON_TEXT:
            expect(f"{name} of {row['key']} is an object", type(json.loads(row[name])), dict)
        is_end = row["kind"] == "end"
        expect(f"an end and no other has a duration: {row['key']}", row["duration_us"] is not None, is_end)
        expect(f"an end and no other has an outcome: {row['key']}", row["outcome"] is not None, is_end)
    keys = Counter(row["key"] for row in rows if row["key"] is not None and row["kind"] != "loss")
    expect("keys that stand twice", [key for key, count in keys.items() if count > 1], [])


def ids_of(path_key, seq):
    """Key, root, path key, number and trace id, all from the path key and the number."""
    if path_key is None:
        return [None] * 5
    root, numbers = path_key[:16], struct.unpack(f">{(len(path_key) - 16) // 4}I", path_key[16:])
    task = "/".join([str(uuid.UUID(bytes=root)), *map(str, numbers)])
    return [f"{seq}@{task}", root, path_key, seq, root.hex()]


def utc(us):
    return (EPOCH + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# === JSON lines ===


def read_lines(files):
    """Every line by itself, split at line feeds only: nothing in a text may look like a line's end."""
    lines = [line for file in files for line in file.read_bytes().split(b"\n") if line]
    records = [json.loads(line) for line in lines]
    for line, record in zip(lines, records):
        expect("keys of a line", list(record), JSON_KEYS)
        expect("control characters in a line", [byte for byte in line if byte < 0x20 or byte == 0x7F], [])
    return records


def check_same_records(rows, records):
    in_parquet = Counter(canonical(row, json.loads) for row in rows)
    in_lines = Counter(canonical(record | {"ts": micros(record["ts"])}, dict) for record in records)
    only_parquet, only_lines = in_parquet - in_lines, in_lines - in_parquet
    expect("records in Parquet only", list(only_parquet)[:3], [])
    expect("records in JSON lines only", list(only_lines)[:3], [])


def canonical(record, parse):
    values = [parse(record[name]) if name in JSON_TEXT else record[name] for name in JSON_KEYS]
    return json.dumps(values, sort_keys=True)


def micros(text):
    return (datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z") - EPOCH) // timedelta(microseconds=1)


# === DuckDB ===


def check_with_duckdb(parquet, jsonl, rows):
    db = duckdb.connect()
    # Nothing is fetched, and a day is a day in UTC.
    db.execute("SET autoinstall_known_extensions = false; SET TimeZone = 'UTC'")
    create_view(db, "records", f"read_parquet({text(parquet / '**' / '*.parquet')}, hive_partitioning = true)")
    options = "format = 'newline_delimited', hive_partitioning = true, maximum_object_size = 67108864"
    create_view(db, "lines", f"read_json({text(jsonl / '**' / '*.jsonl')}, {options})")

    described = db.execute("DESCRIBE records").fetchall()
    types = [(name, kind) for name, _, kind in COLUMNS] + [("run_date", "DATE")]
    expect("columns and types for DuckDB", [(name, kind) for name, kind, *_ in described], types)
    described = db.execute("DESCRIBE lines").fetchall()
    expect("columns of JSON lines for DuckDB", [name for name, *_ in described], JSON_KEYS + ["run_date"])

    keyed = sum(row["key"] is not None for row in rows)
    expect("rows for DuckDB", one(db, "SELECT count(*) FROM records"), len(rows))
    expect("lines for DuckDB", one(db, "SELECT count(*) FROM lines"), len(rows))
    expect("run_date is the day", one(db, "SELECT count(*) FROM records WHERE run_date != ts::DATE"), 0)
    joined = "SELECT count(*) FROM records JOIN lines USING (key, message, kind)"
    expect("records that both hold", one(db, joined), keyed)
    check_subtrees(db, rows)


def check_subtrees(db, rows):
    """What an analyst asks first: which jobs ran, how they ended, and how much happened inside each."""
    jobs = db.execute(
        """
        SELECT job.task, job.outcome, job.duration_us / 1e6, count(*), count(*) FILTER (inner_.level IN ('WARN', 'ERROR'))
        FROM records AS job
        JOIN records AS inner_ ON inner_.root = job.root
        WHERE job.kind = 'end' AND job.path_key = job.root
        GROUP BY job.key, job.task, job.outcome, job.duration_us
        ORDER BY job.duration_us DESC
        """
    ).fetchall()
    roots = {row["root"] for row in rows if row["kind"] == "end" and row["path_key"] == row["root"]}
    expect("jobs that ended", len(jobs), len(roots))
    expect("records inside them", sum(job[3] for job in jobs), sum(row["root"] in roots for row in rows))
    for task, outcome, seconds, records, warnings in jobs[:5]:
        print(f"  {task}: {outcome} after {seconds:.3f} s, {records} records, {warnings} of them warnings or worse")


def create_view(db, name, source):
    db.execute(f"CREATE VIEW {name} AS SELECT * FROM {source}")


def one(db, query):
    return db.execute(query).fetchone()[0]


def text(path):
    return "'" + str(path).replace("'", "''") + "'"


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
