//! Where records are between the caller and the lake.

use spanlake::CaptureLayerBuilder;
use spanlake_lake::Recovery;

use crate::child::Part;

/// A kind of buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    Memory,
    Spool,
}

impl Storage {
    pub(crate) const ALL: [Self; 2] = [Self::Memory, Self::Spool];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Spool => "spool",
        }
    }

    /// Whether a record whose call has returned is in the lake whatever happened, once it was recovered.
    pub(crate) fn is_crash_proof(self) -> bool {
        match self {
            Self::Memory => false,
            Self::Spool => true,
        }
    }

    /// What the child tells its layer.
    pub(crate) fn choose(self, builder: CaptureLayerBuilder, part: &Part) -> CaptureLayerBuilder {
        match self {
            Self::Memory => builder,
            Self::Spool => builder.spool(part.lake().join(spanlake_core::spool::FOLDER)),
        }
    }

    /// What happens to a dead child's records before somebody reads its lake.
    pub(crate) fn recover(self, part: &Part) {
        match self {
            Self::Memory => (),
            Self::Spool => {
                let recovered = Recovery::new(part.lake()).run().expect("the spools can be looked for");
                assert!(recovered.iter().all(|one| one.error.is_none()), "{recovered:?}");
            }
        }
    }
}
