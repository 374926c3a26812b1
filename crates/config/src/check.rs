//! Combinations: what no key is wrong about by itself.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::fault::{Fault, did_you_mean, one_of};
use crate::setting::{Entries, Placed};
use crate::settings::{Etl, Lineage, Logger, RollingFileSink, Settings, Sink, SinkKind};
use crate::units::Size;

/// The name of the logger of all targets that have no other.
pub const ROOT: &str = "root";

/// The bounds of `etl.flush_every`.
const LEAST_ETL_FLUSH_EVERY: Duration = Duration::from_millis(1);
const LONGEST_ETL_FLUSH_EVERY: Duration = Duration::from_secs(86_400);

/// All faults of combinations.
pub(crate) fn check(settings: &Settings) -> Vec<Fault> {
    let mut check = Check { sinks: &settings.sinks, faults: Vec::new() };
    check.lake(settings);
    check.queue(settings);
    check.verbosity(settings);
    check.is_any_sink(settings);
    check.sinks();
    check.pipelines(settings);
    check.loggers(settings);
    if let Some(etl) = settings.etl.on() {
        check.etl(etl);
    }
    check.faults
}

struct Check<'a> {
    sinks: &'a Entries<Sink>,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn refuse(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// A name that must be one of these.
    fn named<'n>(&mut self, what: &str, name: &Placed<String>, names: impl Iterator<Item = &'n str>, key: String) {
        let names: Vec<&str> = names.collect();
        if names.contains(&name.as_str()) {
            return;
        }
        let fault = Fault::new(name.span, format!("there is no {what} `{}`", **name)).key(key);
        let hint = did_you_mean(name, names.iter().copied());
        let expected = if names.is_empty() { format!("a {what}; none is defined") } else { one_of(names) };
        self.refuse(fault.expected(expected).hint(hint));
    }

    // === times ===

    fn lake(&mut self, settings: &Settings) {
        if let Some(age) = &settings.lake.limits.max_age {
            self.more_than_nothing("lake.limits.max_age", age);
        }
    }

    fn queue(&mut self, settings: &Settings) {
        let queue = &settings.queue;
        self.more_than_nothing("queue.drain_every", &queue.drain_every);
        self.more_than_nothing("queue.flush_every", &queue.flush_every);
    }

    fn more_than_nothing(&mut self, key: &str, duration: &Placed<Duration>) {
        if duration.is_zero() {
            self.refuse(Fault::new(duration.span, "no time at all").key(key).expected("more than `0 s`"));
        }
    }

    // === levels ===

    fn verbosity(&mut self, settings: &Settings) {
        for (at, directive) in settings.verbosity.iter().enumerate() {
            if let Some(time) = &directive.lasts {
                self.more_than_nothing(&format!("verbosity[{at}].lasts"), time);
            }
            if let Some(target) = &directive.target {
                self.prefix(&format!("verbosity[{at}].target"), target, "names with `::` between them");
            }
        }
    }

    /// Whether a text may begin a target.
    fn prefix(&mut self, key: &str, target: &Placed<String>, expected: &str) {
        if target.split("::").any(|part| part.trim().is_empty()) {
            let fault = Fault::new(target.span, format!("`{}` is no prefix of a target", **target)).key(key);
            self.refuse(fault.expected(expected));
        }
    }

    // === sinks ===

    fn is_any_sink(&mut self, settings: &Settings) {
        if self.sinks.known().next().is_none() {
            let fault = Fault::new(settings.sinks.span, "there is no sink, so records would go nowhere").key("sinks");
            self.refuse(fault.expected("at least one; the kind `null` drops what it gets"));
        }
    }

    fn sinks(&mut self) {
        let mut fallbacks = HashMap::new();
        let mut files = HashMap::new();
        let mut in_lake = HashMap::new();
        for (name, sink) in self.sinks.placed() {
            let key = format!("sinks.{}", **name);
            if let Some(fallback) = &sink.common.fallback {
                self.fallback(&key, name, fallback, &mut fallbacks);
            }
            if let Some(path) = sink.path() {
                self.unshared_file(&key, name, path, &mut files);
            }
            self.once_in_lake(&key, name, sink, &mut in_lake);
            if let SinkKind::RollingFile(rolling) = &sink.kind {
                self.rolling(&key, name, rolling);
            }
        }
    }

    fn fallback<'a>(
        &mut self,
        key: &str,
        name: &'a str,
        fallback: &'a Placed<String>,
        taken: &mut HashMap<&'a str, &'a str>,
    ) {
        let key = format!("{key}.fallback");
        self.named("sink", fallback, self.sinks.known(), key.clone());
        let other = self.sinks.get(fallback);
        if **fallback == *name {
            let fault = Fault::new(fallback.span, "a sink cannot stand in for itself").key(key);
            self.refuse(fault.expected("another sink"));
        } else if other.is_some_and(|other| other.common.fallback.is_some()) {
            let message = format!("`{}` has a fallback itself", **fallback);
            self.refuse(Fault::new(fallback.span, message).key(key).expected("a sink without a fallback"));
        } else if let Some(first) = taken.insert(fallback, name) {
            let message = format!("`{}` is the fallback of `{first}` already", **fallback);
            self.refuse(Fault::new(fallback.span, message).key(key).expected("a sink that is no other's fallback"));
        } else if let Some((placed, other)) = self.sinks.placed().find(|(placed, _)| ***placed == **fallback) {
            self.plain_fallback(placed, other, name);
        }
    }

    /// What stands in for another sink gets what that one's level, steps and backlog have let through.
    fn plain_fallback(&mut self, name: &Placed<String>, fallback: &Sink, of: &str) {
        let common = &fallback.common;
        if common.level.is_some() || common.backlog.is_some() || !common.processors.is_empty() {
            let message = format!("`{}` is the fallback of `{of}`, and gets what that could not take", **name);
            let fault = Fault::new(name.span, message).key(format!("sinks.{}", **name));
            self.refuse(fault.expected("neither `level`, `processors` nor `backlog`"));
        }
    }

    fn unshared_file<'a>(
        &mut self,
        key: &str,
        name: &'a str,
        path: &Placed<String>,
        files: &mut HashMap<PathBuf, &'a str>,
    ) {
        if let Some(first) = files.insert(plain(path), name) {
            let fault = Fault::new(path.span, format!("the sink `{first}` writes this file already"));
            self.refuse(fault.key(format!("{key}.path")).expected("a file of its own for each sink"));
        }
    }

    fn once_in_lake<'a>(
        &mut self,
        key: &str,
        name: &'a Placed<String>,
        sink: &Sink,
        seen: &mut HashMap<&'static str, &'a str>,
    ) {
        let kind = match &sink.kind {
            SinkKind::Jsonl(_) => "jsonl",
            SinkKind::Parquet(_) => "parquet",
            SinkKind::SystemLog(_) => "system_log",
            _ => return,
        };
        if let Some(first) = seen.insert(kind, name) {
            let fault = Fault::new(name.span, format!("the sink `{first}` writes `{kind}` to the lake already"));
            self.refuse(fault.key(key).expected("each kind once in a lake"));
        }
    }

    fn rolling(&mut self, key: &str, name: &Placed<String>, rolling: &RollingFileSink) {
        if rolling.max_file.is_none() && rolling.every.is_none() {
            let fault = Fault::new(name.span, "nothing says when the next file begins").key(key);
            self.refuse(fault.expected("`max_file`, `every` or both"));
        }
        if let Some(every) = rolling.every.as_ref().filter(|every| !is_whole_seconds(every)) {
            let fault = Fault::new(every.span, "no whole seconds").key(format!("{key}.every"));
            self.refuse(fault.expected("whole seconds, at least `1 s`"));
        }
        if let Some(age) = &rolling.max_age {
            self.more_than_nothing(&format!("{key}.max_age"), age);
        }
        if let (Some(file), Some(total)) = (rolling.max_file, &rolling.max_total)
            && total.as_bytes() < file.as_bytes()
        {
            self.too_small(key, total, file);
        }
    }

    fn too_small(&mut self, key: &str, total: &Placed<Size>, file: Size) {
        let fault = Fault::new(total.span, "all files together are smaller than one of them");
        self.refuse(fault.key(format!("{key}.max_total")).expected(format!("at least `max_file`, which is `{file}`")));
    }

    // === routing ===

    fn pipelines(&mut self, settings: &Settings) {
        for (name, pipeline) in settings.pipelines.placed() {
            let key = format!("pipelines.{}", **name);
            if pipeline.sinks.is_empty() {
                let fault = Fault::new(name.span, format!("the pipeline `{}` leads to no sink", **name));
                self.refuse(fault.key(&key).expected("`sinks` with at least one name"));
            }
            self.sink_names(&key, &pipeline.sinks);
        }
    }

    fn loggers(&mut self, settings: &Settings) {
        for (target, logger) in settings.loggers.placed() {
            let key = format!("loggers.{}", **target);
            self.prefix(&key, target, "names with `::` between them, or `root`");
            self.sink_names(&key, logger.sinks.as_deref().unwrap_or_default());
            for (at, name) in logger.pipelines.iter().flatten().enumerate() {
                self.named("pipeline", name, settings.pipelines.known(), format!("{key}.pipelines[{at}]"));
            }
            self.leads_somewhere(&key, target, logger);
        }
    }

    fn leads_somewhere(&mut self, key: &str, target: &Placed<String>, logger: &Logger) {
        let is_empty = |names: &Option<Vec<_>>| names.as_ref().is_none_or(Vec::is_empty);
        let leads_nowhere = !logger.propagate && is_empty(&logger.sinks) && is_empty(&logger.pipelines);
        if leads_nowhere && **target != ROOT {
            let fault = Fault::new(target.span, "its records go nowhere: they do not propagate, and it has no sink");
            let hint = Some("`level: OFF` silences a target".to_owned());
            self.refuse(fault.key(key).expected("`sinks`, `pipelines`, or `propagate: true`").hint(hint));
        }
    }

    fn sink_names(&mut self, key: &str, names: &[Placed<String>]) {
        let fallbacks: HashSet<&str> =
            self.sinks.iter().filter_map(|(_, sink)| sink.common.fallback.as_deref()).map(String::as_str).collect();
        for (at, name) in names.iter().enumerate() {
            let key = format!("{key}.sinks[{at}]");
            if fallbacks.contains(name.as_str()) {
                let message = format!("`{}` is a fallback: it gets what another sink cannot take", **name);
                self.refuse(Fault::new(name.span, message).key(key).expected("a sink that is no fallback"));
            } else {
                self.named("sink", name, self.sinks.known(), key);
            }
        }
    }

    // === etl ===

    fn etl(&mut self, etl: &Etl) {
        if !(LEAST_ETL_FLUSH_EVERY..=LONGEST_ETL_FLUSH_EVERY).contains(&*etl.flush_every) {
            let fault = Fault::new(etl.flush_every.span, "too often, or too seldom").key("etl.flush_every");
            self.refuse(fault.expected("from `1 ms` to `1 day`"));
        }
        if let Some(retention) = etl.retention.as_ref().filter(|retention| !is_whole_hours(retention)) {
            let fault = Fault::new(retention.span, "no whole hours").key("etl.retention");
            self.refuse(fault.expected("whole hours, at least `1 h`"));
        }
        if let Some(Lineage::Http(http)) = &etl.lineage
            && !http.url.starts_with("http://")
            && !http.url.starts_with("https://")
        {
            let fault = Fault::new(http.url.span, "no URL of an HTTP endpoint").key("etl.lineage.url");
            self.refuse(fault.expected("`http://` or `https://`, and a host"));
        }
    }
}

fn is_whole_hours(duration: &Duration) -> bool {
    !duration.is_zero() && duration.as_secs().is_multiple_of(3_600) && duration.subsec_nanos() == 0
}

fn is_whole_seconds(duration: &Duration) -> bool {
    !duration.is_zero() && duration.subsec_nanos() == 0
}

/// A path without the parts that say nothing; nothing is looked up on a disk.
fn plain(path: &str) -> PathBuf {
    Path::new(path).components().filter(|part| !matches!(part, Component::CurDir)).collect()
}
