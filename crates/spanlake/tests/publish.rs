//! The lake and a collector from one setting up: each gets what it wants, and what is asked for of one is not kept from it by the
//! other's levels.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use spanlake::prelude::*;
use spanlake::publish::{Delivered, Parcel, Transport, Undelivered};

const LONG: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl Transport for Kept {
    fn name(&self) -> &str {
        "kept"
    }

    fn send(&mut self, parcel: &Parcel<'_>, _: Instant) -> Result<Delivered, Undelivered> {
        let (decoded, refused) = parcel.decode();
        let messages = decoded.iter().flat_map(|segment| segment.records()).map(|record| record.message.into_owned());
        self.0.lock().expect("no test panics here").extend(messages);
        Ok(Delivered { refused, ..Delivered::default() })
    }
}

#[test]
fn lake_and_collector_get_what_each_of_them_wants() {
    let lake = tempfile::tempdir().expect("a folder");
    let kept = Kept::default();
    let (publish, published) = PublishLayer::builder(kept.clone()).level(LevelFilter::WARN).build().expect("a layer");
    let verbosity = publish.verbosity().clone();
    let builder = spanlake::builder().lake(lake.path()).console(LevelFilter::OFF).files(LevelFilter::INFO);
    let guard = builder.publish(publish).init().expect("a stack");

    tracing::info!("for the lake");
    tracing::warn!("for both");
    tracing::trace!("for nobody");
    verbosity.add("trace".parse().expect("a directive"));
    tracing::trace!("for the collector");
    log::trace!("for the collector, by the log crate");

    let sent = published.shutdown(LONG).expect("an end in time");
    let written = guard.shutdown(LONG).expect("an end in time");
    let lake = spanlake_query::Lake::open(lake.path()).expect("a lake");
    let lake: Vec<_> =
        lake.read(&spanlake_query::Filter::new()).expect("records").map(|record| record.message).collect();
    assert_eq!(lake, ["for the lake", "for both"]);
    let kept = kept.0.lock().expect("what was sent");
    assert_eq!(*kept, ["for both", "for the collector", "for the collector, by the log crate"]);
    assert_eq!((sent.recorded, written.recorded), (3, 2));
}
