//! Records of other systems on their way into the queue.

use spanlake_wire::{ForeignRecord, segments};

use crate::intake::{Incoming, Intake, Kept};
use crate::queue::Refusal;

/// Keeps records that have no numbers: one that is sent again is there twice. Comes back when they are synced.
pub(crate) async fn accept(intake: &Intake, service: &str, records: &[ForeignRecord]) -> Result<Kept, Refusal> {
    let segments = segments(records).into_iter().map(|segment| (0, segment.bytes().to_vec())).collect();
    intake.accept(Incoming { stream: None, sequence: 0, service: service.to_owned(), segments }).await
}
