//! Whose a message is that was delivered twice: what a collector does that finds, now or when it comes back, what others did.

use async_nats::jetstream::stream::{Config, DiscardPolicy};

use super::server::{CLAIMS, Nats, counted, until};
use crate::collecting::stand::Stand;

impl Nats {
    /// A stream of claims as collectors make it.
    fn create_claims(&self) {
        self.with(async |context| {
            let subjects = vec!["spanlake.claims.SPANLAKE.spanlaked.>".to_owned()];
            let (name, discard) = (CLAIMS.to_owned(), DiscardPolicy::New);
            let config = Config { name, subjects, discard, max_messages_per_subject: 1, ..Config::default() };
            context.create_stream(config).await?;
            Ok(())
        });
    }

    /// One that takes no claims.
    fn create_no_claims(&self) {
        self.with(async |context| {
            let subjects = vec!["something.else".to_owned()];
            context.create_stream(Config { name: CLAIMS.to_owned(), subjects, ..Config::default() }).await?;
            Ok(())
        });
    }

    fn claim(&self, sequence: u64, owner: &str) {
        let created_us = self.state("SPANLAKE").created.unix_timestamp_nanos() / 1_000;
        let subject = format!("spanlake.claims.SPANLAKE.spanlaked.claim.{created_us}.{sequence}");
        self.send(subject, Default::default(), owner.into());
    }

    /// Acknowledges a message, as another collector does.
    fn acknowledge(&self, sequence: u64) {
        self.with(async |context| {
            let subject = format!("$JS.ACK.SPANLAKE.spanlaked.1.{sequence}.{sequence}.0.0");
            context.client().request(subject, "+ACK".into()).await?;
            Ok(())
        });
    }

    fn claims(&self) -> Vec<String> {
        self.with(async |context| {
            let stream = context.get_stream(CLAIMS).await?;
            let mut subjects = Vec::new();
            for sequence in 1..=stream.get_info().await?.state.last_sequence {
                subjects.extend(stream.get_raw_message(sequence).await.ok().map(|message| message.subject.to_string()));
            }
            Ok(subjects)
        })
    }
}

#[test]
fn what_another_collector_has_claimed_is_acknowledged_for_it_and_stored_by_nobody_else() {
    let (nats, stand) = (Nats::start(), Stand::new());
    nats.publish(&["first", "second", "third"]);
    nats.create_claims();
    nats.claim(2, "another");
    let running = nats.collect(&stand);
    nats.wait_until_empty();
    running.wait(|collector| collector.plugins()[0].written >= 2);
    assert_eq!(counted(&running, r#"jetstream_messages_total{receiver="all",outcome="elsewhere"}"#), 1);
    // The other one has to learn that it owes the second. Claims that are done with go.
    until("only its claim is left", || nats.claims().len() == 2);
    let claims = nats.claims();
    assert!(claims[0].contains(".claim.") && claims[0].ends_with(".2"), "{claims:?}");
    assert!(claims[1].contains(".owed.another.") && claims[1].ends_with(".2"), "{claims:?}");
    running.stop();
    assert_eq!(stand.messages().keys().map(String::as_str).collect::<Vec<_>>(), ["first", "third"]);
}

#[test]
fn who_comes_back_with_what_it_held_drops_what_others_took_or_settled_and_stores_the_rest() {
    let (nats, stand) = (Nats::start(), Stand::new());
    nats.publish(&["taken", "settled", "nobody's"]);
    nats.create_no_claims();
    let running = nats.collect(&stand);
    // Held, and not claimed: the collector ends as if it had been killed between the two.
    until("three are delivered", || nats.consumer().is_some_and(|consumer| consumer.num_ack_pending == 3));
    until("the claim fails", || counted(&running, r#"jetstream_errors_total{receiver="all"}"#) > 0);
    running.stop();
    nats.with(async |context| Ok(context.delete_stream(CLAIMS).await.map(drop)?));
    nats.create_claims();
    nats.claim(1, "another");
    nats.acknowledge(1);
    nats.acknowledge(2);
    until("they count as acknowledged", || {
        nats.consumer().is_some_and(|consumer| consumer.ack_floor.stream_sequence >= 2)
    });

    let running = nats.collect(&stand);
    nats.wait_until_empty();
    running.wait(|collector| collector.plugins()[0].written >= 1);
    assert_eq!(counted(&running, r#"jetstream_messages_total{receiver="all",outcome="stored"}"#), 1);
    running.stop();
    assert_eq!(stand.messages().into_iter().collect::<Vec<_>>(), [("nobody's".to_owned(), 1)]);
}
