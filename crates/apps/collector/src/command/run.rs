//! `spanlaked run` and `spanlaked check`.

use std::io;
use std::time::{Duration, Instant};

use spanlake_config::settings::collector::Collector as Settings;
use spanlake_config::{CollectorConfig, Diagnostics, json_schema};
use spanlake_core::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use super::queue::show_mended;
use super::watch::Watch;
use super::{ConfigArgs, Failure, files, say_to};
use crate::collector::Collector;
use crate::from_file::from_settings;
use crate::queue::Opened;

/// How often it is looked whether something fails.
const LOOK: Duration = Duration::from_secs(1);

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let config = read(args)?;
    files::allow_many(config.settings()).iter().for_each(|line| say(line));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::io("Collector", "cannot start", error))?;
    Ok(runtime.block_on(collect(args, config))?)
}

/// What a file says is made as `run` would make it, which reads tokens and certificates, and touches neither a server nor the disk.
pub(super) fn check(args: &ConfigArgs) -> Result<(), Failure> {
    drop(from_settings(&read(args)?)?);
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

/// Collects until a signal says that it is enough; another one has the file read again.
async fn collect(args: &ConfigArgs, mut config: CollectorConfig) -> Result<(), Error> {
    let unheard = |error| Error::io("Collector", "cannot listen to signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(unheard)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unheard)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(unheard)?;
    let collector = from_settings(&config)?.start().await?;
    begun(&collector);
    let (mut watch, mut time) = (Watch::default(), tokio::time::interval(LOOK));
    time.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(&collector, args, &mut config).await,
            _ = time.tick() => watch.look(collector.parts(), Instant::now()).iter().for_each(|line| say(line)),
        }
    }
    collector.stop().await
}

/// A line of the log.
fn say(text: &str) {
    say_to(&mut io::stderr(), &format!("spanlaked: {text}"));
}

/// With a file that is wrong everything stays as it is.
async fn reload(collector: &Collector, args: &ConfigArgs, config: &mut CollectorConfig) {
    let Ok(next) = read(args) else {
        return say("the settings stay as they are");
    };
    let builder = match from_settings(&next) {
        Ok(builder) => builder,
        Err(error) => return say(&format!("the settings stay as they are: {}", error.chain())),
    };
    match collector.reload(builder).await {
        Ok(()) => say("the file was read again"),
        Err(error) => say(&format!("the file was read again, and not all of it is so: {}", error.chain())),
    }
    for key in needs_restart(config.settings(), next.settings()) {
        say(&format!("`{key}` has changed, and takes a restart"));
    }
    *config = next;
}

fn needs_restart(old: &Settings, new: &Settings) -> impl Iterator<Item = &'static str> {
    let room = |settings: &Settings| (settings.limits.held, settings.limits.connections);
    let keys = [
        ("listen", old.listen != new.listen),
        ("tls", old.tls != new.tls),
        ("receive", old.receive != new.receive),
        ("queue", old.queue != new.queue),
        ("flush_every", old.flush_every != new.flush_every),
        ("limits.held` or `limits.connections", room(old) != room(new)),
    ];
    keys.into_iter().filter(|(_, has_changed)| *has_changed).map(|(key, _)| key)
}

/// What somebody sees who looks why it does not work.
fn begun(collector: &Collector) {
    let Opened { mended, waiting, gone, .. } = collector.opened();
    say(&format!("listening on {}", collector.address()));
    if waiting.is_empty() {
        say("there are no plugins: what comes stays in the queue until that is full");
    }
    for (plugin, count) in waiting.iter().filter(|(_, count)| *count > 0) {
        say(&format!("{count} segments wait for {plugin}"));
    }
    for plugin in gone {
        say(&format!("{plugin} is not set up any more, and keeps no files"));
    }
    if *mended != Default::default() {
        show_mended(mended)
            .iter()
            .for_each(|line| say(&format!("the queue was mended: {}", line.trim_start_matches("! "))));
    }
}
