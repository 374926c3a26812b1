//! Another collector as the other side.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU64;

use spanlake_collector::plugins::ForwardPlugin;
use spanlake_collector::{CollectorBuilder, LakePlugin, Limits, Match, Right, Token, Tokens};
use spanlake_core::{LevelFilter, OwnedRecord, Secret, SinkState};
use spanlake_wire::client::Address;

use super::away::{
    Side, expected, is_asked_while_nothing_is_for_it, is_away_and_comes_back, is_away_while_the_collector_restarts,
    is_sent_again_after_a_crash, wanted,
};
use super::server::free_address;
use crate::collecting::network::{FORWARD, MUTE, Network};
use crate::collecting::stand::{Running, Stand, publish};

/// A collector with a lake. It lives as long as the test's process, which is short.
pub(super) struct Further {
    pub(super) stand: &'static Stand,
    pub(super) address: SocketAddr,
    running: Option<Running<'static>>,
}

impl Further {
    pub(super) fn new() -> Self {
        Self { stand: Box::leak(Box::new(Stand::new())), address: free_address(), running: None }
    }

    pub(super) fn start(&mut self) {
        let lake = LakePlugin::jsonl(self.stand.lake());
        let builder = self.stand.builder().listen(self.address).plugin("lake", Match::default(), lake);
        self.running = Some(self.stand.run(builder));
    }

    /// What it has got so far is in its lake when it has ended.
    pub(super) fn stop(&mut self) {
        self.running.take().into_iter().for_each(Running::stop);
    }

    pub(super) fn messages(&mut self) -> Vec<String> {
        self.stop();
        self.stand.records().into_iter().map(|record| record.message).collect()
    }

    /// How often it said that a sender sent too much.
    fn refused_for_quota(&self) -> u64 {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let found = answer.lines().find_map(|line| line.strip_prefix("spanlaked_refused_total{reason=\"quota\"} "));
        found.expect("the metric").parse().expect("a number")
    }

    pub(super) fn client(&self) -> Address {
        Address::new(format!("http://{}", self.address))
    }
}

impl Drop for Further {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.stand.scratch.path());
    }
}

impl Side for Further {
    fn start(&mut self) {
        Further::start(self);
    }

    fn stop(&mut self) {
        Further::stop(self);
    }

    fn plug(&self, builder: CollectorBuilder, wanted: Match) -> CollectorBuilder {
        builder.plugin("further", wanted, ForwardPlugin::new(self.client()).expect("a plugin"))
    }

    fn messages(&mut self) -> Vec<String> {
        Further::messages(self)
    }
}

fn to(url: String) -> ForwardPlugin {
    ForwardPlugin::new(Address::new(url)).expect("a plugin")
}

#[test]
fn another_collector_has_everything_once_and_in_order_when_it_was_away() {
    is_away_and_comes_back(&mut Further::new());
}

#[test]
fn whether_another_collector_is_there_is_known_while_nothing_is_for_it() {
    let mut side = Further::new();
    let plugin = ForwardPlugin::new(side.client()).expect("a plugin");
    is_asked_while_nothing_is_for_it(&mut side, plugin);
}

#[test]
fn what_another_collector_has_not_got_waits_for_the_next_start() {
    is_away_while_the_collector_restarts(&mut Further::new());
}

#[test]
fn another_collector_has_once_what_was_sent_again_after_a_crash() {
    let arrived = is_sent_again_after_a_crash(&mut Further::new(), 200);
    assert_eq!(arrived, expected(&["before", "after"]));
}

