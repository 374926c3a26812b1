"""Reads a file of OpenLineage events with the official client's classes, and checks what they promise.

    check_lineage.py FILE [RUNS]

Each event is built anew with the classes that `openlineage-python` generates from the published JSON schemas, strictly: a
key that a class does not have, a value of another type, a missing one that is required, and what the classes' own
validators refuse (ids, times, URLs) are failures. What the client makes of the objects must then be the event again, word
for word, which includes the version of each schema. So the events are valid as far as these classes know the schemas; the
client does not ship the schemas themselves. Every run has one START and then one end; as many runs as RUNS says, when it is
given. Ends with status 1 at the first promise that is broken.
"""

import enum
import json
import sys
import types
import typing
from pathlib import Path
from urllib.parse import urlparse

import attr
from openlineage.client import event_v2
from openlineage.client import facet_v2 as facets
from openlineage.client.serde import Serde

# The facets that spanlake makes, by the keys that the specification gives them.
FACETS = {
    "parent": facets.parent_run.ParentRunFacet,
    "tags": facets.tags_run.TagsRunFacet,
    "processing_engine": facets.processing_engine_run.ProcessingEngineRunFacet,
    "errorMessage": facets.error_message_run.ErrorMessageRunFacet,
    "jobType": facets.job_type_job.JobTypeJobFacet,
    "documentation": facets.documentation_job.DocumentationJobFacet,
    "symlinks": facets.symlinks_dataset.SymlinksDatasetFacet,
    "inputStatistics": facets.input_statistics_input_dataset.InputStatisticsInputDatasetFacet,
    "outputStatistics": facets.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
}
ENDS = {"COMPLETE", "FAIL", "ABORT"}


def main(file, expected=None):
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    seen = set()
    for event in events:
        built = build(event_v2.RunEvent, event, "event")
        expect("the client's event", json.loads(Serde.to_json(built)), event)
        for where, url in urls(event):
            expect(f"{where} is a URL", all(urlparse(url)[:2]), True)
        seen |= facet_names(event)
    runs = check_once(events)
    if expected is not None:
        expect("runs", runs, expected)
        expect("facets", seen, set(FACETS))
    print(f"{len(events)} events of {runs} runs: the client reads them as they are, with {', '.join(sorted(seen))}")


def expect(what, actual, expected):
    if actual != expected:
        sys.exit(f"{what}: expected {expected!r}, found {actual!r}")


def check_once(events):
    """The order of events is that of the file, and times do not go back within a run."""
    runs = {}
    for event in events:
        runs.setdefault(event["run"]["runId"], []).append(event)
    for run, of_run in runs.items():
        kinds = [event["eventType"] for event in of_run]
        expect(f"{run}: {kinds} is a START and an end", len(kinds) == 2 and kinds[0] == "START" and kinds[1] in ENDS, True)
        start, end = of_run
        expect(f"{run} ends after it began", start["eventTime"] <= end["eventTime"], True)
        expect(f"the job of {run}", end["job"]["name"], start["job"]["name"])
        expect(f"the parent of {run}", end["run"]["facets"]["parent"], start["run"]["facets"]["parent"])
    return len(runs)


def urls(value, where="event"):
    """Every URL that the schemas ask for."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("producer", "_producer", "schemaURL", "_schemaURL"):
                yield f"{where}.{key}", inner
            yield from urls(inner, f"{where}.{key}")


def facet_names(value):
    if isinstance(value, list):
        return set().union(*map(facet_names, value))
    if not isinstance(value, dict):
        return set()
    own = {key for key, inner in value.items() if isinstance(inner, dict) and "_schemaURL" in inner}
    return own.union(*map(facet_names, value.values()))


# === building ===


def build(kind, value, where):
    """A value of this type, made of what JSON has."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        [kind] = [one for one in inner if one is not type(None)]
        return build(kind, value, where)
    if origin is list:
        return [build(inner[0], item, f"{where}[{at}]") for at, item in enumerate(check(list, value, where))]
    if origin is dict:
        return {key: build(facet(key, where), item, f"{where}.{key}") for key, item in check(dict, value, where).items()}
    if attr.has(kind):
        return build_object(kind, check(dict, value, where), where)
    if issubclass(kind, enum.Enum):
        return kind(value)
    return check(kind, value, where)


def build_object(kind, value, where):
    hints, fields = typing.get_type_hints(kind), attr.fields_dict(kind)
    expect(f"keys of {where} that {kind.__name__} does not have", set(value) - set(fields), set())
    arguments = {}
    for name, field in fields.items():
        if name in value:
            if field.init:
                arguments[field.alias] = build(hints[name], value[name], f"{where}.{name}")
            else:
                # Set by the class itself; the comparison of the whole shows whether it is the same.
                check(hints[name], value[name], f"{where}.{name}")
        elif field.init and type(None) in typing.get_args(hints[name]):
            # The classes would put an empty list or object there.
            arguments[field.alias] = None
        elif name in ("producer", "_producer", "schemaURL", "_schemaURL"):
            sys.exit(f"{where}.{name} is missing")
    return kind(**arguments)


def facet(key, where):
    return FACETS.get(key) or sys.exit(f"{where}.{key} is no facet that is known here")


def check(kind, value, where):
    expect(f"type of {where}", type(value), kind)
    return value


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else None)
