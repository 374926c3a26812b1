//! The JSON Schema takes the files that are right, and refuses those whose keys or values are wrong by themselves.

use std::process::Command;

use crate::tree::{files_named, root};

const SCHEMA: &str = "docs/spanlake.schema.json";

/// Files that are right.
const GOOD: [&str; 2] = ["crates/config/tests/files/", "examples/"];

/// What a schema can tell without knowing what other keys say.
const BAD: [&str; 11] = [
    "unknown_key.yaml",
    "unknown_key.toml",
    "unknown_key.json",
    "wrong_type.yaml",
    "wrong_type.json",
    "out_of_range.yaml",
    "no_unit.yaml",
    "no_unit.toml",
    "policy.toml",
    "publish.yaml",
    "renderer_on_parquet.yaml",
];

#[test]
fn others_check_configuration_files_with_it() {
    let is_config = |file: &&str| {
        GOOD.iter().any(|folder| file.starts_with(folder))
            && [".yaml", ".toml", ".json"].iter().any(|end| file.ends_with(end))
            && !file.ends_with("Cargo.toml")
    };
    let good: Vec<_> = [".yaml", ".toml", ".json"].iter().flat_map(|end| files_named(end)).filter(is_config).collect();
    assert!(good.len() >= 3, "{good:?}");
    let python = root().join(".venv/bin/python");
    assert!(python.exists(), "there is no .venv with jsonschema; `./test setup` makes one");
    let bad = BAD.iter().map(|file| format!("crates/config/tests/broken/{file}"));
    let output = Command::new(python)
        .current_dir(root())
        .args(["crates/testkit/python/check_schema.py", SCHEMA])
        .args(good)
        .arg("--bad")
        .args(bad)
        .output()
        .expect("Python runs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}
