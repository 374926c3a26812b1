//! What is done to records before they are stored: redaction, folding of repeats, the flight recorder.

use spanlake_config::{Settings, settings};
use spanlake_core::{FlightRecorder, FoldRepeats, Level, Redaction};

use super::processors::value;
use super::sinks::memory;

/// What is replaced.
pub(super) fn redaction(redact: &settings::Redact) -> Redaction {
    let settings::Redact { secrets, allow, deny, hash, truncate, .. } = redact;
    let redaction = if *secrets { Redaction::secrets() } else { Redaction::new() };
    let redaction = deny.iter().fold(redaction, Redaction::deny);
    let redaction = hash.iter().fold(redaction, Redaction::hash);
    let cut = |redaction: Redaction, (name, size): (&str, &spanlake_config::Size)| {
        redaction.truncate(name, memory(*size).get())
    };
    let redaction = truncate.iter().fold(redaction, cut);
    in_texts(allow.iter().fold(redaction, Redaction::allow), redact)
}

/// What is looked for in texts.
#[cfg(feature = "patterns")]
fn in_texts(redaction: Redaction, redact: &settings::Redact) -> Redaction {
    let redaction = if redact.secret_texts { redaction.secret_texts() } else { redaction };
    let redaction = if redact.card_numbers { redaction.card_numbers() } else { redaction };
    redact.patterns.iter().fold(redaction, |redaction, pattern| redaction.pattern(&**pattern))
}

/// Refused before, where the program was built without.
#[cfg(not(feature = "patterns"))]
fn in_texts(redaction: Redaction, _: &settings::Redact) -> Redaction {
    redaction
}

/// The processor that leaves out what repeats.
pub(super) fn fold(settings: &Settings) -> Option<FoldRepeats> {
    let asked = settings.fold_repeats.on()?;
    let fold = FoldRepeats::new().first(asked.first).every(asked.every);
    Some(if asked.fold_errors { fold.fold_errors() } else { fold })
}

/// The processor that holds back what is verbose.
pub(super) fn recorder(settings: &Settings) -> Option<FlightRecorder> {
    let asked = settings.flight_recorder.on()?;
    let hold = match asked.hold {
        settings::HeldLevel::Info => Level::INFO,
        settings::HeldLevel::Trace => Level::TRACE,
        _ => Level::DEBUG,
    };
    let recorder = FlightRecorder::new().hold(hold).trigger_level(asked.trigger_level);
    let recorder = recorder.task_bytes(memory(asked.per_task)).total_bytes(memory(asked.capacity));
    let recorder = asked.slow.iter().fold(recorder, |recorder, time| recorder.slow(*time));
    let fields = asked.trigger_fields.iter();
    Some(fields.fold(recorder, |recorder, (name, scalar)| recorder.trigger_field(name, value(scalar))))
}
