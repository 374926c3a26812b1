//! A collector in another network: the link between is cut, swallows what it is given either way, and loses, doubles and reorders packets.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use spanlake_core::Secret;
use spanlake_publish::{HttpTransport, PublishLayer};
use spanlake_query::{Filter, Format, Lake};
use spanlake_testkit::apart::in_own_network;
use tracing_subscriber::prelude::*;

use crate::LONG;
use crate::daemon::{Daemon, Place};
use crate::dice::Dice;
use crate::link::{Link, Road};
use crate::oracle::{Found, Said, assert_whole, await_whole};
use crate::program::{Program, Settings, TOKEN, Told, Transport};

/// What is done to the link, each of it several times.
const FAULTS: [&str; 5] = ["cut", "deaf", "mute", "deaf and mute", "deaf and mute, and the collector killed behind it"];
const TIMES: usize = 2;

/// Longer than a publisher waits for an answer.
const LONGER_THAN_A_TRY: Duration = Duration::from_millis(10_500);

/// A collector on the other side, in an own folder.
fn far(link: &Link, folder: &Path, name: &str, port: u16) -> Place {
    let address = SocketAddr::new(link.far, port);
    Place::at(&folder.join(name), address, "1 GiB", "").run_by(link.on_the_far_side())
}

/// Does something bad to the link, and makes it good again.
fn hurt(fault: &str, link: &Link, dice: &mut Dice, place: &Place, daemon: &mut Option<Daemon>) {
    match fault {
        "cut" => link.cut(),
        "deaf" => link.swallow(true, false),
        "mute" => link.swallow(false, true),
        _ => link.swallow(true, true),
    }
    if fault.contains("killed") {
        // Nobody on this side hears that the connections are gone.
        daemon.take().into_iter().for_each(Daemon::kill);
        *daemon = Some(place.start());
    }
    thread::sleep(dice.millis(50, 800));
    link.mend();
    thread::sleep(dice.millis(50, 500));
}

#[test]
fn a_link_that_is_cut_or_swallows_at_random_moments_loses_and_doubles_nothing() {
    let test = "network::a_link_that_is_cut_or_swallows_at_random_moments_loses_and_doubles_nothing";
    in_own_network(test, |folder| {
        let (mut dice, link) = (Dice::of_this_run("network::link"), Link::cable());
        let (http, otlp) = (far(&link, folder, "http", 4600), far(&link, folder, "otlp", 4601));
        let (mut daemon, other) = (Some(http.start()), otlp.start());
        let start = |name: &str, place: &Place| Settings::new(name, &place.url(), folder);
        let mut running = start("spooled-0", &http).spooled().start();
        let in_memory = start("memory", &http).start();
        let by_otlp = Settings { transport: Transport::Otlp, ..start("otlp", &otlp) }.start();
        let (mut said, mut faults) = (Vec::new(), FAULTS.repeat(TIMES));
        dice.shuffle(&mut faults);
        for (round, fault) in (1..).zip(&faults) {
            hurt(fault, &link, &mut dice, &http, &mut daemon);
            if round % 4 == 0 {
                said.push(running.kill());
                running = start(&format!("spooled-{round}"), &http).spooled().start();
            }
        }
        link.swallow(true, true);
        thread::sleep(LONGER_THAN_A_TRY);
        link.mend();
        for program in [running, in_memory] {
            let (more, told) = end(program);
            assert_eq!(told.lost, 0, "{told:?}");
            said.push(more);
        }
        await_whole(&http.lake(), &said, LONG);
        daemon.into_iter().for_each(Daemon::end);
        println!("{faults:?}: {} events", assert_whole(&http.lake(), &said).events());
        let (said, _) = end(by_otlp);
        other.end();
        assert_there_at_least_once(&otlp, &said);
    });
}

#[test]
fn packets_that_are_lost_late_doubled_and_out_of_order_change_nothing() {
    let test = "network::packets_that_are_lost_late_doubled_and_out_of_order_change_nothing";
    in_own_network(test, |folder| {
        let mut dice = Dice::of_this_run("network::road");
        let road = match Road::new(dice.next(), "0.05", "0.05", "0.004") {
            Ok(road) => road,
            Err(why) => return spanlake_testkit::apart::say_not_run(test, &why),
        };
        let link = Link::by(&road);
        let place = far(&link, folder, "http", 4600);
        let daemon = place.start();
        let running = ["one", "two", "three"]
            .map(|name| Settings { most: 1_500, ..Settings::new(name, &place.url(), folder) }.start());
        running.iter().for_each(|program| program.await_events(3_000));
        let said = running.map(|program| {
            let (said, told) = end(program);
            assert_eq!((told.written, told.lost), (said.records(), 0), "{told:?}");
            said
        });
        await_whole(&place.lake(), &said, LONG);
        daemon.end();
        println!("{} events; packets: {}", assert_whole(&place.lake(), &said).events(), road.end());
    });
}

/// Has the publisher say something again and again until it is in the lake of who subscribes.
fn await_heard(publisher: &Place, subscriber: &Place, text: &str) {
    let transport = HttpTransport::new(publisher.url()).token(Secret::new(TOKEN.to_owned())).build();
    let (layer, guard) = PublishLayer::builder(transport.expect("a transport")).build().expect("a layer");
    let until = Instant::now() + LONG;
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let is_heard = || {
            let lake = Lake::open(subscriber.lake()).ok()?;
            Some(lake.read(&Filter::new()).ok()?.any(|record| record.message == text))
        };
        while is_heard() != Some(true) {
            assert!(Instant::now() < until, "`{text}` is not heard");
            tracing::info!("{text}");
            let _ = guard.flush(Duration::from_millis(200));
        }
    });
}

#[test]
fn a_publisher_that_went_while_nobody_could_tell_is_come_back_to() {
    let test = "network::a_publisher_that_went_while_nobody_could_tell_is_come_back_to";
    in_own_network(test, |folder| {
        let link = Link::cable();
        let (address, listen) = (SocketAddr::new(link.far, 4600), SocketAddr::new(link.far, 5011));
        let plugin = format!("  loud: {{ kind: pubsub_zeromq, listen: \"{listen}\" }}\n");
        let publisher = Place::at(&folder.join("far"), address, "1 GiB", &plugin).run_by(link.on_the_far_side());
        let receive = format!("receive: {{ zeromq_subscribe: {{ far: {{ publisher: \"{listen}\" }} }} }}\n");
        let subscriber = Place::new(&folder.join("near"), "1 GiB", &receive);
        let (daemon, near) = (publisher.start(), subscriber.start());
        await_heard(&publisher, &subscriber, "before");
        link.swallow(true, true);
        link.forget(listen.port());
        daemon.kill();
        let daemon = publisher.start();
        link.mend();
        await_heard(&publisher, &subscriber, "after");
        near.end();
        daemon.end();
    });
}

fn end(program: Program) -> (Said, Told) {
    let (said, told) = program.end(LONG);
    assert!(told.is_in_time && told.pending == 0, "{told:?}");
    (said, told)
}

/// OTLP has no numbers: what was sent twice is there twice, and the same.
fn assert_there_at_least_once(place: &Place, said: &Said) {
    let found = Found::read_with_repeats(&place.lake(), Format::Jsonl);
    found.assert_whole(std::slice::from_ref(said));
    println!("by OTLP: {} events, {} records came twice", found.events(), found.repeated);
}
