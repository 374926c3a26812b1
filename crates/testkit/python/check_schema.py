"""Checks configuration files against the JSON Schema, as an editor does.

    check_schema.py SCHEMA GOOD... [--bad BAD...]

Files behind GOOD must pass; those behind BAD must not. YAML is read as 1.2 has it: `on` and `off` are texts. Ends with
status 1 and the reason at the first file that is not as it should be.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator


class Yaml12(yaml.SafeLoader):
    """Truth values are `true` and `false` only."""


BOOL = "tag:yaml.org,2002:bool"
Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Yaml12.add_implicit_resolver(BOOL, re.compile("^(true|false)$"), list("tf"))


def read(path):
    text = path.read_text(encoding="utf-8")
    match path.suffix:
        case ".json":
            return json.loads(text)
        case ".toml":
            return tomllib.loads(text)
        case _:
            # Nothing at all is a file without keys.
            return yaml.load(text, Yaml12) or {}


def main(schema, words):
    schema = json.loads(Path(schema).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    split = words.index("--bad") if "--bad" in words else len(words)
    for path in map(Path, words[:split]):
        for error in validator.iter_errors(read(path)):
            sys.exit(f"{path}: {error.json_path}: {error.message}")
    for path in map(Path, words[split + 1 :]):
        if validator.is_valid(read(path)):
            sys.exit(f"{path} is wrong, and the schema takes it")
    print(f"{split} files pass, {max(len(words) - split - 1, 0)} do not")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
