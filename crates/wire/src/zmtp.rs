//! ZMTP 3 as bytes: the greeting without security, the frames, and the commands that publishers and collectors need. The protocol is
//! that of RFC 23 and 37 of ZeroMQ; sockets and bounds are whose they are.

/// Signature, version 3.0, the mechanism `NULL`; we are no server to it.
pub const GREETING: [u8; 64] = {
    let mut greeting = [0; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12] = b'N';
    greeting[13] = b'U';
    greeting[14] = b'L';
    greeting[15] = b'L';
    greeting
};

/// The flag of a frame that another one of the same message follows.
pub const MORE: u8 = 1;

/// The flag of a frame whose length has eight bytes.
pub const LONG: u8 = 2;

/// The flag of a frame that is a command.
pub const COMMAND: u8 = 4;

/// Longest context that a ping's answer repeats.
const MOST_CONTEXT: usize = 16;

/// Whether a peer greets by ZMTP 3 without security.
pub fn is_greeting(theirs: &[u8; 64]) -> bool {
    theirs[0] == 0xff && theirs[9] & 1 == 1 && theirs[10] >= 3 && theirs[12..17] == *b"NULL\0"
}

/// Appends a frame.
pub fn put_frame(out: &mut Vec<u8>, flags: u8, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(len) => out.extend_from_slice(&[flags, len]),
        Err(_) => {
            out.push(flags | LONG);
            out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

/// Appends a message of two frames.
pub fn put_message(out: &mut Vec<u8>, topic: &[u8], body: &[u8]) {
    put_frame(out, MORE, topic);
    put_frame(out, 0, body);
}

/// Appends a message of three frames.
pub fn put_headed_message(out: &mut Vec<u8>, topic: &[u8], head: &[u8], body: &[u8]) {
    put_frame(out, MORE, topic);
    put_frame(out, MORE, head);
    put_frame(out, 0, body);
}

/// The frame by which a socket of this type says that it is ready.
pub fn ready(socket: &str) -> Vec<u8> {
    let mut command = b"\x05READY\x0bSocket-Type".to_vec();
    command.extend_from_slice(&(socket.len() as u32).to_be_bytes());
    command.extend_from_slice(socket.as_bytes());
    let mut frame = Vec::new();
    put_frame(&mut frame, COMMAND, &command);
    frame
}

/// Whether a command says that a peer is ready.
pub fn is_ready(command: &[u8]) -> bool {
    command.starts_with(b"\x05READY")
}

/// What the answer to a ping repeats; `None` for another command.
pub fn ping(command: &[u8]) -> Option<&[u8]> {
    let context = command.strip_prefix(b"\x04PING")?.get(2..).unwrap_or_default();
    context.get(..context.len().min(MOST_CONTEXT))
}

/// The frame that answers to a ping.
pub fn pong(context: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    put_frame(&mut frame, COMMAND, &[b"\x04PONG", context].concat());
    frame
}
