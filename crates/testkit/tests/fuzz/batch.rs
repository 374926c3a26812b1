//! Any bytes as a batch, compressed or not: it is refused, or written again to the same.

use spanlake_wire::batch::{Batch, BatchError, BatchWriter};

const MOST: usize = 1 << 16;

pub(crate) fn check(bytes: &[u8]) {
    let _ = Batch::read(bytes, MOST);
    // No fuzzer compresses by chance.
    let Ok(batch) = Batch::read(&frame(bytes), MOST) else {
        return;
    };
    let mut writer = BatchWriter::new();
    batch.entries().for_each(|entry| writer.push(entry));
    let body = writer.compress().expect("memory");
    let again = Batch::read(&body, MOST).expect("a batch that was just written");
    assert!(again.entries().eq(batch.entries()));
    let short = Batch::read(&body, writer.len() - 1);
    assert!(matches!(short, Err(BatchError::TooLong { .. })));
}

/// As zstd without compression: a frame of one raw block, or several.
fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut frame = b"\x28\xb5\x2f\xfd\x00\x58".to_vec();
    let mut blocks = bytes.chunks(1 << 16).peekable();
    while let Some(block) = blocks.next() {
        let head = (block.len() as u32) << 3 | u32::from(blocks.peek().is_none());
        frame.extend_from_slice(&head.to_le_bytes()[..3]);
        frame.extend_from_slice(block);
    }
    if bytes.is_empty() {
        frame.extend_from_slice(&[1, 0, 0]);
    }
    frame
}
