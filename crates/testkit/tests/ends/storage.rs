//! Where records are between the caller and the lake.

use spanlake::CaptureLayerBuilder;

use crate::child::Part;

/// A kind of buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    Memory,
}

impl Storage {
    pub(crate) const ALL: [Self; 1] = [Self::Memory];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
        }
    }

    /// Whether a record whose call has returned is in the lake whatever happened, once it was recovered.
    pub(crate) fn is_crash_proof(self) -> bool {
        match self {
            Self::Memory => false,
        }
    }

    /// What the child tells its layer.
    pub(crate) fn choose(self, builder: CaptureLayerBuilder) -> CaptureLayerBuilder {
        match self {
            Self::Memory => builder,
        }
    }

    /// What happens to a dead child's records before somebody reads its lake.
    pub(crate) fn recover(self, _part: &Part) {
        match self {
            Self::Memory => (),
        }
    }
}
