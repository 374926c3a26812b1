//! Records that go from one collector to the next.

use std::num::NonZeroU64;

use spanlake_collector::{ForwardPlugin, LakePlugin, Limits, Match, Plugin, Right, Token, Tokens};
use spanlake_core::segment::{Message, RecordHead, SegmentWriter};
use spanlake_core::{Batch, Level, LevelFilter, Outcome, Secret, SinkState, Source};

use super::network::{FORWARD, MUTE, Network};
use super::stand::{LONG, Stand, publish};

fn to(url: &str) -> ForwardPlugin {
    ForwardPlugin::new(url, None, None).expect("a plugin")
}

#[test]
fn what_passes_two_collectors_is_there_once_and_as_it_was() {
    let (near, far) = (Stand::new(), Stand::new());
    let second = far.start();
    let builder = near.builder().plugin("lake", Match::default(), LakePlugin::jsonl(near.lake()));
    let first = near.run(builder.plugin("far", Match::default(), to(&second.url())));
    publish(first.publisher().service("orders"), |_| {
        let _job = tracing::info_span!("job", user = "ada").entered();
        (0..9998).for_each(|row| tracing::info!(row, ok = true, ratio = 0.5, "row {row}"));
    });
    first.wait(|collector| collector.plugins().iter().all(|plugin| plugin.written >= 10_000));
    first.stop();
    second.wait(|collector| collector.plugins()[0].written >= 10_000);
    second.stop();
    let (mut here, mut there) = (near.records(), far.records());
    here.sort_by_key(|record| record.key.clone());
    there.sort_by_key(|record| record.key.clone());
    assert_eq!(there.len(), 10_000);
    assert_eq!(here, there);
    assert!(there.iter().any(|record| record.outcome == Some(Outcome::Succeeded) && record.context.contains("ada")));
}

#[test]
fn what_is_too_much_for_one_request_goes_in_several() {
    let far = Stand::new();
    let mut limits = Limits::default();
    limits.batch_bytes = 6 << 20;
    let lake = LakePlugin::jsonl(far.lake());
    let second = far.run(far.builder().limits(limits).plugin("lake", Match::default(), lake));
    let mut writer = SegmentWriter::new(&Source::this_process("orders"));
    let mut text = Message::default();
    for row in 0..300 {
        text.set(&format!("{row} {}", "long ".repeat(12_000)));
        let head = RecordHead { level: Level::INFO, callsite: None, task: None, seq: 0, ts_ns: row };
        writer.event(&head, &text, &[]);
    }
    let segment = writer.take();
    let decoded = segment.decode().expect("a segment");
    let records: Vec<_> = decoded.records().collect();
    to(&second.url()).write(&Batch::new(&records, LevelFilter::TRACE)).expect("it arrives");
    second.wait(|collector| collector.plugins()[0].written >= 300);
    second.stop();
    let messages = far.messages();
    assert_eq!((messages.len(), messages.values().max()), (300, Some(&1)));
}

#[test]
fn only_what_fits_goes_on() {
    let (near, far) = (Stand::new(), Stand::new());
    let second = far.start();
    let mut wanted = Match::default();
    wanted.level = LevelFilter::WARN;
    let first = near.run(near.builder().plugin("far", wanted, to(&second.url())));
    publish(first.publisher(), |_| {
        (0..100).for_each(|row| tracing::info!("row {row}"));
        tracing::warn!("slow");
    });
    first.wait(|collector| collector.plugins()[0].written >= 1);
    first.stop();
    second.wait(|collector| collector.plugins()[0].written >= 1);
    second.stop();
    assert_eq!(far.messages().into_iter().collect::<Vec<_>>(), [("slow".to_owned(), 1)]);
}

#[test]
fn two_that_forward_from_one_process_to_the_same_collector_do_not_take_each_others_numbers() {
    let (near, far) = (Stand::new(), Stand::new());
    let second = far.start();
    let wanted = |service: &str| {
        let mut wanted = Match::default();
        wanted.services = vec![service.to_owned()];
        wanted
    };
    let builder = near.builder().plugin("orders", wanted("orders"), to(&second.url()));
    let first = near.run(builder.plugin("items", wanted("items"), to(&second.url())));
    for service in ["orders", "items"] {
        publish(first.publisher().service(service), |_| (0..100).for_each(|row| tracing::info!("{service} {row}")));
    }
    first.wait(|collector| collector.plugins().iter().all(|plugin| plugin.written >= 100));
    first.stop();
    second.wait(|collector| collector.plugins()[0].written >= 200);
    second.stop();
    let messages = far.messages();
    assert_eq!((messages.len(), messages.values().max()), (200, Some(&1)));
}

