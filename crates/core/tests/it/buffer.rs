//! A full buffer: who gives way, who is told, and that no end goes missing.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use spanlake_core::loss::Loss;
use spanlake_core::segment::{Decoded, SegmentError};
use spanlake_core::{Buffer, Cause, Kind, Level, Outcome, Policy};

use crate::support::{Drained, Hand, LEVELS, LONG, MOMENT_NS, buffer, buffer_of_bytes, buffer_of_records, drain};

const DROPPING: [Policy; 3] = [Policy::DropNewest, Policy::DropOldest, Policy::DropLowest];

/// Six quick records into room for two.
fn six_into_two(policy: Policy) -> (Buffer, Drained) {
    let buffer = buffer_of_records(policy, 2);
    let mut hand = Hand::new(&buffer);
    (0..6).for_each(|at| {
        hand.event(Level::INFO, &format!("m{at}"));
    });
    let drained = drain(&buffer);
    (buffer, drained)
}

// === the four policies ===

#[test]
fn block_delivers_all_six_in_order() {
    let buffer = buffer_of_records(Policy::Block(LONG), 2);
    let drainer = thread::spawn({
        let buffer = buffer.clone();
        move || {
            buffer.wake_on_pressure(thread::current());
            let mut drained = Drained::default();
            while drained.records.len() < 6 {
                drained.take(&buffer);
                thread::park_timeout(Duration::from_millis(1));
            }
            drained
        }
    });
    let mut hand = Hand::new(&buffer);
    for at in 0..6 {
        assert!(hand.event(Level::INFO, &format!("m{at}")));
    }
    let drained = drainer.join().expect("the drainer");
    assert_eq!(drained.messages(), ["m0", "m1", "m2", "m3", "m4", "m5"]);
    assert_eq!((buffer.recorded(), buffer.losses().total()), (6, 0));
}

#[test]
fn drop_newest_keeps_the_first() {
    let (buffer, drained) = six_into_two(Policy::DropNewest);
    assert_eq!(drained.messages(), ["m0", "m1"]);
    assert_eq!(buffer.losses().at(Cause::Full, Level::INFO), 4);
    drained.assert_states(&buffer.losses());
}

#[test]
fn drop_oldest_keeps_the_last() {
    let (buffer, drained) = six_into_two(Policy::DropOldest);
    assert_eq!(drained.messages(), ["m4", "m5"]);
    assert_eq!(buffer.losses().at(Cause::Evicted, Level::INFO), 4);
    drained.assert_states(&buffer.losses());
}

#[test]
fn drop_lowest_among_equals_keeps_the_first() {
    let (buffer, drained) = six_into_two(Policy::DropLowest);
    assert_eq!(drained.messages(), ["m0", "m1"]);
    assert_eq!(buffer.losses().at(Cause::Full, Level::INFO), 4);
    drained.assert_states(&buffer.losses());
}

#[test]
fn drop_lowest_gives_up_the_least_severe_and_of_these_the_oldest() {
    let buffer = buffer_of_records(Policy::DropLowest, 4);
    let mut hand = Hand::new(&buffer);
    let offered = [
        (Level::DEBUG, "debug0", true),
        (Level::INFO, "info0", true),
        (Level::DEBUG, "debug1", true),
        (Level::TRACE, "trace0", true),
        (Level::WARN, "warn0", true),
        (Level::ERROR, "error0", true),
        (Level::DEBUG, "debug2", false),
        (Level::INFO, "info1", true),
        (Level::INFO, "info2", false),
        (Level::WARN, "warn1", true),
    ];
    for (level, text, kept) in offered {
        assert_eq!(hand.event(level, text), kept, "{text}");
    }
    let drained = drain(&buffer);
    assert_eq!(drained.messages(), ["warn0", "error0", "info1", "warn1"]);
    let losses = buffer.losses();
    let lost: Vec<u64> = LEVELS.iter().map(|level| losses.at(Cause::Evicted, *level)).collect();
    assert_eq!(lost, [1, 2, 1, 0, 0]);
    assert_eq!((losses.at(Cause::Full, Level::DEBUG), losses.at(Cause::Full, Level::INFO)), (1, 1));
    drained.assert_states(&losses);
}

#[test]
fn drop_lowest_keeps_every_error_that_fits() {
    let buffer = buffer_of_bytes(Policy::DropLowest, 64 << 10);
    let mut hand = Hand::new(&buffer);
    for at in 0..10_000 {
        let level = if at % 100 == 0 { Level::ERROR } else { LEVELS[at % 4] };
        hand.event(level, &format!("m{at}"));
    }
    let drained = drain(&buffer);
    let errors = drained.records.iter().filter(|record| record.level == Level::ERROR).count();
    assert_eq!(errors, 100);
    drained.assert_states(&buffer.losses());
}

