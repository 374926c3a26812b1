//! Values through a body and back.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use proptest::prelude::*;
use spanlake_core::value::{
    BodyWriter, MAX_BODY_BYTES, MAX_CHAIN, MAX_NESTING, MAX_TEXT_BYTES, Name, OMITTED_FIELDS, PANICKED,
};
use spanlake_core::{Field, Fields, Value};

fn read<'a>(body: &'a BodyWriter, names: &'a [&'a str]) -> Vec<Field<'a>> {
    Fields::Encoded { names, body: body.bytes() }.to_vec()
}

/// The one value that a body holds.
fn only(write: impl FnOnce(&mut BodyWriter)) -> Value<'static> {
    let mut body = BodyWriter::default();
    write(&mut body);
    body.finish();
    let fields = read(&body, &["value"]);
    assert_eq!(fields.len(), 1);
    assert_eq!(fields[0].name, "value");
    fields[0].value.clone().into_owned()
}

fn any_value() -> impl Strategy<Value = Value<'static>> {
    any_plain_value().prop_recursive(MAX_NESTING as u32, 20, 4, |inner| {
        let field = (".{0,12}", inner.clone()).prop_map(|(name, value)| Field { name: name.into(), value });
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::List),
            prop::collection::vec(field, 0..4).prop_map(Value::Map),
        ]
    })
}

fn any_plain_value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        any::<u64>().prop_map(Value::U64),
        any::<f64>().prop_filter("NaN is not equal to itself", |number| !number.is_nan()).prop_map(Value::F64),
        any::<i128>().prop_map(Value::I128),
        any::<u128>().prop_map(Value::U128),
        ".*".prop_map(|text: String| Value::Text(text.into())),
        prop::collection::vec(any::<u8>(), 0..50).prop_map(|bytes| Value::Bytes(bytes.into())),
        prop::collection::vec(".*", 1..MAX_CHAIN)
            .prop_map(|chain: Vec<String>| Value::Error(chain.into_iter().map(Cow::Owned).collect())),
    ]
}

proptest! {
    #[test]
    fn any_fields_come_back_with_their_types(values in prop::collection::vec((any_value(), ".{0,12}", any::<bool>()), 0..20)) {
        let names: Vec<&str> = values.iter().map(|(_, name, _)| name.as_str()).collect();
        let mut body = BodyWriter::default();
        for (at, (value, name, by_index)) in values.iter().enumerate() {
            body.value(if *by_index { Name::Index(at) } else { Name::Text(name) }, value);
        }
        body.finish();
        let fields = read(&body, &names);
        prop_assert_eq!(fields.len(), values.len());
        let encoded = Fields::Encoded { names: &names, body: body.bytes() };
        for (field, (value, name, _)) in fields.iter().zip(&values) {
            prop_assert!(encoded.any_name(|other| other == name));
            prop_assert_eq!(&*field.name, name);
            prop_assert_eq!(&field.value, value);
        }
    }

    #[test]
    fn any_bytes_as_a_body_are_read_without_a_panic(body: Vec<u8>) {
        let fields = Fields::Encoded { names: &["a", "b"], body: &body };
        fields.for_each(|_, _| ());
        let seen = fields.to_vec();
        let mut names = Vec::new();
        fields.any_name(|name| {
            names.push(name.to_owned());
            false
        });
        prop_assert!(names.len() >= seen.len(), "a name is passed by without a look at its value");
        let _ = fields.get("a");
    }
}

#[test]
fn numbers_keep_their_extremes() {
    let name = || Name::Index(0);
    for number in [i64::MIN, -1, 0, 1, i64::MAX] {
        assert_eq!(only(|body| body.i64(name(), number)), Value::I64(number));
    }
    for number in [0, 127, 128, u64::MAX] {
        assert_eq!(only(|body| body.u64(name(), number)), Value::U64(number));
    }
    for number in [i128::MIN, i128::MAX] {
        assert_eq!(only(|body| body.i128(name(), number)), Value::I128(number));
    }
    assert_eq!(only(|body| body.u128(name(), u128::MAX)), Value::U128(u128::MAX));
    for number in [f64::MIN, f64::MAX, f64::MIN_POSITIVE, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(only(|body| body.f64(name(), number)), Value::F64(number));
    }
    assert!(matches!(only(|body| body.f64(name(), -0.0)), Value::F64(zero) if zero.is_sign_negative()));
    assert!(matches!(only(|body| body.f64(name(), f64::NAN)), Value::F64(number) if number.is_nan()));
}

#[test]
fn text_of_the_largest_length_is_kept_whole() {
    let text = "x".repeat(MAX_TEXT_BYTES);
    assert_eq!(only(|body| body.text(Name::Index(0), &text)), Value::from(&text));
    assert_eq!(only(|body| body.formatted(Name::Index(0), &format_args!("{text}"))), Value::from(&text));
}

