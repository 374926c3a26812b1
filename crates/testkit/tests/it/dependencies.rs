//! Arrows between our crates point one way, and some libraries stay out of some crates.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{assert_kept, cargo, read};

/// A package in a folder, and ours that it may depend on. The first row that fits holds.
const TABLE: [(&str, &[&str]); 13] = [
    ("crates/core", &[]),
    ("crates/config", &["spanlake-core", "spanlake-lake"]),
    ("crates/wire", &["spanlake-core"]),
    ("crates/layers/observe-derive", &[]),
    ("crates/layers/scope", &["spanlake-core", "spanlake-observe-derive"]),
    ("crates/layers/capture", &["spanlake-core", "spanlake-scope"]),
    ("crates/layers/publish", &["spanlake-core", "spanlake-scope", "spanlake-wire"]),
    ("crates/layers/etl", &["spanlake-core", "spanlake-scope", "spanlake-lake"]),
    ("crates/test", &["spanlake-core", "spanlake-scope", "spanlake-capture"]),
    ("crates/storage/lake", &["spanlake-core"]),
    ("crates/storage/query", &["spanlake-core", "spanlake-lake"]),
    ("crates/apps/*", &["spanlake-core", "spanlake-config", "spanlake-wire", "spanlake-lake", "spanlake-query"]),
    (
        "crates/spanlake",
        &[
            "spanlake-core",
            "spanlake-config",
            "spanlake-scope",
            "spanlake-capture",
            "spanlake-etl",
            "spanlake-publish",
            "spanlake-lake",
        ],
    ),
];

/// Members that are not published: they may depend on anything, and nothing that is published depends on them.
const UNPUBLISHED: [&str; 3] = ["crates/testkit", "examples", "benches"];

/// Libraries that stay out of a package and of everything below it, with its default features. A name that ends in `*`
/// stands for all that begin so.
const NEVER: [(&str, &[&[&str]]); 11] = [
    ("spanlake-core", &[COLUMNS, NETWORK, RUNTIME, SERDE, LAYERS]),
    ("spanlake-config", &[COLUMNS, NETWORK, RUNTIME, SERDE_ITSELF, LAYERS]),
    ("spanlake-wire", &[COLUMNS, NETWORK, RUNTIME, LAYERS]),
    ("spanlake-scope", &[COLUMNS, NETWORK, RUNTIME, SERDE]),
    ("spanlake-capture", &[COLUMNS, NETWORK, RUNTIME, SERDE]),
    ("spanlake-publish", &[COLUMNS, RUNTIME]),
    ("spanlake-lake", &[NETWORK, RUNTIME, SERDE, LAYERS]),
    ("spanlake-test", &[COLUMNS, NETWORK, RUNTIME]),
    ("spanlake-query", &[NETWORK, LAYERS]),
    ("spanlake-cli", &[LAYERS]),
    ("spanlake-collector", &[LAYERS]),
];

const COLUMNS: &[&str] = &["arrow*", "parquet*", "datafusion*"];
const NETWORK: &[&str] =
    &["hyper*", "http*", "h2", "reqwest", "ureq", "axum*", "tonic*", "rustls*", "native-tls", "openssl*"];
const RUNTIME: &[&str] = &["tokio*", "async-std", "smol", "futures*"];
const SERDE: &[&str] = &["serde*"];
/// Without `serde_spanned`, which has the places of TOML and does without the others.
const SERDE_ITSELF: &[&str] = &["serde", "serde_core", "serde_derive", "serde_json"];
const LAYERS: &[&str] = &["tracing-subscriber"];

/// Libraries whose types cross crates: with two versions in the tree, one half would not know the other's.
const ONE_VERSION: [&str; 6] =
    ["arrow-array", "arrow-schema", "parquet", "object_store", "tracing-core", "tracing-subscriber"];

#[test]
fn arrows_point_one_way() {
    let members = members();
    let ours: BTreeMap<_, _> = members.iter().map(|member| (member.name.as_str(), member)).collect();
    let broken = members.iter().filter(|member| member.published).flat_map(|member| {
        let row = TABLE.iter().find(|(folder, _)| fits(folder, &member.folder));
        let allowed = row.map_or(&[][..], |(_, allowed)| allowed);
        let wrong =
            member.needs.iter().filter(|need| ours.contains_key(need.as_str()) && !allowed.contains(&need.as_str()));
        let wrong = wrong.map(move |need| format!("{} depends on {need}", member.name));
        wrong.chain(row.is_none().then(|| format!("{} has no row in the table", member.folder)))
    });
    assert_kept(broken, "what two crates share belongs below both; docs/architecture.md is the map");
}

#[test]
fn what_is_not_published_says_so() {
    let broken = members().into_iter().filter(|member| member.published == UNPUBLISHED.contains(&&*member.folder));
    assert_kept(broken.map(|member| member.folder), "`publish = false` goes with a place in the list UNPUBLISHED");
}

#[test]
fn libraries_stay_out_of_where_they_have_no_business() {
    let present: BTreeSet<_> = members().into_iter().map(|member| member.name).collect();
    let broken = NEVER.iter().filter(|(package, _)| present.contains(*package)).flat_map(|(package, never)| {
        let names = below(package);
        let found = names.into_iter().filter(|name| never.iter().copied().flatten().any(|pattern| fits(pattern, name)));
        found.map(move |name| format!("{name} is below {package}; see `cargo tree -p {package} -e normal -i {name}`"))
    });
    assert_kept(broken, "take the library in where it belongs, or behind a feature that is off");
}

#[test]
fn libraries_whose_types_cross_crates_have_one_version() {
    let lock = read("Cargo.lock");
    let count = |name: &str| lock.lines().filter(|line| *line == format!("name = \"{name}\"")).count();
    let broken = ONE_VERSION.iter().filter(|name| count(name) > 1);
    assert_kept(broken.map(|name| format!("{name} is there more than once")), "see `cargo tree --workspace -d`");
}

/// A member of the workspace, and what it depends on outside its tests.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) folder: String,
    pub(crate) description: String,
    pub(crate) published: bool,
    pub(crate) needs: Vec<String>,
}

pub(crate) fn members() -> Vec<Member> {
    let text = cargo(&["metadata", "--no-deps", "--locked", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&text).expect("metadata is JSON");
    let root = metadata["workspace_root"].as_str().expect("a root");
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().map(|package| member(package, root)).collect()
}

fn member(package: &serde_json::Value, root: &str) -> Member {
    let text = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
    let manifest = text("manifest_path").replace('\\', "/");
    let folder = manifest.trim_start_matches(&root.replace('\\', "/")).trim_end_matches("Cargo.toml");
    let needs = package["dependencies"].as_array().expect("dependencies").iter();
    let needs = needs.filter(|need| need["kind"] != "dev").filter_map(|need| need["name"].as_str());
    Member {
        name: text("name"),
        folder: folder.trim_matches('/').to_owned(),
        description: text("description"),
        published: package["publish"].as_array().is_none_or(|registries| !registries.is_empty()),
        needs: needs.map(str::to_owned).collect(),
    }
}

/// Names of all packages that a package is built from.
fn below(package: &str) -> BTreeSet<String> {
    let text = cargo(&["tree", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}"]);
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}
