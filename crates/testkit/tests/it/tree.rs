//! The tree: its root, its files, and how a broken rule is told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Paths of all files from the root, with `/`, sorted: those that git keeps or would keep; where there is no git, those
/// that `.gitignore` does not name. A symbolic link is left out, for what it leads to stands for itself.
pub(crate) static FILES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let files = git_files().unwrap_or_else(walked_files);
    let is_file = |file: &String| root().join(file).symlink_metadata().is_ok_and(|data| data.is_file());
    files.into_iter().filter(is_file).collect()
});

pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().nth(2).expect("the package lies two folders below the root").to_owned()
    });
    &ROOT
}

/// The text of a file, given from the root; of one that is not text, what can be read of it.
pub(crate) fn read(file: &str) -> String {
    let bytes = std::fs::read(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn files_named(end: &str) -> impl Iterator<Item = &'static str> {
    FILES.iter().map(String::as_str).filter(move |file| file.ends_with(end))
}

/// What cargo prints for these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints text")
}

/// Fails with every place at which a rule is broken, and with what to do about it.
#[track_caller]
pub(crate) fn assert_kept(broken: impl IntoIterator<Item = String>, advice: &str) {
    let broken: Vec<_> = broken.into_iter().collect();
    assert!(broken.is_empty(), "\n  {}\n{advice}\n", broken.join("\n  "));
}

fn git_files() -> Option<Vec<String>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(root()).output().ok()?;
    let is_ours = output.status.success() && root().join(".git").exists();
    let text = String::from_utf8(output.stdout).ok().filter(|_| is_ours)?;
    Some(text.split_terminator('\0').map(str::to_owned).collect())
}

fn walked_files() -> Vec<String> {
    let ignored = read(".gitignore");
    let ignored: Vec<_> = ignored.lines().chain([".git"]).map(|line| root().join(line.trim_matches('/'))).collect();
    let (mut files, mut folders) = (Vec::new(), vec![root().to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the tree") {
            let path = entry.expect("an entry of the tree").path();
            match path.is_dir() {
                _ if ignored.contains(&path) => {}
                true => folders.push(path),
                false => files.push(from_root(&path)),
            }
        }
    }
    files
}

fn from_root(path: &Path) -> String {
    let below = path.strip_prefix(root()).expect("a path below the root");
    below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
