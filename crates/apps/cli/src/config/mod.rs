//! `spanlake config`: what is wrong with a configuration file, what holds by it, and its JSON Schema.

mod check;
mod explain;

use std::path::Path;

use spanlake_config::{Config, Diagnostics, Settings, json_schema};

use crate::Failure;
use crate::args::ConfigCommand;
use crate::screen::Screen;

pub(crate) fn run(command: &ConfigCommand, screen: &mut Screen) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check(args) => check::run(args, screen),
        ConfigCommand::Explain(args) => explain::run(args, screen),
        ConfigCommand::Schema => {
            screen.raw().write_all(json_schema::<Settings>().as_bytes())?;
            Ok(screen.flush()?)
        }
    }
}

fn read(file: &Path, with_env: bool) -> Result<Config, Diagnostics> {
    let config = Config::from_file(file)?;
    if with_env { config.with_env() } else { Ok(config) }
}
