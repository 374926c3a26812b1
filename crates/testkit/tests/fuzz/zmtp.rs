//! Any bytes as what a peer says by ZMTP: messages within bounds that are the same when they are sent and read again, and then an end.

use std::io::ErrorKind;

use spanlake_collector::receive::zmtp::Connection;
use spanlake_wire::zmtp::{GREETING, MORE, put_frame, ready};
use tokio::io::join;
use tokio::runtime::{Builder, Runtime};

/// Most bytes of a message.
const MOST: usize = 512;

/// Most frames of a message.
const MOST_FRAMES: usize = 8;

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
}

pub(crate) fn check(bytes: &[u8]) {
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            read(bytes).await;
            let (messages, answers) = read(&greeted(bytes)).await.expect("it greeted");
            assert!(answers.starts_with(&greeted(&[])), "it greets too");
            assert!(messages.iter().all(|frames| frames.len() <= MOST_FRAMES && frames.concat().len() <= MOST));
            let written = messages.iter().fold(Vec::new(), |mut written, frames| {
                put(&mut written, frames);
                written
            });
            let (again, _) = read(&greeted(&written)).await.expect("it greeted");
            assert_eq!(again, messages);
        })
    });
}

/// What comes behind a greeting.
fn greeted(bytes: &[u8]) -> Vec<u8> {
    [&GREETING[..], &ready("PULL"), bytes].concat()
}

/// The messages until the end, and what was answered; nothing where the greeting is none.
async fn read(bytes: &[u8]) -> Option<(Vec<Vec<Vec<u8>>>, Vec<u8>)> {
    let mut answers = Vec::new();
    let mut connection = Connection::greet(join(bytes, &mut answers), "PULL", MOST).await.ok()?;
    let mut messages = Vec::new();
    let error = loop {
        match connection.message().await {
            Ok(message) => messages.push(message),
            Err(error) => break error.kind(),
        }
    };
    assert!([ErrorKind::UnexpectedEof, ErrorKind::InvalidData, ErrorKind::FileTooLarge].contains(&error), "{error}");
    Some((messages, answers))
}

fn put(out: &mut Vec<u8>, frames: &[Vec<u8>]) {
    for (at, frame) in frames.iter().enumerate() {
        put_frame(out, if at + 1 < frames.len() { MORE } else { 0 }, frame);
    }
}
