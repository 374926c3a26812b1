//! What is published is in the lake, once and as it was.

use std::thread;

use spanlake_core::{Kind, Outcome};

use super::stand::{LONG, Stand, publish};

#[test]
fn everything_that_is_published_is_in_the_lake_once_and_in_order() {
    let stand = Stand::new();
    let running = stand.start();
    let report = publish(running.publisher().service("orders"), |_| {
        let _job = tracing::info_span!("job", user = "ada").entered();
        for table in ["orders", "items"] {
            tracing::info_span!("load", table)
                .in_scope(|| (0..5000).for_each(|row| tracing::info!(row, ok = true, ratio = 0.5, "{table} {row}")));
        }
    });
    assert_eq!((report.recorded, report.written), (10_006, 10_006), "{report:?}");
    running.stop();

    let records = stand.records();
    assert_eq!(records.len(), 10_006);
    assert!(stand.messages().iter().all(|(text, count)| *count
        == if text == "load" {
            4
        } else if text == "job" {
            2
        } else {
            1
        }));
    let mut last = std::collections::BTreeMap::new();
    for record in &records {
        let key = record.key.clone().expect("all is in tasks");
        let next = last.entry(key.task.clone()).or_insert(0);
        assert_eq!(key.seq, *next, "{key}");
        *next += 1;
    }
    let event = records.iter().find(|record| record.message == "items 7").expect("it is there");
    assert_eq!(event.fields, r#"{"row":7,"ok":true,"ratio":0.5}"#);
    assert_eq!(event.context, r#"{"user":"ada","table":"items"}"#);
    assert_eq!(event.service.as_deref(), Some("orders"));
    let ends: Vec<_> = records.iter().filter(|record| record.kind == Kind::End).collect();
    assert!(ends.iter().all(|end| end.outcome == Some(Outcome::Succeeded) && end.duration_us.is_some()));
}

#[test]
fn several_programs_at_once_share_a_collector() {
    let stand = Stand::new();
    let running = stand.start();
    let report = publish(running.publisher(), |_| {
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        thread::scope(|scope| {
            for number in 0..4 {
                let dispatch = dispatch.clone();
                scope.spawn(move || {
                    tracing::dispatcher::with_default(&dispatch, || {
                        (0..2000).for_each(|row| tracing::info!("{number}/{row}"));
                    });
                });
            }
        });
    });
    assert_eq!(report.written, 8000);
    let other = publish(running.publisher(), |_| (0..1000).for_each(|row| tracing::info!("other/{row}")));
    assert_eq!(other.written, 1000);
    running.stop();
    let messages = stand.messages();
    assert_eq!((messages.len(), messages.values().max()), (9000, Some(&1)));
}

#[test]
fn while_the_collector_is_away_nothing_is_lost_and_nothing_comes_twice() {
    let stand = Stand::new();
    let first = stand.start();
    let address = first.address;
    let report = publish(first.publisher(), |guard| {
        (0..100).for_each(|row| tracing::info!("before {row}"));
        assert!(guard.flush(LONG).is_complete());
        first.stop();
        (0..100).for_each(|row| tracing::info!("while {row}"));
        let waiting = guard.flush(std::time::Duration::from_millis(300));
        assert!(waiting.timed_out && waiting.pending == 100 && waiting.lost == 0, "{waiting:?}");
        let lake = spanlake_collector::LakePlugin::jsonl(stand.lake());
        let builder = stand.builder().listen(address).plugin("lake", Default::default(), lake);
        let second = stand.run(builder);
        assert!(guard.flush(LONG).is_complete());
        (0..100).for_each(|row| tracing::info!("after {row}"));
        assert!(guard.flush(LONG).is_complete());
        second.stop();
    });
    assert_eq!((report.written, report.lost), (300, 0));
    let messages = stand.messages();
    assert_eq!((messages.len(), messages.values().max()), (300, Some(&1)));
}
