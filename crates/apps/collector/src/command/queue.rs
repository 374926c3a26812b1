//! `spanlaked queue`: what waits on the disk.

use std::io;

use spanlake_core::disk;

use super::{Failure, QueueCommand, say_to};
use crate::queue::{FileState, Listing, Mended, QueueFile, Verification, list, repair, verify};

pub(super) fn run(command: &QueueCommand) -> Result<(), Failure> {
    let disk = disk::real();
    match command {
        QueueCommand::Ls(args) => say(show(&list(&*disk, &args.folder)?)),
        QueueCommand::Verify(args) => {
            let verification = verify(&*disk, &args.folder)?;
            say(show_verified(&verification));
            if verification.is_damaged() {
                return Err(Failure::Told);
            }
        }
        QueueCommand::Repair(args) => say(show_mended(&repair(&*disk, &args.folder)?)),
    }
    Ok(())
}

fn say(lines: Vec<String>) {
    lines.iter().for_each(|line| say_to(&mut io::stdout(), line));
}

fn show(listing: &Listing) -> Vec<String> {
    let file = |file: &crate::queue::ListedFile| {
        let first = file.first.map_or_else(|| "no header".to_owned(), |first| format!("from {first}"));
        format!("{}  {} bytes  {first}", file.path.display(), file.bytes)
    };
    let mut lines: Vec<String> = listing.files.iter().map(file).collect();
    lines.extend(listing.waiting.iter().map(|(plugin, count)| format!("{plugin}: {count} segments wait")));
    lines.push(foot(listing.is_open, listing.files.len()));
    lines
}

fn show_verified(verification: &Verification) -> Vec<String> {
    let mut lines: Vec<String> = verification.files.iter().map(line).collect();
    if verification.missing > 0 {
        lines.push(format!("✗ {} segments are missing", verification.missing));
    }
    if verification.is_checkpoint_damaged {
        lines.push("✗ the checkpoint is damaged: plugins get again what is there".to_owned());
    }
    lines.push(foot(verification.is_open, verification.files.len()));
    lines
}

fn line(file: &QueueFile) -> String {
    let path = file.path.display();
    match &file.state {
        FileState::Whole => format!("✓ {path}"),
        FileState::Done => format!("✓ {path}  every plugin is past it"),
        FileState::Unfinished { from, .. } => format!("✓ {path}  unfinished from byte {from}, never acknowledged"),
        FileState::Damaged { lost, .. } => format!("✗ {path}  {lost} segments cannot be read"),
        FileState::Newer { version } => format!("✗ {path}  version {version} is newer than this program"),
    }
}

pub(super) fn show_mended(mended: &Mended) -> Vec<String> {
    let mut lines: Vec<String> =
        mended.quarantined.iter().map(|path| format!("! a copy of what was damaged is {}", path.display())).collect();
    if mended.is_checkpoint_lost {
        lines.push("! the checkpoint could not be read: plugins get again what is there".to_owned());
    }
    lines.push(format!(
        "{} bytes cut off that were never acknowledged, {} segments lost",
        mended.cut_bytes, mended.lost
    ));
    lines
}

fn foot(is_open: bool, files: usize) -> String {
    let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    format!("{files}, {}", if is_open { "a collector has it open" } else { "no collector has it open" })
}