#[test]
fn one_byte_more_is_cut_and_says_how_long_it_was() {
    let text = "x".repeat(MAX_TEXT_BYTES + 1);
    let one = only(|body| body.text(Name::Index(0), &text));
    assert_eq!(one, only(|body| body.formatted(Name::Index(0), &format_args!("{text}"))));
    let one = one.to_string();
    assert!(one.ends_with("x… [truncated, 65536 bytes]"));
    assert!((MAX_TEXT_BYTES - 30..=MAX_TEXT_BYTES).contains(&one.len()), "{} bytes, mark included", one.len());
}

#[test]
fn cut_falls_between_characters() {
    for shift in 0..4 {
        let text = format!("{}{}", "x".repeat(shift), "🦀".repeat(MAX_TEXT_BYTES / 4 + 1));
        let Value::Text(kept) = only(|body| body.text(Name::Index(0), &text)) else { panic!("a text") };
        let (kept, mark) = kept.split_once('…').expect("the mark of the cut");
        assert!(text.starts_with(kept) && kept.len() > MAX_TEXT_BYTES - 60, "{shift}: {} bytes", kept.len());
        assert_eq!(mark, format!(" [truncated, {} bytes]", text.len()));
        let formatted = only(|body| body.formatted(Name::Index(0), &format_args!("{text}")));
        assert_eq!(formatted, only(|body| body.text(Name::Index(0), &text)));
    }
}

#[test]
fn text_of_64_mib_costs_64_kib() {
    let text = "y".repeat(64 << 20);
    let mut body = BodyWriter::default();
    body.text(Name::Index(0), &text);
    body.formatted(Name::Index(1), &text);
    body.raw(Name::Index(2), text.as_bytes());
    body.finish();
    assert!(body.bytes().len() < 4 * MAX_TEXT_BYTES);
    for field in read(&body, &["text", "debug", "bytes"]) {
        assert!(field.value.to_string().ends_with(" bytes]"), "{}", field.name);
    }
    let text = read(&body, &["text", "debug", "bytes"]).swap_remove(0).value.to_string();
    assert!(text.ends_with("yyy… [truncated, 67108864 bytes]"));
}

#[test]
fn nothing_follows_a_cut() {
    struct Pieces;
    impl fmt::Debug for Pieces {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&"x".repeat(MAX_TEXT_BYTES - 1))?;
            f.write_str("é")?;
            f.write_str("y")
        }
    }
    let kept = only(|body| body.formatted(Name::Index(0), &Pieces)).to_string();
    assert!(kept.contains("x… [truncated, 65537 bytes]"), "no hole in the middle");
}

#[test]
fn bytes_are_cut_too_and_become_text_then() {
    let bytes = vec![0xab; MAX_TEXT_BYTES + 10];
    let Value::Text(text) = only(|body| body.raw(Name::Index(0), &bytes)) else { panic!("a text") };
    assert!(text.starts_with("abab") && text.ends_with("ab… [truncated, 65545 bytes]"));
}

#[test]
fn fields_that_do_not_fit_into_a_body_are_counted_in_it() {
    let text = "z".repeat(MAX_TEXT_BYTES);
    let mut body = BodyWriter::default();
    (0..40).for_each(|at| body.text(Name::Text(&format!("field{at}")), &text));
    body.u64(Name::Text("small"), 1);
    body.finish();
    assert!(body.bytes().len() <= MAX_BODY_BYTES + 64);
    let fields = read(&body, &[]);
    let kept = fields.iter().filter(|field| field.name.starts_with("field")).count() as u64;
    assert_eq!(fields.last().expect("fields").name, OMITTED_FIELDS);
    assert_eq!(fields.last().expect("fields").value, Value::U64(40 - kept));
    assert!(fields.iter().any(|field| field.name == "small"), "what still fits is kept");
}

#[test]
fn last_value_of_a_name_wins() {
    let mut body = BodyWriter::default();
    body.u64(Name::Text("a"), 1);
    body.u64(Name::Text("b"), 2);
    body.u64(Name::Text("a"), 3);
    let fields = Fields::Encoded { names: &[], body: body.bytes() };
    assert_eq!(fields.get("a"), Some(Value::U64(3)));
    assert_eq!(Fields::Edited(fields.to_vec()).get("a"), Some(Value::U64(3)));
    assert_eq!(fields.get("c"), None);
}

#[test]
fn processor_can_edit_the_fields() {
    let mut body = BodyWriter::default();
    body.text(Name::Index(0), "secret");
    let names = ["password"];
    let mut fields = Fields::Encoded { names: &names, body: body.bytes() };
    fields.edit()[0].value = "[redacted]".into();
    fields.edit().push(Field { name: "more".into(), value: 1u8.into() });
    assert_eq!(fields.get("password"), Some("[redacted]".into()));
    assert_eq!(fields.to_vec().len(), 2);
    assert!(!fields.is_empty() && Fields::EMPTY.is_empty());
}

// === foreign code ===

