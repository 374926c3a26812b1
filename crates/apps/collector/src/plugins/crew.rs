//! All plugins at work, which may come, change and go while the collector runs.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use spanlake_core::clock::utc_now_ns;
use spanlake_core::sync::{Mutex, lock};
use spanlake_core::{Category, Error, Stage};

use super::{Dead, Match, Plugin, PluginReport, Runner, Steering, check_name};
use crate::health::Canary;
use crate::queue::Queue;

/// How long a plugin may take after that to make durable what it has.
const LAST_FLUSH: Duration = Duration::from_secs(5);

/// How often it is looked whether they have ended.
const LOOK: Duration = Duration::from_millis(5);

/// A plugin as it was asked for.
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) wanted: Match,
    pub(crate) plugin: Box<dyn Plugin>,
    /// What it was made of: one that is made of the same goes on when the collector is reloaded.
    pub(crate) settings: Option<spanlake_config::settings::collector::Plugin>,
}

/// Plugins, each on its thread.
#[derive(Debug)]
pub(crate) struct Crew {
    pub(crate) queue: Arc<Queue>,
    pub(crate) canary: Arc<Canary>,
    /// Where the dead letters are.
    pub(crate) folder: PathBuf,
    /// Most bytes of those of each plugin.
    max_dead: NonZeroU64,
    members: Mutex<Vec<Member>>,
}

#[derive(Debug)]
struct Member {
    name: String,
    settings: Option<spanlake_config::settings::collector::Plugin>,
    steering: Arc<Steering>,
    thread: JoinHandle<()>,
    report: Arc<Mutex<PluginReport>>,
}

impl Crew {
    pub(crate) fn new(queue: Arc<Queue>, canary: Arc<Canary>, folder: PathBuf, max_dead: NonZeroU64) -> Self {
        Self { queue, canary, folder, max_dead, members: Mutex::default() }
    }

    /// Has a plugin begin where its name was in the queue.
    pub(crate) fn begin(&self, asked: Asked, flush_every: Duration) -> Result<(), Error> {
        let Asked { name, wanted, plugin, settings } = asked;
        check_name(&name)?;
        let mut members = lock(&self.members);
        if members.iter().any(|member| member.name == name) {
            return Err(twice(&name));
        }
        let (report, steering) = (Arc::new(Mutex::new(PluginReport::of(&name))), Arc::new(Steering::default()));
        self.queue.add_plugin(&name);
        // Until the first canary gets there it is as if one had just done so.
        self.canary.arrive(&name, utc_now_ns());
        let runner = Runner {
            queue: Arc::clone(&self.queue),
            reader: self.queue.reader(&name).ok_or_else(|| twice(&name))?,
            passed: None,
            carried: None,
            dead: Dead::of(&self.folder, &name, self.max_dead),
            name: name.clone(),
            plugin,
            wanted,
            flush_every,
            steering: Arc::clone(&steering),
            canary: Arc::clone(&self.canary),
            report: Arc::clone(&report),
        };
        members.push(Member { name, settings, steering, thread: runner.spawn()?, report });
        Ok(())
    }

    /// Puts others in the place of those that are there. Who is made of the same settings goes on as if nothing had happened; the rest write
    /// what is in the queue, for so long at most, and make it durable, and then the new ones begin. Blocks until all of that is done.
    pub(crate) fn replace(&self, asked: Vec<Asked>, flush_every: Duration, within: Duration) -> Result<(), Error> {
        let goes_on = |member: &Member| {
            let same = asked.iter().find(|asked| asked.name == member.name);
            same.is_some_and(|asked| asked.settings.is_some() && asked.settings == member.settings)
        };
        let gone: Vec<Member> = {
            let mut members = lock(&self.members);
            let (kept, gone) = members.drain(..).partition(goes_on);
            *members = kept;
            gone
        };
        let gone_names: Vec<String> = gone.iter().map(|member| member.name.clone()).collect();
        let stuck = end(gone, within);
        let stuck_name = stuck.first().map(|member| member.name.clone());
        // Nobody takes the place of one that still has it.
        lock(&self.members).extend(stuck);
        let is_wanted = |name: &String| asked.iter().any(|asked| asked.name == *name);
        gone_names.iter().filter(|name| !is_wanted(name)).for_each(|name| self.queue.remove_plugin(name));
        let names: Vec<String> = lock(&self.members).iter().map(|member| member.name.clone()).collect();
        asked
            .into_iter()
            .filter(|asked| !names.contains(&asked.name))
            .try_for_each(|asked| self.begin(asked, flush_every))?;
        let why = "a plugin does not end, and nothing took its place";
        let stuck = |name| Error::new(Stage::Handler, "Collector", Category::Io, why).with("plugin", name);
        stuck_name.map_or(Ok(()), |name| Err(stuck(name)))
    }

