//! `spanlaked run` and `spanlaked check`.

use std::io;

use spanlake_config::settings::collector::Collector as Settings;
use spanlake_config::{CollectorConfig, Diagnostics, json_schema};
use spanlake_core::Error;
use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigArgs, Failure, say_to};
use crate::collector::Collector;
use crate::from_file::from_settings;
use crate::queue::Opened;

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let config = read(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::io("Collector", "cannot start", error))?;
    Ok(runtime.block_on(collect(&config))?)
}

pub(super) fn check(args: &ConfigArgs) -> Result<(), Failure> {
    read(args)?;
    say_to(&mut io::stdout(), &format!("{} is right", args.config.display()));
    Ok(())
}

pub(super) fn schema() -> Result<(), Failure> {
    say_to(&mut io::stdout(), json_schema::<Settings>().trim_end());
    Ok(())
}

fn read(args: &ConfigArgs) -> Result<CollectorConfig, Failure> {
    let read = || {
        let config = CollectorConfig::from_file(&args.config)?;
        if args.env { config.with_env() } else { Ok(config) }
    };
    read().map_err(|diagnostics: Diagnostics| {
        say_to(&mut io::stderr(), diagnostics.to_string().trim_end());
        Failure::Told
    })
}

/// Collects until a signal says that it is enough.
async fn collect(config: &CollectorConfig) -> Result<(), Error> {
    let unheard = |error| Error::io("Collector", "cannot listen to signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(unheard)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unheard)?;
    let collector = from_settings(config)?.start().await?;
    begun(&collector);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    collector.stop().await
}

/// What somebody sees who looks why it does not work.
fn begun(collector: &Collector) {
    let mut out = io::stderr();
    let Opened { mended, waiting, gone, .. } = collector.opened();
    say_to(&mut out, &format!("spanlaked: listening on {}", collector.address()));
    for (plugin, count) in waiting.iter().filter(|(_, count)| *count > 0) {
        say_to(&mut out, &format!("spanlaked: {count} segments wait for {plugin}"));
    }
    for plugin in gone {
        say_to(&mut out, &format!("spanlaked: {plugin} is not set up any more, and keeps no files"));
    }
    if *mended != Default::default() {
        say_to(&mut out, &format!("spanlaked: the queue was mended: {mended:?}"));
    }
}