#[test]
fn records_arrive_as_they_were_also_where_only_some_are_wanted() {
    let (stand, mut all, mut some) = (Stand::new(), Further::new(), Further::new());
    all.start();
    some.start();
    let mut warn = Match::default();
    warn.level = LevelFilter::WARN;
    let builder = stand.builder().plugin("lake", Match::default(), LakePlugin::jsonl(stand.lake()));
    let builder = all.plug(builder, Match::default());
    let plugin = ForwardPlugin::new(some.client()).expect("a plugin");
    let running = stand.run(builder.plugin("some", warn, plugin));
    publish(running.publisher().service("orders"), |_| {
        let _job = tracing::info_span!("job", user = "ada").entered();
        let _load = tracing::warn_span!("load", table = "items").entered();
        (0..10).for_each(|row| tracing::warn!(row, ratio = 0.5, "kept"));
        (0..10).for_each(|row| tracing::info!(row, "left out"));
    });
    running.wait(|collector| collector.queue().waiting.iter().all(|(_, count)| *count == 0));
    running.stop();
    all.stop();
    some.stop();
    let ours = |records: Vec<OwnedRecord>| -> Vec<_> {
        records.into_iter().filter(|record| record.service.as_deref() == Some("orders")).collect()
    };
    let sent = ours(stand.records());
    assert_eq!(sent.len(), 24);
    assert_eq!(ours(all.stand.records()), sent);
    let kept: Vec<_> = sent.into_iter().filter(|record| record.level <= LevelFilter::WARN).collect();
    assert_eq!(kept.len(), 12);
    assert_eq!(ours(some.stand.records()), kept);
}

#[test]
fn a_collector_that_asks_for_a_pause_gets_it() {
    let (stand, mut side) = (Stand::new(), Further::new());
    let mut limits = Limits::default();
    limits.sender_bytes_per_second = NonZeroU64::new(200);
    let lake = LakePlugin::jsonl(side.stand.lake());
    let builder = side.stand.builder().listen(side.address).limits(limits).plugin("lake", Match::default(), lake);
    side.running = Some(side.stand.run(builder));
    let running = stand.run(side.plug(stand.builder(), wanted()));
    for row in 0..3 {
        publish(running.publisher().service("orders"), |_| tracing::info!("{row}"));
        running.wait(|collector| collector.plugins()[0].written == row + 1);
    }
    let report = running.collector().plugins()[0].clone();
    running.stop();
    let refused = side.refused_for_quota();
    assert!((1..=4).contains(&refused) && report.errors > refused, "{refused} requests, {report:?}");
    assert_eq!(side.messages(), ["0", "1", "2"]);
}

#[test]
fn what_is_wrong_with_an_address_is_told_at_the_start() {
    for url in ["collector:4600", "http://me:secret@collector", "http://collector/path", "ftp://collector"] {
        let error = ForwardPlugin::new(Address::new(url)).expect_err("it is none");
        assert!(!error.chain().to_string().contains("secret"), "{}", error.chain());
    }
}

#[test]
fn what_is_too_much_for_one_request_goes_in_several() {
    let (near, far) = (Stand::new(), Stand::new());
    let mut limits = Limits::default();
    limits.batch_bytes = 300 << 10;
    let lake = LakePlugin::jsonl(far.lake());
    let second = far.run(far.builder().limits(limits).plugin("lake", Match::default(), lake));
    let first = near.run(near.builder().plugin("far", wanted(), to(second.url())));
    publish(first.publisher().service("orders"), |_| {
        (0..100).for_each(|row| tracing::info!("{row} {}", "long ".repeat(12_000)));
    });
    first.wait(|collector| collector.plugins()[0].written >= 100);
    assert!(first.collector().plugins()[0].errors > 0, "it was too much at first");
    first.stop();
    second.wait(|collector| collector.plugins()[0].written >= 100);
    second.stop();
    let messages = far.messages();
    assert_eq!((messages.len(), messages.values().max()), (100, Some(&1)));
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
    let builder = near.builder().plugin("orders", wanted("orders"), to(second.url()));
    let first = near.run(builder.plugin("items", wanted("items"), to(second.url())));
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
fn what_arrived_without_an_answer_is_known_when_it_comes_again() {
    let (near, far) = (Stand::new(), Stand::new());
    let second = far.start();
    let network = Network::to(second.address);
    network.set(MUTE);
    let url = format!("http://{}", network.address);
    let first = near.run(near.builder().plugin("far", Match::default(), to(url)));
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
fn a_token_opens_the_far_collector_and_without_it_records_wait() {
    let (near, far) = (Stand::new(), Stand::new());
    let secret = || Secret::new("s3cret".to_owned());
    let token = Token::new("near", secret(), [Right::Publish]);
    let second = far.run(far.builder().tokens(Tokens::new(vec![token])));
    let with = {
        let mut address = Address::new(second.url());
        address.token = Some(secret());
        ForwardPlugin::new(address).expect("a plugin")
    };
    let builder = near.builder().plugin("with", Match::default(), with);
    let first = near.run(builder.plugin("without", Match::default(), to(second.url())));
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
