//! Random use of small buffers, by one thread and by several.

use std::collections::{HashMap, HashSet};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use spanlake_core::{Buffer, Kind, Level, Outcome, Policy};

use crate::support::{Drained, Hand, HandTask, LEVELS, buffer_of_bytes, buffer_of_records, spooled};

#[derive(Clone, Copy, Debug)]
enum Step {
    Event { level: usize, size: usize },
    Begin,
    EventInTask { which: usize, level: usize, size: usize },
    End { which: usize },
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    let (level, size, which) = (0..5usize, 0..300usize, 0..100usize);
    prop_oneof![
        4 => (level.clone(), size.clone()).prop_map(|(level, size)| Step::Event { level, size }),
        3 => Just(Step::Begin),
        6 => (which.clone(), level, size).prop_map(|(which, level, size)| Step::EventInTask { which, level, size }),
        2 => which.prop_map(|which| Step::End { which }),
        1 => Just(Step::Drain),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![
        Just(Policy::DropNewest),
        Just(Policy::DropOldest),
        Just(Policy::DropLowest),
        Just(Policy::Block(Duration::ZERO)),
    ]
}

/// Does the steps with one hand, calling `drain` where they say so, and ends all tasks at last.
fn play(hand: &mut Hand, steps: &[Step], mut drain: impl FnMut()) -> Vec<HandTask> {
    let (mut open, mut all) = (Vec::<HandTask>::new(), Vec::new());
    let text = "x".repeat(300);
    for step in steps {
        match *step {
            Step::Event { level, size } => {
                hand.event(LEVELS[level], &text[..size]);
            }
            Step::Begin => {
                open.push(hand.begin());
                all.extend(open.last().cloned());
            }
            Step::EventInTask { which, level, size } if !open.is_empty() => {
                let at = which % open.len();
                hand.event_in(&mut open[at], LEVELS[level], &text[..size]);
            }
            Step::End { which } if !open.is_empty() => {
                let task = open.swap_remove(which % open.len());
                let kept = task.begin_kept;
                assert!(hand.end(task, Outcome::Succeeded) || !kept, "its begin was kept, its end must be");
            }
            Step::Drain => drain(),
            Step::EventInTask { .. } | Step::End { .. } => {}
        }
    }
    for task in open {
        let kept = task.begin_kept;
        assert!(hand.end(task, Outcome::Cancelled) || !kept, "its begin was kept, its end must be");
    }
    all
}

fn assert_accounted(buffer: &Buffer, drained: &Drained, tasks: &[HandTask]) {
    assert_eq!(buffer.recorded(), drained.records.len() as u64 + buffer.losses().total(), "recorded = drained + lost");
    drained.assert_states(&buffer.losses());
    let mut ended = HashSet::new();
    let mut begun = HashSet::new();
    let mut last_seq = HashMap::new();
    for record in &drained.records {
        let Some(key) = &record.key else { continue };
        let before = last_seq.insert(key.task.clone(), key.seq);
        assert!(before.is_none_or(|before| before < key.seq), "in order and once: {key}");
        match record.kind {
            Kind::Begin => assert!(begun.insert(key.task.uuid())),
            Kind::End => assert!(ended.insert(key.task.uuid())),
            Kind::Event | Kind::Loss => {}
        }
    }
    assert!(begun.is_subset(&ended), "no task runs for ever");
    let kept: HashSet<_> = tasks.iter().filter(|task| task.begin_kept).map(|task| task.root).collect();
    assert_eq!(begun, kept, "a begin that was kept is there");
}

proptest! {
    #[test]
    fn whatever_one_thread_does_is_accounted_for(
        policy in policy(),
        capacity in 2_000usize..40_000,
        steps in prop::collection::vec(step(), 0..400),
    ) {
        let buffer = buffer_of_bytes(policy, capacity);
        let mut drained = Drained::default();
        let mut hand = Hand::new(&buffer);
        let tasks = play(&mut hand, &steps, || drained.take(&buffer));
        drained.take(&buffer);
        assert_accounted(&buffer, &drained, &tasks);
        prop_assert_eq!(buffer.used_bytes(), 0);
    }

    #[test]
    fn a_spool_is_accounted_for_as_well(
        policy in policy(),
        capacity in 2_000usize..200_000,
        steps in prop::collection::vec(step(), 0..400),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let buffer = spooled(folder.path(), policy, capacity, vec![]);
        let mut drained = Drained::default();
        let mut hand = Hand::new(&buffer);
        let tasks = play(&mut hand, &steps, || drained.take(&buffer));
        drained.take(&buffer);
        assert_accounted(&buffer, &drained, &tasks);
        prop_assert_eq!(buffer.used_bytes(), 0);
    }

    #[test]
    fn counted_records_are_accounted_for_too(
        policy in policy(),
        capacity in 1u64..50,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let buffer = buffer_of_records(policy, capacity);
        let mut drained = Drained::default();
        let mut hand = Hand::new(&buffer);
        let tasks = play(&mut hand, &steps, || drained.take(&buffer));
        drained.take(&buffer);
        assert_accounted(&buffer, &drained, &tasks);
        prop_assert!(hand.event(Level::INFO, "there is room again"));
    }
}

/// Steps that look random and are the same every time.
fn steps_of(seed: u64, count: usize) -> Vec<Step> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut one = || match next(15) {
        0..4 => Step::Event { level: next(5), size: next(300) },
        4..7 => Step::Begin,
        7..13 => Step::EventInTask { which: next(100), level: next(5), size: next(300) },
        _ => Step::End { which: next(100) },
    };
    (0..count).map(|_| one()).collect()
}

#[test]
fn whatever_several_threads_do_is_accounted_for() {
    for policy in [Policy::DropNewest, Policy::DropOldest, Policy::DropLowest, Policy::Block(Duration::from_micros(50))]
    {
        let buffer = buffer_of_bytes(policy, 64 << 10);
        let barrier = Barrier::new(5);
        let (drained, tasks) = thread::scope(|scope| {
            let play_one = |seed| {
                let (buffer, barrier) = (&buffer, &barrier);
                move || {
                    let mut hand = Hand::new(buffer);
                    barrier.wait();
                    play(&mut hand, &steps_of(seed, 20_000), || ())
                }
            };
            let players: Vec<_> = (1..5).map(|seed| scope.spawn(play_one(seed))).collect();
            barrier.wait();
            let mut drained = Drained::default();
            while players.iter().any(|player| !player.is_finished()) {
                drained.take(&buffer);
                thread::yield_now();
            }
            let tasks: Vec<HandTask> =
                players.into_iter().flat_map(|player| player.join().expect("no panic")).collect();
            drained.take(&buffer);
            (drained, tasks)
        });
        assert_accounted(&buffer, &drained, &tasks);
        drop(drained);
        assert_eq!(buffer.used_bytes(), 0, "{policy:?}");
    }
}
