//! Members take what is common from the root and say what they are.

use crate::dependencies::members;
use crate::tree::{assert_kept, read};

/// What every member has, and in these words.
const INHERITED: [&str; 6] = [
    "version.workspace = true",
    "edition.workspace = true",
    "rust-version.workspace = true",
    "license.workspace = true",
    "repository.workspace = true",
    "[lints]\nworkspace = true",
];

#[test]
fn members_inherit_package_data_and_lints() {
    let broken = members().into_iter().flat_map(|member| {
        let manifest = read(&format!("{}/Cargo.toml", member.folder));
        let missing = INHERITED.into_iter().filter(move |line| !manifest.contains(line));
        missing.map(move |line| format!("{}/Cargo.toml lacks `{}`", member.folder, line.replace('\n', " ")))
    });
    assert_kept(broken, "what is common stands once, in the root manifest");
}

#[test]
fn members_say_what_they_are() {
    let broken = members().into_iter().filter(|member| member.description.is_empty());
    assert_kept(broken.map(|member| format!("{}/Cargo.toml", member.folder)), "add a `description`");
}

#[test]
fn members_stand_where_users_look_for_them() {
    let (readme, contributing) = (read("README.md"), read("CONTRIBUTING.md"));
    let published: Vec<_> = members().into_iter().filter(|member| member.published).collect();
    let unnamed = published.iter().filter(|member| !readme.contains(&format!("`{}`", member.name)));
    let mut broken: Vec<_> = unnamed.map(|member| format!("README.md does not name {}", member.name)).collect();
    let place = |name: &str| contributing.rfind(&format!("`{name}`"));
    for member in &published {
        let late = member.needs.iter().filter(|need| place(need) > place(&member.name));
        broken.extend(late.map(|need| format!("CONTRIBUTING.md publishes {} before {need}", member.name)));
        broken
            .extend(place(&member.name).is_none().then(|| format!("CONTRIBUTING.md does not publish {}", member.name)));
    }
    assert_kept(broken, "crates are published after those that they need");
}
