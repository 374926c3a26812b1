//! Bodies: their sender pays for them before they are read, and they are held within the room that there is.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::segments::COME_BACK;
use super::{Refused, Shared};
use crate::intake::Reason;

const KIB: usize = 1024;

/// A body, and the room that it takes as long as somebody works on it.
#[derive(Default)]
pub(super) struct Held<'a> {
    pub(super) bytes: Vec<u8>,
    room: Option<SemaphorePermit<'a>>,
}

/// Reads a sender's body. What it says about its length is paid for first: who sends too much takes no room from the others.
pub(super) async fn read<'a>(
    shared: &'a Shared,
    headers: &HeaderMap,
    sender: &str,
    body: &mut Body,
) -> Result<Held<'a>, Refused> {
    let said = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if let Some(said) = said {
        fits(shared, said)?;
        pay(shared, sender, said)?;
    }
    let held = gather(shared, body, shared.policy().limits.body_bytes).await;
    let held = held.inspect_err(|refused| refund(shared, sender, said.unwrap_or(0), refused))?;
    if said.is_none() {
        pay(shared, sender, held.bytes.len())?;
    }
    Ok(held)
}

/// Reads a body of at most so many bytes, as long as it may take. Room is taken as it comes: what somebody says takes none.
pub(super) async fn gather<'a>(shared: &'a Shared, body: &mut Body, most: usize) -> Result<Held<'a>, Refused> {
    let broken = || Refused::new(Reason::Malformed, StatusCode::BAD_REQUEST, "the body did not come to its end");
    let read = async {
        let mut held = Held::default();
        while let Some(part) = next(body).await {
            held.add(shared, &part.map_err(|_| broken())?, most)?;
        }
        Ok(held)
    };
    timeout(shared.policy().limits.patience, read).await.map_err(|_| slow())?
}

/// Reads and forgets a body that is not wanted, for who is still writing would find the connection closed in place of the reason.
pub(super) async fn discard(shared: &Shared, headers: &HeaderMap, mut body: Body) {
    if headers.contains_key(EXPECT) {
        // It has not begun.
        return;
    }
    let mut left = shared.policy().limits.body_bytes;
    let read = async {
        while let Some(Ok(part)) = next(&mut body).await
            && part.len() <= left
        {
            left -= part.len();
        }
    };
    // Late or not, the answer goes out now.
    let _ = timeout(shared.policy().limits.patience, read).await;
}

/// Whether a body may have so many bytes.
pub(super) fn fits(shared: &Shared, bytes: usize) -> Result<(), Refused> {
    if bytes > shared.policy().limits.body_bytes { Err(too_large()) } else { Ok(()) }
}

/// Takes so many bytes from a sender's quota.
pub(super) fn pay(shared: &Shared, sender: &str, bytes: usize) -> Result<(), Refused> {
    shared.policy().quotas.take(sender, bytes as u64, Instant::now()).map_err(|pause| {
        Refused::new(Reason::Quota, StatusCode::TOO_MANY_REQUESTS, "more than the sender's quota").after(pause)
    })
}

/// Who found no room did not get what was paid for.
pub(super) fn refund(shared: &Shared, sender: &str, bytes: usize, refused: &Refused) {
    if refused.reason == Some(Reason::Full) {
        shared.policy().quotas.give_back(sender, bytes as u64);
    }
}

/// The next bytes of a body.
async fn next(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await? {
            Err(error) => return Some(Err(error)),
            // Trailers say nothing here.
            Ok(frame) => match frame.into_data() {
                Ok(bytes) => return Some(Ok(bytes)),
                Err(_) => continue,
            },
        }
    }
}

pub(super) fn slow() -> Refused {
    Refused::new(Reason::Slow, StatusCode::REQUEST_TIMEOUT, "the body took too long to come")
}

fn too_large() -> Refused {
    Refused::new(Reason::TooLarge, StatusCode::PAYLOAD_TOO_LARGE, "the body is too long")
}

// === impl Held ===

impl<'a> Held<'a> {
    pub(super) fn add(&mut self, shared: &'a Shared, part: &[u8], most: usize) -> Result<(), Refused> {
        let len = self.bytes.len() + part.len();
        if len > most {
            return Err(too_large());
        }
        let has = self.room.as_ref().map_or(0, SemaphorePermit::num_permits);
        let needs = len.div_ceil(KIB).saturating_sub(has);
        let no_room =
            || Refused::new(Reason::Full, StatusCode::SERVICE_UNAVAILABLE, "too much comes at once").after(COME_BACK);
        let more = shared.room.try_acquire_many(u32::try_from(needs).unwrap_or(u32::MAX)).map_err(|_| no_room())?;
        match &mut self.room {
            Some(room) => room.merge(more),
            room => *room = Some(more),
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }
}