#[test]
fn while_the_far_collector_is_away_the_near_one_keeps_what_is_for_it() {
    let (near, far) = (Stand::new(), Stand::new());
    let second = far.start();
    let address = second.address;
    let first = near.run(near.builder().plugin("far", Match::default(), to(&second.url())));
    publish(first.publisher(), |guard| {
        (0..1000).for_each(|row| tracing::info!("before {row}"));
        assert!(guard.flush(LONG).is_complete());
        first.wait(|collector| collector.plugins()[0].written >= 1000);
        second.stop();
        (0..1000).for_each(|row| tracing::info!("while {row}"));
        assert!(guard.flush(LONG).is_complete());
        first.wait(|collector| collector.plugins()[0].state == SinkState::Retrying);
    });
    let lake = LakePlugin::jsonl(far.lake());
    let back = far.run(far.builder().listen(address).plugin("lake", Match::default(), lake));
    first.wait(|collector| collector.plugins()[0].written >= 2000);
    first.stop();
    back.wait(|collector| collector.plugins()[0].written >= 1000);
    back.stop();
    let messages = far.messages();
    assert_eq!((messages.len(), messages.values().max()), (2000, Some(&1)));
}

#[test]
fn what_arrived_without_an_answer_is_known_when_it_comes_again() {
    let (near, far) = (Stand::new(), Stand::new());
    let second = far.start();
    let network = Network::to(second.address);
    network.set(MUTE);
    let url = format!("http://{}", network.address);
    let first = near.run(near.builder().plugin("far", Match::default(), to(&url)));
    publish(first.publisher(), |_| (0..1000).for_each(|row| tracing::info!("row {row}")));
    second.wait(|collector| collector.plugins()[0].written >= 1);
    first.wait(|collector| collector.plugins()[0].errors >= 3);
    assert_eq!(first.collector().plugins()[0].written, 0);
    network.set(FORWARD);
    first.wait(|collector| collector.plugins()[0].written >= 1000);
    first.stop();
    second.wait(|collector| collector.plugins()[0].written >= 1000);
    second.stop();
    let messages = far.messages();
    assert_eq!((messages.len(), messages.values().max()), (1000, Some(&1)));
}

#[test]
fn who_asks_for_a_pause_gets_it() {
    let (near, far) = (Stand::new(), Stand::new());
    let mut limits = Limits::default();
    limits.sender_bytes_per_second = NonZeroU64::new(2000);
    let lake = LakePlugin::jsonl(far.lake());
    let second = far.run(far.builder().limits(limits).plugin("lake", Match::default(), lake));
    let first = near.run(near.builder().plugin("far", Match::default(), to(&second.url())));
    for part in 0..2 {
        publish(first.publisher(), |_| (0..200).for_each(|row| tracing::info!("{part} {row}")));
        first.wait(|collector| collector.plugins()[0].written >= 1);
    }
    let is_away = |error: String| error.contains("asked for a pause");
    first.wait(|collector| collector.plugins()[0].last_error.clone().is_some_and(is_away));
    first.wait(|collector| collector.plugins()[0].written >= 400);
    first.stop();
    second.wait(|collector| collector.plugins()[0].written >= 400);
    second.stop();
    let messages = far.messages();
    assert_eq!((messages.len(), messages.values().max()), (400, Some(&1)));
}

#[test]
fn a_token_opens_the_far_collector_and_without_it_records_wait() {
    let (near, far) = (Stand::new(), Stand::new());
    let secret = || Secret::new("s3cret".to_owned());
    let token = Token { name: "near".to_owned(), secret: secret(), rights: [Right::Publish].into_iter().collect() };
    let second = far.run(far.builder().tokens(Tokens::new(vec![token])));
    let with = ForwardPlugin::new(&second.url(), Some(&secret()), None).expect("a plugin");
    let builder = near.builder().plugin("with", Match::default(), with);
    let first = near.run(builder.plugin("without", Match::default(), to(&second.url())));
    publish(first.publisher(), |_| tracing::info!("known"));
    first.wait(|collector| {
        let plugins = collector.plugins();
        plugins[0].written >= 1 && plugins[1].errors > 5
    });
    let without = first.collector().plugins()[1].clone();
    assert_eq!((without.written, without.dead, without.state), (0, 0, SinkState::Retrying));
    assert!(without.last_error.is_some_and(|error| error.contains("401")));
    first.stop();
}