#[test]
fn statement_of_loss_stands_where_the_records_are_missing() {
    let buffer = buffer_of_records(Policy::DropLowest, 3);
    let mut hand = Hand::new(&buffer);
    let offered = [
        (Level::INFO, "first"),
        (Level::DEBUG, "gone0"),
        (Level::INFO, "last"),
        (Level::WARN, "more"),
        (Level::TRACE, "gone1"),
    ];
    offered.into_iter().for_each(|(level, text)| {
        hand.event(level, text);
    });
    let segments = buffer.drain();
    let said: Vec<String> =
        segments[0].decode().expect("a segment").records().map(|record| record.message.into_owned()).collect();
    assert_eq!(said, ["first", "1 record lost (evicted): 1 DEBUG", "last", "more", "1 record lost (full): 1 TRACE"]);
}

#[test]
fn statement_of_loss_has_the_times_of_the_first_and_last_record() {
    let (_, drained) = six_into_two(Policy::DropNewest);
    assert_eq!(drained.stated.values().sum::<u64>(), 4);
    let (buffer, _) = (buffer_of_records(Policy::DropNewest, 1), ());
    let mut hand = Hand::new(&buffer);
    (0..3).for_each(|_| {
        hand.event(Level::INFO, "m");
    });
    let segments = buffer.drain();
    let decoded = segments[0].decode().expect("a segment");
    let loss = *decoded.records().last().expect("a record").loss().expect("a statement of loss");
    assert_eq!((loss.first_ns, loss.last_ns), (MOMENT_NS + 2_000, MOMENT_NS + 3_000));
}

// === Block ===

#[test]
fn block_gives_up_after_its_limit() {
    let limit = Duration::from_millis(50);
    let buffer = buffer_of_records(Policy::Block(limit), 1);
    let mut hand = Hand::new(&buffer);
    assert!(hand.event(Level::INFO, "kept"));
    let start = Instant::now();
    assert!(!hand.event(Level::WARN, "lost"));
    let took = start.elapsed();
    assert!(took >= limit && took < LONG / 2, "{took:?}");
    assert_eq!(buffer.losses().at(Cause::Blocked, Level::WARN), 1);
    drain(&buffer).assert_states(&buffer.losses());
}

#[test]
fn closing_ends_the_wait_of_a_blocked_caller() {
    let buffer = buffer_of_records(Policy::Block(LONG), 1);
    let (about_to_block, blocks) = mpsc::channel();
    let blocked = thread::spawn({
        let buffer = buffer.clone();
        move || {
            let mut hand = Hand::new(&buffer);
            hand.event(Level::INFO, "kept");
            about_to_block.send(()).expect("the test waits");
            hand.event(Level::INFO, "lost")
        }
    });
    blocks.recv().expect("the other thread");
    buffer.close();
    assert!(!blocked.join().expect("the other thread"));
    assert_eq!(buffer.losses().of(Cause::Closed), 1);
}

#[test]
fn record_larger_than_the_whole_buffer_is_lost_and_said_so() {
    for policy in [Policy::Block(Duration::from_millis(5)), Policy::DropNewest, Policy::DropOldest, Policy::DropLowest]
    {
        let buffer = buffer_of_bytes(policy, 4 << 10);
        let mut hand = Hand::new(&buffer);
        assert!(!hand.event(Level::ERROR, &"x".repeat(8 << 10)), "{policy:?}");
        assert!(hand.event(Level::INFO, "small"), "{policy:?}");
        let drained = drain(&buffer);
        assert_eq!(drained.messages(), ["small"], "{policy:?}");
        drained.assert_states(&buffer.losses());
    }
}

// === bounds ===

#[test]
fn bound_in_bytes_holds_at_every_moment() {
    for policy in DROPPING {
        let capacity = 32 << 10;
        let buffer = buffer_of_bytes(policy, capacity);
        let mut hand = Hand::new(&buffer);
        for at in 0..5_000 {
            hand.event(LEVELS[at * 7 % 5], &"x".repeat(at * 13 % 500));
            // On top come the header and the description of the one callsite.
            assert!(buffer.used_bytes() <= capacity + 512, "{policy:?}: {} bytes", buffer.used_bytes());
        }
    }
}

#[test]
fn all_room_is_free_again_when_everything_was_drained_and_released() {
    for policy in DROPPING {
        let buffer = buffer_of_bytes(policy, 16 << 10);
        let mut hand = Hand::new(&buffer);
        // The smallest events, each between two that stay: a statement of loss is longer than what it stands for.
        (0..5_000).for_each(|at| {
            hand.event(LEVELS[at % 5], "");
        });
        assert!(buffer.used_bytes() > 0, "{policy:?}");
        drain(&buffer).assert_states(&buffer.losses());
        assert_eq!(buffer.used_bytes(), 0, "{policy:?}");
    }
}

