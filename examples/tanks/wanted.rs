//! Which records of the simulation are wanted, as the command line says it.

use std::error::Error;

use tracing::Level;

/// Which records are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) level: Level,
    /// Of details, those of this object.
    pub(crate) only: Option<String>,
    /// Of details, those from this time of the simulation on.
    pub(crate) from_s: Option<f64>,
}

const USAGE: &str = "tanks [--level LEVEL] [--only OBJECT] [--from SECONDS]";

impl Wanted {
    pub(crate) fn at(level: Level) -> Self {
        Self { level, only: None, from_s: None }
    }

    /// What these arguments ask for; nothing where there are none.
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, Box<dyn Error>> {
        let mut wanted = None;
        while let Some(word) = args.next() {
            let value = args.next().ok_or(USAGE)?;
            let wanted = wanted.get_or_insert_with(|| Self::at(Level::INFO));
            match word.as_str() {
                "--level" => wanted.level = value.parse()?,
                "--only" => wanted.only = Some(value),
                "--from" => wanted.from_s = Some(value.parse()?),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(wanted)
    }
}