#[test]
fn debug_that_panics_leaves_the_field_and_its_neighbours() {
    struct Panics;
    impl fmt::Debug for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            std::panic::panic_any("no message for the hook")
        }
    }
    let mut body = BodyWriter::default();
    body.u64(Name::Text("before"), 1);
    body.formatted(Name::Text("value"), &Panics);
    body.u64(Name::Text("after"), 2);
    let values: Vec<Value<'_>> = read(&body, &[]).into_iter().map(|field| field.value).collect();
    assert_eq!(values, [Value::U64(1), PANICKED.into(), Value::U64(2)]);
}

#[test]
fn debug_that_fails_keeps_what_it_wrote() {
    struct Fails;
    impl fmt::Debug for Fails {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            Err(fmt::Error)
        }
    }
    assert_eq!(only(|body| body.formatted(Name::Index(0), &Fails)), Value::from("half"));
}

#[derive(Debug)]
struct Link(usize, Option<Box<Link>>);

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|link| link as &(dyn Error + 'static))
    }
}

#[test]
fn error_keeps_its_causes_outermost_first() {
    let error = Link(1, Some(Box::new(Link(2, Some(Box::new(Link(3, None)))))));
    let value = only(|body| body.error(Name::Index(0), &error));
    assert_eq!(value, Value::Error(vec!["link 1".into(), "link 2".into(), "link 3".into()]));
    assert_eq!(value.to_string(), "link 1: link 2: link 3");
}

#[test]
fn endless_chain_of_causes_ends() {
    #[derive(Debug)]
    struct Own;
    impl fmt::Display for Own {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("again")
        }
    }
    impl Error for Own {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }
    let Value::Error(chain) = only(|body| body.error(Name::Index(0), &Own)) else { panic!("an error") };
    assert_eq!(chain.len(), MAX_CHAIN);
}

#[test]
fn link_of_a_chain_that_is_too_long_says_that_it_was_cut() {
    let long = Value::Error(vec!["e".repeat(MAX_TEXT_BYTES + 1).into(), "cause".into()]);
    let Value::Error(chain) = only(|body| body.value(Name::Index(0), &long)) else { panic!("an error") };
    assert!(chain[0].ends_with("e… [truncated, 65536 bytes]"), "it ends {:?}", &chain[0][chain[0].len() - 30..]);
    assert_eq!(chain[1], "cause");
}

#[test]
fn what_lies_too_deep_becomes_text() {
    let nest = |depth| (0..depth).fold(Value::U64(7), |value, _| Value::List(vec![value]));
    let kept = nest(MAX_NESTING);
    assert_eq!(only(|body| body.value(Name::Index(0), &kept)), kept);
    let deeper = (0..MAX_NESTING).fold(Value::from("[[7]]"), |value, _| Value::List(vec![value]));
    assert_eq!(only(|body| body.value(Name::Index(0), &nest(MAX_NESTING + 2))), deeper);
}

#[test]
fn lists_and_maps_read_as_one_would_write_them() {
    let field = |name: &'static str, value| Field { name: name.into(), value };
    let inner = Value::List(vec![Value::U64(1), Value::from("two")]);
    let map = Value::Map(vec![field("a", inner), field("b", Value::Bool(true))]);
    assert_eq!(map.to_string(), "{a: [1, two], b: true}");
    let mut json = Vec::new();
    spanlake_core::render::put_value(&mut json, &map);
    assert_eq!(String::from_utf8(json).expect("text"), r#"{"a":[1,"two"],"b":true}"#);
}

#[test]
fn a_map_that_does_not_fit_is_left_out_as_a_whole() {
    let long = "x".repeat(MAX_TEXT_BYTES);
    let map = Value::List((0..20).map(|_| Value::from(&long)).collect());
    let mut body = BodyWriter::default();
    body.value(Name::Index(0), &map);
    body.finish();
    assert_eq!(read(&body, &["value"]), [Field { name: OMITTED_FIELDS.into(), value: Value::U64(1) }]);
}

#[test]
fn bodies_are_appended_as_far_as_there_is_room() {
    let (mut small, mut large) = (BodyWriter::default(), BodyWriter::default());
    small.list(Name::Text("a"), &[Value::U64(1), Value::F64(0.5)]);
    (0..17).for_each(|_| large.text(Name::Text("b"), &"x".repeat(60_000)));
    let mut body = BodyWriter::default();
    body.text(Name::Text("first"), &"x".repeat(60_000));
    [&small, &large, &small].into_iter().for_each(|part| body.append(part));
    body.finish();
    let fields = read(&body, &[]);
    let of = |name: &str| fields.iter().filter(|field| field.name == name).collect::<Vec<_>>();
    assert_eq!(of("a")[1].value, Value::List(vec![Value::U64(1), Value::F64(0.5)]));
    assert_eq!((of("a").len(), of("b").len()), (2, 16), "one too many is not all too many");
    assert_eq!(fields.last().map(|field| (&*field.name, &field.value)), Some((OMITTED_FIELDS, &Value::U64(1))));
}