#[test]
fn what_a_buffer_really_holds_is_what_it_says() {
    for policy in DROPPING {
        let buffer = buffer_of_bytes(policy, 16 << 10);
        let mut hand = Hand::new(&buffer);
        (0..5_000).for_each(|at| {
            hand.event(LEVELS[at % 5], "");
        });
        let held: usize = buffer.drain().iter().map(|segment| segment.bytes().len()).sum();
        assert_eq!(buffer.used_bytes(), held, "{policy:?}");
        assert!(held <= (16 << 10) + 512, "{policy:?}: {held} bytes");
    }
}

#[test]
fn thousands_of_idle_threads_do_not_hold_the_room_that_others_need() {
    for policy in [Policy::DropNewest, Policy::DropOldest, Policy::DropLowest, Policy::Block(LONG)] {
        let buffer = buffer(policy);
        // Each hand is a thread that goes on living after one small record.
        let mut hands: Vec<Hand> = (0..3_000).map(|_| Hand::new(&buffer)).collect();
        hands.iter_mut().for_each(|hand| assert!(hand.event(Level::INFO, "m"), "{policy:?}"));
        assert_eq!((drain(&buffer).records.len(), buffer.losses().total()), (3_000, 0), "{policy:?}");
    }
}

#[test]
fn bound_in_records_holds() {
    for policy in DROPPING {
        let buffer = buffer_of_records(policy, 10);
        let mut hand = Hand::new(&buffer);
        (0..1_000).for_each(|at| {
            hand.event(LEVELS[at % 5], "m");
        });
        assert!(drain(&buffer).records.len() <= 10, "{policy:?}");
        (0..10).for_each(|_| assert!(hand.event(Level::INFO, "m"), "{policy:?}: drained, so there is room again"));
    }
}

// === begins and ends ===

#[test]
fn end_is_kept_when_its_begin_was_however_full_the_buffer_is() {
    for policy in DROPPING {
        let buffer = buffer_of_bytes(policy, 16 << 10);
        let mut hand = Hand::new(&buffer);
        let tasks: Vec<_> = (0..200).map(|_| hand.begin()).filter(|task| task.begin_kept).collect();
        assert!(tasks.len() > 10, "{policy:?}");
        (0..5_000).for_each(|_| {
            hand.event(Level::ERROR, "filling");
        });
        let begun = tasks.len();
        tasks.into_iter().for_each(|task| assert!(hand.end(task, Outcome::Succeeded), "{policy:?}"));
        let drained = drain(&buffer);
        let count = |kind| drained.records.iter().filter(|record| record.kind == kind).count();
        assert_eq!((count(Kind::Begin), count(Kind::End)), (begun, begun), "{policy:?}");
        drained.assert_states(&buffer.losses());
    }
}

#[test]
fn open_tasks_take_no_room_from_what_is_recorded() {
    let buffer = buffer_of_bytes(Policy::DropOldest, 4 << 10);
    let mut hand = Hand::new(&buffer);
    let tasks: Vec<_> = (0..10_000)
        .map(|_| {
            drain(&buffer);
            hand.begin()
        })
        .collect();
    assert!(tasks.iter().all(|task| task.begin_kept), "a leaked task must not cost a later one its begin");
    assert!(tasks.into_iter().all(|task| hand.end(task, Outcome::Succeeded)), "ends go beyond the bound");
    drain(&buffer);
    assert!(hand.event(Level::INFO, "there is room again"));
}

#[test]
fn ends_pass_the_bound_by_no_more_than_96_bytes_each() {
    for policy in DROPPING {
        let capacity = 32 << 10;
        let buffer = buffer_of_bytes(policy, capacity);
        let mut hand = Hand::new(&buffer);
        let tasks: Vec<_> = (0..2_000).map(|_| hand.begin()).filter(|task| task.begin_kept).collect();
        assert!(tasks.len() < 2_000 && buffer.used_bytes() <= capacity + 512, "{policy:?}: begins have to fit");
        let open = tasks.len();
        tasks.into_iter().for_each(|task| assert!(hand.end(task, Outcome::Failed), "{policy:?}"));
        let used = buffer.used_bytes();
        assert!(used <= capacity + 512 + 96 * open, "{policy:?}: {used} bytes for {open} tasks");
        drain(&buffer);
        assert_eq!(buffer.used_bytes(), 0, "{policy:?}");
    }
}

#[test]
fn end_without_its_begin_is_a_record_like_others() {
    let buffer = buffer_of_records(Policy::DropNewest, 1);
    let mut hand = Hand::new(&buffer);
    hand.event(Level::INFO, "fills it");
    let task = hand.begin();
    assert!(!task.begin_kept);
    assert!(!hand.end(task, Outcome::Succeeded));
    assert_eq!(buffer.losses().of(Cause::Full), 2);
}

// === leaving the process ===

