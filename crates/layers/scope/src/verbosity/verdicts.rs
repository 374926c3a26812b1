//! What a thread remembers of the levels of callsites.

use tracing_core::Metadata;

use crate::verbosity::{Gate, Verbosity};

/// How many callsites are remembered; one that is not is looked up again.
const PLACES: usize = 64;

/// Levels by callsite, each with the number of the settings that it comes from.
pub(crate) struct Verdicts([Verdict; PLACES]);

#[derive(Clone, Copy)]
struct Verdict {
    stamp: u64,
    callsite: usize,
    level: u8,
}

impl Verdicts {
    /// The level of the target of a callsite.
    #[inline]
    pub(crate) fn of(&mut self, gate: Gate, metadata: &'static Metadata<'static>, verbosity: &Verbosity) -> u8 {
        let callsite = std::ptr::from_ref(metadata).addr();
        // Metadata are at least as far apart as they are long.
        let verdict = &mut self.0[callsite / size_of::<Metadata<'static>>() % PLACES];
        if verdict.stamp != gate.stamp() || verdict.callsite != callsite {
            *verdict = look_up(callsite, metadata, verbosity);
        }
        verdict.level
    }
}

#[cold]
fn look_up(callsite: usize, metadata: &Metadata<'_>, verbosity: &Verbosity) -> Verdict {
    let table = verbosity.table();
    Verdict { stamp: table.gate.stamp(), callsite, level: table.of_target(metadata.target()) }
}

impl Default for Verdicts {
    fn default() -> Self {
        // No settings have the number 0.
        Self([Verdict { stamp: 0, callsite: 0, level: 0 }; PLACES])
    }
}
