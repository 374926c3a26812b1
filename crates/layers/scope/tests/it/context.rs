//! Context: fields, values recorded later, `bind`, inheritance.

use spanlake_core::Value;
use spanlake_scope::{Inherit, MAX_BOUND_NAME, ScopeLayer, Task};
use tracing::{field, info, info_span};

use crate::support::{context_of, record, record_under};

fn current() -> Task {
    Task::current().expect("a task")
}

#[test]
fn fields_of_the_span_are_context_with_their_types() {
    let tape = record(|| {
        info_span!("task", text = "a", number = -1, large = u64::MAX, yes = true, float = 0.5, debug = ?Some(1))
            .in_scope(|| ());
    });
    let expected = r#"{"text":"a","number":-1,"large":18446744073709551615,"yes":true,"float":0.5,"debug":"Some(1)"}"#;
    assert!(tape.records().iter().all(|record| record.context == expected));
}

#[test]
fn value_recorded_later_is_there_from_then_on() {
    let records = record(|| {
        let span = info_span!("task", rows = field::Empty, table = "a");
        span.in_scope(|| info!("before"));
        span.record("rows", 3).record("table", "b");
        span.in_scope(|| info!("after"));
        span.record("rows", 4);
    })
    .records();
    assert_eq!(context_of(&records, "before"), r#"{"table":"a"}"#);
    let after: serde_json::Value = serde_json::from_str(&context_of(&records, "after")).expect("JSON");
    assert_eq!(after, serde_json::json!({"rows": 3, "table": "b"}));
    let end: serde_json::Value = serde_json::from_str(&records.last().expect("an end").context).expect("JSON");
    assert_eq!(end["rows"], 4, "the last value wins");
}

#[test]
fn bound_value_is_there_from_then_on_under_any_name() {
    let records = record(|| {
        info_span!("task", a = 1).in_scope(|| {
            info!("before");
            current().bind("any name at all", "value").expect("bound");
            current().bind("a", 2u8).expect("bound");
            info!("after");
        });
    })
    .records();
    assert_eq!(context_of(&records, "before"), r#"{"a":1}"#);
    let after: serde_json::Value = serde_json::from_str(&context_of(&records, "after")).expect("JSON");
    assert_eq!(after, serde_json::json!({"a": 2, "any name at all": "value"}));
}

#[test]
fn every_kind_of_value_can_be_bound() {
    let records = record(|| {
        info_span!("task").in_scope(|| {
            let values: [(&str, Value<'_>); 6] = [
                ("bool", true.into()),
                ("nan", f64::NAN.into()),
                ("wide", u128::MAX.into()),
                ("owned", String::from("text").into()),
                ("bytes", Value::Bytes(vec![1, 255].into())),
                ("error", Value::Error(vec!["this".into(), "cause".into()])),
            ];
            values.into_iter().for_each(|(name, value)| current().bind(name, value).expect("bound"));
            info!("now");
        });
    })
    .records();
    let expected = concat!(
        r#"{"bool":true,"nan":"NaN","wide":340282366920938463463374607431768211455,"#,
        r#""owned":"text","bytes":"01ff","error":"this: cause"}"#
    );
    assert_eq!(context_of(&records, "now"), expected);
}

#[test]
fn the_name_key_and_names_that_are_no_names_are_refused() {
    record(|| {
        info_span!("task").in_scope(|| {
            let long = "n".repeat(MAX_BOUND_NAME + 1);
            for name in ["key", "", long.as_str()] {
                let error = current().bind(name, 1u8).expect_err("refused");
                assert_eq!(error.code().to_string(), "DISPATCH::Task::VALIDATION::ERROR");
                assert!(error.to_string().len() < 200, "not the whole of a long name");
            }
            current().bind(&long[1..], 1u8).expect("the longest name there may be");
        });
    });
}

#[test]
fn subtasks_inherit_and_the_nearest_task_wins() {
    let records = record(|| {
        info_span!("outer", a = 1, b = 1).in_scope(|| {
            info_span!("inner", b = 2, c = 2).in_scope(|| info!("inside"));
            info!("outside");
        });
    })
    .records();
    assert_eq!(context_of(&records, "inside"), r#"{"a":1,"b":2,"c":2}"#);
    assert_eq!(context_of(&records, "outside"), r#"{"a":1,"b":1}"#);
}

#[test]
fn subtasks_see_what_is_bound_above_them_later() {
    let records = record(|| {
        info_span!("outer").in_scope(|| {
            let outer = current();
            info_span!("inner").in_scope(|| {
                info!("before");
                outer.bind("a", 1u8).expect("bound");
                info!("after");
                outer.bind("a", 2u8).expect("bound");
                info!("later");
            });
        });
    })
    .records();
    assert_eq!(context_of(&records, "before"), "{}");
    assert_eq!(context_of(&records, "after"), r#"{"a":1}"#);
    assert_eq!(context_of(&records, "later"), r#"{"a":2}"#);
}

#[test]
fn own_context_only_where_the_rules_say_so() {
    let records = record_under(ScopeLayer::builder().inherit(Inherit::Own).build(), || {
        info_span!("outer", a = 1).in_scope(|| info_span!("inner", b = 2).in_scope(|| info!("inside")));
    })
    .records();
    assert_eq!(context_of(&records, "inside"), r#"{"b":2}"#);
}

#[test]
fn fresh_root_inside_a_task_inherits_nothing() {
    let records = record(|| {
        info_span!("outer", a = 1).in_scope(|| info_span!(parent: None, "apart", b = 2).in_scope(|| info!("apart")));
    })
    .records();
    assert_eq!(context_of(&records, "apart"), r#"{"b":2}"#);
}

#[test]
fn message_is_not_context() {
    let records = record(|| info_span!("task", message = "Loading", a = 1).in_scope(|| ())).records();
    assert_eq!(records[0].context, r#"{"a":1}"#);
}

#[test]
fn dataflow_is_that_of_the_nearest_task_that_names_one() {
    let records = record(|| {
        info_span!("outer", etl.dataflow = "orders").in_scope(|| {
            info_span!("inner").in_scope(|| info!("inherited"));
            info_span!("other", etl.dataflow = "customers").in_scope(|| info!("own"));
        });
        info_span!("plain", dataflow_id = "stock").in_scope(|| info!("plain"));
        info!("none");
    })
    .records();
    let dataflow = |message: &str| {
        records.iter().find(|record| record.message == message).and_then(|record| record.dataflow_id.as_deref())
    };
    assert_eq!(dataflow("inherited"), Some("orders"));
    assert_eq!(dataflow("own"), Some("customers"));
    assert_eq!(dataflow("plain"), Some("stock"));
    assert_eq!(dataflow("none"), None);
}

#[test]
fn what_does_not_fit_into_the_context_is_counted_in_it() {
    let records = record(|| {
        info_span!("task").in_scope(|| {
            let text = "x".repeat(60_000);
            (0..30).for_each(|at| current().bind(&format!("field{at}"), text.as_str()).expect("bound"));
            info!("now");
        });
    })
    .records();
    let context: serde_json::Value = serde_json::from_str(&context_of(&records, "now")).expect("JSON");
    let context = context.as_object().expect("an object");
    let kept = context.keys().filter(|name| name.starts_with("field")).count();
    assert!(kept > 10);
    assert_eq!(context["spanlake.omitted_fields"], 30 - kept);
}

#[test]
fn context_is_described_again_in_each_segment() {
    let records = record(|| {
        info_span!("outer", a = 1).in_scope(|| {
            info_span!("inner", b = 2).in_scope(|| {
                let text = "x".repeat(10_000);
                (0..100).for_each(|_| info!(text));
            });
        });
    })
    .records();
    let events = records.iter().filter(|record| record.fields.contains("xxx"));
    assert!(events.clone().count() == 100 && events.clone().all(|record| record.context == r#"{"a":1,"b":2}"#));
}