    /// Lets all write what is in the queue, for so long at most, and makes it durable. Blocks until then. One that hangs is left behind:
    /// what it has not got is in the queue.
    pub(crate) fn end(&self, within: Duration) {
        let members = std::mem::take(&mut *lock(&self.members));
        end(members, within);
    }

    pub(crate) fn reports(&self) -> Vec<PluginReport> {
        lock(&self.members).iter().map(|member| lock(&member.report).clone()).collect()
    }
}

/// Gives those that have not ended in time; they will when what they are in the middle of is over.
fn end(members: Vec<Member>, within: Duration) -> Vec<Member> {
    let until = Instant::now() + within + LAST_FLUSH;
    for member in &members {
        member.steering.stop(within);
        member.thread.thread().unpark();
    }
    let is_at_work = |member: &Member| !member.thread.is_finished();
    while members.iter().any(is_at_work) && Instant::now() < until {
        thread::sleep(LOOK);
    }
    // A panic is told in a plugin's report. Whatever is asked for the next time is something else than what hangs.
    members.into_iter().filter(is_at_work).map(|member| Member { settings: None, ..member }).collect()
}

fn twice(name: &str) -> Error {
    let why = "two plugins have one name";
    Error::new(Stage::Configuration, "Collector", Category::Validation, why).with("plugin", name)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use spanlake_core::{Source, disk};

    use super::*;
    use crate::plugins::Portion;
    use crate::queue::{Delivery, Options};

    /// Takes the first portion when somebody lets it.
    struct Hangs(Receiver<()>);

    impl Plugin for Hangs {
        fn write(&mut self, _: &Portion<'_>) -> Result<(), Error> {
            let _ = self.0.recv();
            Ok(())
        }

        fn flush(&mut self) -> Result<(), Error> {
            Ok(())
        }
    }

    #[test]
    fn one_that_hangs_is_told_and_holds_up_no_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options::new(folder.path().join("queue"), NonZeroU64::MAX);
        let (queue, _) = Queue::open(options, disk::real(), &[]).expect("a queue");
        let queue = Arc::new(queue);
        let canary = Arc::new(Canary::new(&Source::this_process("spanlaked")));
        let crew = Crew::new(Arc::clone(&queue), Arc::clone(&canary), folder.path().to_owned(), NonZeroU64::MAX);
        let (let_go, waits) = channel();
        let asked = |waits| {
            let (name, plugin) = ("hangs".to_owned(), Box::new(Hangs(waits)));
            Asked { name, wanted: Match::default(), plugin, settings: None }
        };
        crew.begin(asked(waits), Duration::from_secs(1)).expect("a thread");
        queue.offer(Delivery { entries: vec![(None, canary.make())], ..Delivery::default() }, |_| ());
        let until = Instant::now() + Duration::from_secs(30);
        while queue.report().accepted == 0 {
            assert!(Instant::now() < until, "it was not stored");
            thread::yield_now();
        }
        // Until it has begun with it.
        thread::sleep(Duration::from_millis(500));
        let within = Duration::from_millis(10);
        let next = || vec![asked(channel().1)];
        let error = crew.replace(next(), within, within).expect_err("it hangs");
        assert!(error.to_string().contains("plugin: hangs"), "{error}");
        assert_eq!(crew.reports().len(), 1, "nothing took its place");
        let began = Instant::now();
        drop(let_go);
        crew.replace(next(), within, within).expect("it has ended");
        assert!(began.elapsed() < LAST_FLUSH);
        crew.end(within);
    }
}
