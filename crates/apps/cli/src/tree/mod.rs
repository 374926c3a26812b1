//! `spanlake tree`: the tree of tasks with their records.

mod fold;
pub(crate) mod record;
mod values;
mod task;
mod print;
mod json;
mod live;

use spanlake_core::Level;
use spanlake_query::{Lake, TaskTree, Timeline};

use crate::Failure;
use crate::args::TreeArgs;
use crate::cat::Patience;
use crate::notes::Notes;
use crate::screen::Screen;
use fold::Folds;
use live::Live;
use print::Printer;

/// Default of `--level`.
const DEFAULT_LEVEL: Level = Level::INFO;

pub(crate) fn run(args: &TreeArgs, screen: &mut Screen, notes: &mut Notes) -> Result<(), Failure> {
    let lake = args.source.lake()?;
    if args.follow.follow { follow(args, &lake, screen, notes) } else { show(args, &lake, screen, notes) }
}

fn show(args: &TreeArgs, lake: &Lake, screen: &mut Screen, notes: &mut Notes) -> Result<(), Failure> {
    let mut tree = TaskTree::builder(filter(args));
    let mut scan = lake.scan(&tree.filter_to_scan())?;
    scan.by_ref().for_each(|record| tree.add(record));
    let tree = tree.finish();
    let folds = Folds::new(args);
    if args.json {
        json::put(screen.raw(), &tree, &folds, args.values)?;
    } else {
        Printer::new(screen, &folds, args).tree(&tree)?;
    }
    screen.flush()?;
    notes.tell(scan.damages());
    Ok(())
}

/// The tree of what is there, then line by line what comes.
fn follow(args: &TreeArgs, lake: &Lake, screen: &mut Screen, notes: &mut Notes) -> Result<(), Failure> {
    let patience = Patience::new(&args.follow);
    let mut tree = TaskTree::builder(filter(args));
    let mut follower = lake.follow(&tree.filter_to_scan());
    let mut live = Live::new(filter(args), args.filter.name.clone(), args.keys);

    let mut records = follower.poll()?;
    for record in records.by_ref() {
        live.learn(&record);
        tree.add(record);
    }
    notes.tell(records.damages());
    let folds = Folds::new(args);
    Printer::new(screen, &folds, args).tree(&tree.finish())?;
    loop {
        screen.flush()?;
        if !patience.wait() {
            return Ok(());
        }
        put_new(follower.poll()?, &mut live, screen, notes)?;
    }
}

fn put_new(mut records: Timeline, live: &mut Live, screen: &mut Screen, notes: &mut Notes) -> Result<(), Failure> {
    for record in records.by_ref() {
        live.put(screen, &record)?;
    }
    notes.tell(records.damages());
    Ok(())
}

fn filter(args: &TreeArgs) -> spanlake_query::Filter {
    let filter = args.filter.filter().level(least_level(args));
    if args.values { filter.values() } else { filter }
}

fn least_level(args: &TreeArgs) -> Level {
    args.filter.level.unwrap_or(DEFAULT_LEVEL)
}