#[test]
fn segment_that_was_not_summed_is_refused_by_those_it_is_sent_to() {
    let buffer = buffer(Policy::DropLowest);
    Hand::new(&buffer).event(Level::INFO, "on its way");
    let mut segment = buffer.drain().remove(0);
    assert_eq!(Decoded::read(segment.bytes()).expect_err("no checksums"), SegmentError::Unsummed);
    segment.sum();
    assert_eq!(Decoded::read(segment.bytes()).expect("with checksums").len(), 1);
    assert_eq!(segment.decode().expect("still its own").len(), 1);
}

// === closed, gone, fallen back ===

#[test]
fn closed_buffer_counts_what_it_refuses() {
    let buffer = buffer(Policy::DropLowest);
    let mut hand = Hand::new(&buffer);
    hand.event(Level::INFO, "kept");
    buffer.close();
    assert!(!hand.event(Level::WARN, "lost"));
    assert!(!Hand::new(&buffer).event(Level::INFO, "lost by a new thread"));
    let drained = drain(&buffer);
    assert_eq!(drained.messages(), ["kept"]);
    assert_eq!((buffer.recorded(), buffer.losses().of(Cause::Closed)), (3, 2));
    drained.assert_states(&buffer.losses());
}

#[test]
fn records_of_threads_that_are_gone_are_drained_and_stay_counted() {
    let buffer = buffer(Policy::DropLowest);
    for name in ["one", "two"] {
        let buffer = buffer.clone();
        let work = move || Hand::new(&buffer).event(Level::INFO, "m");
        thread::Builder::new().name(name.to_owned()).spawn(work).expect("a thread").join().expect("no panic");
    }
    let drained = drain(&buffer);
    let mut threads: Vec<_> = drained.records.iter().filter_map(|record| record.thread.as_deref()).collect();
    threads.sort_unstable();
    assert_eq!(threads, ["one", "two"]);
    assert_eq!(buffer.recorded(), 2);
    drain(&buffer);
    assert_eq!(buffer.recorded(), 2, "after the shards were forgotten");
}

#[test]
fn losses_of_a_thread_that_is_gone_are_stated() {
    let buffer = buffer_of_records(Policy::DropNewest, 1);
    let work = {
        let buffer = buffer.clone();
        move || (0..3).filter(|_| Hand::new(&buffer).event(Level::INFO, "m")).count()
    };
    thread::spawn(work).join().expect("no panic");
    let drained = drain(&buffer);
    assert_eq!(buffer.losses().total(), 2);
    drained.assert_states(&buffer.losses());
}

#[test]
fn fallback_shard_takes_records_without_a_thread_name() {
    let buffer = buffer(Policy::DropLowest);
    let mut hand = Hand::new(&buffer);
    hand.shard = buffer.fallback_shard();
    assert!(hand.event(Level::INFO, "m"));
    assert_eq!(drain(&buffer).records[0].thread, None);
}

#[test]
fn loss_before_the_offer_is_counted_and_stated() {
    let buffer = buffer(Policy::DropLowest);
    buffer.lose(&Loss::one(Cause::Reentrant, Level::INFO, 0, MOMENT_NS));
    assert_eq!((buffer.recorded(), buffer.losses().of(Cause::Reentrant)), (1, 1));
    drain(&buffer).assert_states(&buffer.losses());
}

#[test]
fn full_segment_wakes_the_draining_thread() {
    let buffer = buffer(Policy::DropLowest);
    let (done, is_done) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    thread::spawn({
        let buffer = buffer.clone();
        move || {
            buffer.wake_on_pressure(thread::current());
            ready.send(()).expect("the test waits");
            let mut drained = Drained::default();
            while drained.records.is_empty() {
                thread::park();
                drained.take(&buffer);
            }
            done.send(drained.records.len()).expect("the test waits");
        }
    });
    is_ready.recv_timeout(LONG).expect("the draining thread");
    let mut hand = Hand::new(&buffer);
    for _ in 0..1_000 {
        hand.event(Level::INFO, &"x".repeat(1_000));
    }
    assert!(is_done.recv_timeout(LONG).expect("it was woken") > 200);
}

#[test]
fn order_of_a_thread_outlives_a_clock_that_is_set_back() {
    let buffer = buffer(Policy::DropLowest);
    let mut hand = Hand::new(&buffer);
    let text = "x".repeat(50_000);
    for at in 0..20 {
        if at == 10 {
            // Set back by a minute, in the middle of what fills several segments.
            hand.set_time_ns(MOMENT_NS - 60_000_000_000);
        }
        hand.event(Level::INFO, &format!("{at:02} {text}"));
    }
    let drained = drain(&buffer);
    let order: Vec<&str> = drained.messages().iter().map(|text| &text[..2]).collect();
    assert!(order.is_sorted(), "{order:?}");
}
