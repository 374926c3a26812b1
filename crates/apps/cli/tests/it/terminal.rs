//! A terminal of a given width, with the command on it.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// What the command shows on a terminal of this width. It must end well.
pub(crate) fn shows(mut command: Command, columns: u16) -> String {
    let (mut ours, theirs) = open(columns);
    let mut child =
        command.env("TERM", "xterm-256color").stdout(Stdio::from(theirs)).spawn().expect("the command starts");
    // The other end is the child's alone then, and the reader's end comes with its own.
    drop(command);
    let reader = thread::spawn(move || {
        let mut shown = Vec::new();
        // Behind the last byte there is an error.
        let _ = ours.read_to_end(&mut shown);
        shown
    });
    assert!(child.wait().expect("the command ends").success());
    String::from_utf8(reader.join().expect("the reader")).expect("text").replace("\r\n", "\n")
}

/// Text without what colours it.
pub(crate) fn plain(shown: &str) -> String {
    let mut parts = shown.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

fn open(columns: u16) -> (File, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("its other end");
    let name = ptsname(&ours, Vec::new()).expect("a name").into_string().expect("text");
    let theirs = OpenOptions::new().read(true).write(true).open(name).expect("the other end");
    let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&theirs, size).expect("a size");
    (File::from(ours), theirs)
}
