//! Secrets: whatever the flags, whatever they stand in.

use std::fmt;

use spanlake_core::value::{BodyWriter, Fields, Name};
use spanlake_core::{Category, Error, Secret, Stage, Value};

/// What must not be seen; no part of it is part of anything else here.
const HUSH: &str = "Zq7-Xv9";

fn hush() -> Secret<String> {
    Secret::new(HUSH.to_owned())
}

/// A type without any trait.
struct Opaque;

#[derive(Clone, Debug, Default, PartialEq)]
struct Login {
    user: String,
    password: Secret<String>,
}

/// An error that names a secret, as a careless one would.
#[derive(Debug)]
struct Refused(Secret<String>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "password {} was refused", self.0)
    }
}

impl std::error::Error for Refused {}

// === shown ===

#[test]
fn display_is_three_stars_padded_as_a_text() {
    let hush = hush();
    assert_eq!(format!("{hush}"), "***");
    assert_eq!(format!("{hush:6}|"), "***   |");
    assert_eq!(format!("{hush:>6}|"), "   ***|");
    assert_eq!(format!("{hush:^7}|"), "  ***  |");
    assert_eq!(format!("{hush:-<6}|"), "***---|");
    assert_eq!(format!("{hush:width$}|", width = 5), "***  |");
    assert_eq!(format!("{hush:2}|"), "***|", "never shorter for a narrow column");
}

#[test]
fn no_flag_shows_more() {
    let (text, number, pair) = (hush(), Secret::new(81_549_300_u64), Secret::new((HUSH, 0.25)));
    assert_eq!(format!("{text:?} {text:#?} {text:x?} {text:X?} {text:#x?} {text:+?} {text:#}"), ["***"; 7].join(" "));
    assert_eq!(format!("{number} {number:?} {number:#?} {number:+} {number:03} {number:#}"), ["***"; 6].join(" "));
    assert_eq!(format!("{pair} {pair:?} {pair:#?}"), ["***"; 3].join(" "));
    assert_eq!(format!("{text:>8?}|{number:08}|{pair:*^9?}"), "     ***|***     |*********");
    assert_eq!(format!("{text:.2}|{text:.0}|{number:.9}|{pair:6.1?}"), "**||***|*     ", "cut as a text, never longer");
}

#[test]
fn whatever_holds_it_shows_three_stars() {
    let login = Login { user: "ada".to_owned(), password: hush() };
    assert_eq!(format!("{login:?}"), r#"Login { user: "ada", password: *** }"#);
    assert_eq!(format!("{login:#?}"), "Login {\n    user: \"ada\",\n    password: ***,\n}");
    assert_eq!(format!("{:?}", Some(hush())), "Some(***)");
    assert_eq!(format!("{:#?}", Some(hush())), "Some(\n    ***,\n)");
    assert_eq!(format!("{:?}", vec![hush(), hush()]), "[***, ***]");
    assert_eq!(format!("{:?}", Err::<(), _>((1, hush()))), "Err((1, ***))");
    assert_eq!(format!("{:?} {}", Box::new(hush()), &&hush()), "*** ***");
    assert_eq!(format!("{:?}", Secret::new(hush())), "***");
    let map = std::collections::BTreeMap::from([("token", hush())]);
    assert_eq!(format!("{map:?}"), r#"{"token": ***}"#);
}

#[test]
fn value_needs_no_trait_to_be_hidden() {
    let secret = Secret::new(Opaque);
    assert_eq!(format!("{secret} {secret:?}"), "*** ***");
}

#[test]
fn error_chain_that_names_it_shows_three_stars() {
    let error = Error::new(Stage::Factory, "Lake", Category::Io, "cannot log in").with("password", hush());
    let error = error.caused_by(Refused(hush()));
    assert_eq!(error.chain(), "cannot log in (password: ***): password *** was refused");
    assert!(!format!("{error:?} {error:#?}").contains(HUSH));
}

#[test]
fn failed_assertion_does_not_tell() {
    let compare = || assert_eq!(hush(), Secret::from("another".to_owned()));
    let panic = std::panic::catch_unwind(compare).expect_err("they differ");
    let said = panic.downcast::<String>().expect("a text");
    assert!(said.contains("***") && !said.contains(HUSH) && !said.contains("another"), "{said}");
}

// === recorded ===

#[test]
fn as_a_value_it_is_the_text_of_three_stars() {
    let text = Value::Text("***".into());
    assert_eq!(
        [Value::from(hush()), Value::from(&hush()), Value::from(Secret::new(Opaque))],
        [(); 3].map(|()| text.clone())
    );
}

#[test]
fn no_byte_of_it_is_in_a_body() {
    let mut body = BodyWriter::default();
    body.formatted(Name::Text("debug"), &hush());
    body.formatted(Name::Text("display"), &format_args!("{}", hush()));
    body.error(Name::Text("error"), &Refused(hush()));
    body.value(Name::Text("value"), &hush().into());
    body.finish();
    assert!(!body.bytes().windows(HUSH.len()).any(|bytes| bytes == HUSH.as_bytes()));
    let fields = Fields::Encoded { names: &[], body: body.bytes() };
    let shown: Vec<String> = fields.to_vec().iter().map(|field| format!("{}={}", field.name, field.value)).collect();
    assert_eq!(shown, ["debug=***", "display=***", "error=password *** was refused", "value=***"]);
}

// === used ===

#[test]
fn value_comes_out_where_it_is_asked_for() {
    assert_eq!(hush().expose(), HUSH);
    assert_eq!(hush().into_inner(), HUSH);
    const LIMIT: Secret<u8> = Secret::new(7);
    assert_eq!(*LIMIT.expose(), 7);
}

#[test]
fn secrets_are_cloned_compared_and_empty_as_their_values_are() {
    let login = Login { user: "ada".to_owned(), password: hush() };
    assert!(login.clone() == login && login != Login::default());
    assert_eq!(Login::default().password.expose(), "");
}

#[test]
fn secret_is_read_from_text() {
    assert_eq!("8080".parse::<Secret<u16>>().expect("a number").expose(), &8080);
    assert_eq!(HUSH.parse::<Secret<String>>().expect("any text").expose(), HUSH);
}

#[test]
fn error_of_reading_does_not_quote_the_text() {
    /// A type whose own error quotes what it was given.
    #[derive(Debug)]
    struct Quotes;

    impl std::str::FromStr for Quotes {
        type Err = String;

        fn from_str(text: &str) -> Result<Self, String> {
            Err(format!("{text} is nothing"))
        }
    }

    let error = HUSH.parse::<Secret<Quotes>>().expect_err("it refuses");
    assert!(!format!("{error} {error:?} {error:#?} {}", error.chain()).contains(HUSH));
    assert_eq!(error.code().to_string(), "CONFIGURATION::Secret::VALIDATION::ERROR");
    let error = HUSH.parse::<Secret<u16>>().expect_err("no number");
    assert_eq!(error.to_string(), "the secret cannot be read (type: u16)");
    assert!(error.is_validation());
}
