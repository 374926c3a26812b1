//! Records that go from one collector to the next by OTLP.

use spanlake_collector::{LakePlugin, Match, OtlpPlugin};
use spanlake_core::{Kind, OwnedRecord, SinkState};

use super::stand::{LONG, Running, Stand, publish};

fn to(url: &str) -> OtlpPlugin {
    OtlpPlugin::new(url, None, None).expect("a plugin")
}

/// Runs a collector that has a lake of its own and sends everything on.
fn start(near: &Stand, otlp: OtlpPlugin) -> Running<'_> {
    let builder = near.builder().plugin("lake", Match::default(), LakePlugin::jsonl(near.lake()));
    near.run(builder.plugin("otlp", Match::default(), otlp))
}

fn program(rows: u32) {
    let _job = tracing::info_span!("job", user = "ada").entered();
    (0..rows).for_each(|row| tracing::info!(row, ok = true, ratio = 0.5, "row {row}"));
}

/// In an order that both lakes have.
fn sorted(mut records: Vec<OwnedRecord>) -> Vec<OwnedRecord> {
    records.sort_by_key(|record| record.key.clone());
    records
}

#[test]
fn logs_are_read_as_the_same_records_and_spans_beside_them_add_nothing() {
    let (near, far) = (Stand::new(), Stand::new());
    let second = far.start();
    let first = start(&near, to(&second.url()));
    publish(first.publisher().service("orders"), |_| program(4998));
    first.wait(|collector| collector.plugins().iter().all(|plugin| plugin.written >= 5000));
    first.stop();
    second.wait(|collector| collector.plugins()[0].written >= 5000);
    second.stop();
    let (here, there) = (sorted(near.records()), sorted(far.records()));
    assert_eq!(there.len(), 5000);
    assert_eq!(here, there);
}

#[test]
fn spans_alone_are_begins_and_ends() {
    let (near, far) = (Stand::new(), Stand::new());
    let second = far.start();
    let first = start(&near, to(&second.url()).logs(false));
    publish(first.publisher(), |_| program(10));
    first.wait(|collector| collector.plugins()[1].written >= 12);
    first.stop();
    second.wait(|collector| collector.plugins()[0].written >= 2);
    second.stop();
    let kinds: Vec<_> = far.records().into_iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Begin, Kind::End]);
}

#[test]
fn while_the_receiver_is_away_records_wait() {
    let (near, far) = (Stand::new(), Stand::new());
    let gone = far.start();
    let address = gone.address;
    let first = start(&near, to(&gone.url()));
    gone.stop();
    publish(first.publisher(), |guard| {
        program(998);
        assert!(guard.flush(LONG).is_complete());
        first.wait(|collector| collector.plugins()[1].state == SinkState::Retrying);
    });
    let lake = LakePlugin::jsonl(far.lake());
    let back = far.run(far.builder().listen(address).plugin("lake", Match::default(), lake));
    first.wait(|collector| collector.plugins()[1].written >= 1000);
    first.stop();
    back.wait(|collector| collector.plugins()[0].written >= 1000);
    back.stop();
    assert_eq!(sorted(far.records()), sorted(near.records()));
}
