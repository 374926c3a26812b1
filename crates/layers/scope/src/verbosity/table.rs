//! Directives as they are looked up.

use spanlake_core::{Directive, LevelFilter, Selector, TaskKey};

use crate::verbosity::{Gate, code_of};

/// Levels by target, task name and task key, as numbers. It never changes; other settings are another table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) gate: Gate,
    /// The level without directives.
    own: u8,
    /// What is in force.
    now: Rules,
    /// What is when everything that lasts some time is over.
    then: Rules,
    names: Vec<(String, u8)>,
    keys: Vec<(TaskKey, u8)>,
    /// The most that any task's directive lets through that stays, and that any does.
    most_of_tasks: (u8, u8),
}

/// Levels by target.
#[derive(Clone, Debug)]
struct Rules {
    /// Longer prefixes first.
    targets: Vec<(String, u8)>,
    rest: u8,
}

impl Table {
    /// Of directives for the same, one that lasts some time comes before one that stays.
    pub(super) fn new<'a>(
        stamp: u64,
        level: LevelFilter,
        directives: impl Iterator<Item = &'a Directive> + Clone,
    ) -> Self {
        let lasting = directives.clone().filter(|directive| directive.lasts().is_none());
        let timed = directives.clone().filter(|directive| directive.lasts().is_some());
        let then = Rules::new(level, lasting.clone());
        let now = Rules::new(level, lasting.clone().chain(timed.clone()));
        let codes = || directives.clone().map(|directive| code_of(directive.level())).chain([code_of(level)]);
        let (least, most) = (codes().min().unwrap_or(0), codes().max().unwrap_or(0));
        let of_tasks = |directive: &&Directive| is_of_task(directive.selector());
        let most_of = |code: u8, directive: &Directive| code.max(code_of(directive.level()));
        let most_lasting = lasting.clone().filter(of_tasks).fold(0, most_of);
        let mut table = Self {
            own: code_of(level),
            gate: Gate::new(
                stamp,
                least,
                most,
                directives.clone().any(|one| of_tasks(&one)),
                timed.clone().next().is_some(),
            ),
            now,
            then,
            names: Vec::new(),
            keys: Vec::new(),
            most_of_tasks: (most_lasting, timed.clone().filter(of_tasks).fold(most_lasting, most_of)),
        };
        lasting.chain(timed).for_each(|directive| table.add_task(directive));
        table
    }

    /// The level of a target.
    pub(crate) fn of_target(&self, target: &str) -> u8 {
        self.now.of(target)
    }

    /// The level of tasks of this name, if a directive is for them.
    pub(crate) fn of_name(&self, name: &str) -> Option<u8> {
        self.names.iter().find(|(known, _)| known == name).map(|(_, level)| *level)
    }

    /// The level of the task of this key, if a directive is for it.
    pub(crate) fn of_key(&self, key: impl FnOnce() -> TaskKey) -> Option<u8> {
        if self.keys.is_empty() {
            return None;
        }
        let key = key();
        self.keys.iter().find(|(known, _)| *known == key).map(|(_, level)| *level)
    }

    /// The level of the nearest task above this key, if a directive is for one.
    pub(crate) fn above_key(&self, key: &TaskKey) -> Option<u8> {
        let above = self.keys.iter().filter(|(known, _)| known.contains(key));
        above.max_by_key(|(known, _)| known.depth()).map(|(_, level)| *level)
    }

    /// The most that records of a target may be at, in whichever task: by what stays, and with what lasts some time. Never
    /// less than the level without directives.
    pub(super) fn most_of_target(&self, target: &str) -> (u8, u8) {
        let stays = self.own.max(self.then.of(target)).max(self.most_of_tasks.0);
        (stays, stays.max(self.now.of(target)).max(self.most_of_tasks.1))
    }

    fn add_task(&mut self, directive: &Directive) {
        let level = code_of(directive.level());
        match directive.selector() {
            Selector::Task(name) => put(&mut self.names, name, level),
            Selector::Key(key) => put(&mut self.keys, key, level),
            _ => {}
        }
    }
}

impl Rules {
    fn new<'a>(level: LevelFilter, directives: impl Iterator<Item = &'a Directive>) -> Self {
        let mut rules = Self { targets: Vec::new(), rest: code_of(level) };
        for directive in directives {
            match directive.selector() {
                Selector::All => rules.rest = code_of(directive.level()),
                Selector::Target(prefix) => put(&mut rules.targets, prefix, code_of(directive.level())),
                _ => {}
            }
        }
        rules.targets.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        rules
    }

    fn of(&self, target: &str) -> u8 {
        let is_prefix = |prefix: &str| {
            target.strip_prefix(prefix).is_some_and(|behind| behind.is_empty() || behind.starts_with("::"))
        };
        self.targets.iter().find(|(prefix, _)| is_prefix(prefix)).map_or(self.rest, |(_, level)| *level)
    }
}

fn is_of_task(selector: &Selector) -> bool {
    matches!(selector, Selector::Task(_) | Selector::Key(_))
}

/// Puts a level under a name, in place of the one before.
fn put<T: Clone + PartialEq>(levels: &mut Vec<(T, u8)>, name: &T, level: u8) {
    match levels.iter_mut().find(|(known, _)| known == name) {
        Some(known) => known.1 = level,
        None => levels.push((name.clone(), level)),
    }
}
