//! Errors as texts without what opens a bucket: keys that were given, and what looks like one.

use std::error::Error as StdError;
use std::fmt;
use std::iter::successors;
use std::ops::Range;

use crate::store::address::end_of_user;
use crate::store::options::Settings;

/// Knows what was given as an option, and where secrets stand in texts.
pub(super) struct Redactor {
    /// The longest first, for one may be a part of another.
    secrets: Vec<String>,
}

/// An error of somebody else as a text.
#[derive(Debug)]
pub(super) struct Cause {
    text: String,
    source: Option<Box<Cause>>,
}

/// What stands for a secret.
const MASK: &str = "***";

/// An option is secret when its name has one of these in it.
const SECRET_OPTIONS: [&str; 6] = ["key", "secret", "token", "password", "sas", "credential"];

/// Words before a secret, with `=`, `:` or `>` between.
const SECRET_WORDS: [&str; 11] = [
    "sig",
    "signature",
    "signatureprovided",
    "credential",
    "token",
    "password",
    "secret",
    "accesskeyid",
    "accesskey",
    "accountkey",
    "_key",
];

/// Shorter strings in an option that is a document, such as a service account, are no secrets, and addresses are not.
const MIN_SECRET_PART_BYTES: usize = 20;

/// More of a text is not told; servers answer with whole pages.
const MAX_TEXT_CHARS: usize = 1000;

// === impl Redactor ===

impl Redactor {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut secrets: Vec<String> = settings.iter().flat_map(|(name, value)| secrets(name, value)).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets }
    }

    /// The error and its causes, each without what the next one says.
    pub(super) fn chain(&self, error: &(dyn StdError + 'static)) -> Cause {
        let texts = successors(Some(error), |&error| error.source()).map(|error| self.clean(&error.to_string()));
        let mut cause: Option<Cause> = None;
        let mut below = String::new();
        for text in texts.collect::<Vec<_>>().into_iter().rev() {
            let own = text.strip_suffix(&*below).unwrap_or(&text).trim_end_matches([' ', ':', '-']);
            if !own.is_empty() {
                let text = own.chars().take(MAX_TEXT_CHARS).collect();
                cause = Some(Cause { text, source: cause.map(Box::new) });
            }
            below = text;
        }
        cause.unwrap_or_else(|| Cause { text: "an error without a text".to_owned(), source: None })
    }

    /// One line, without secrets.
    fn clean(&self, text: &str) -> String {
        let text = self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK));
        let text = without_marked(&without_queries(&text));
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// What is secret of an option: its value and, of a document, what is quoted in it.
fn secrets(name: &str, value: &str) -> Vec<String> {
    let is_secret = SECRET_OPTIONS.iter().any(|word| name.contains(word));
    let is_switch = value.parse::<bool>().is_ok() || value.is_empty();
    if !is_secret || is_switch {
        return Vec::new();
    }
    let is_secret = |part: &&str| part.len() >= MIN_SECRET_PART_BYTES && !part.contains("://");
    let parts = value.split(['"', '\n']).filter(is_secret);
    [value].into_iter().chain(parts).map(str::to_owned).collect()
}

/// The text with each URL in it cut to scheme, host and path.
fn without_queries(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (address, rest) = part.split_at(part.find(is_end).unwrap_or(part.len()));
        let place = address.split(['?', '#']).next().unwrap_or_default();
        let hidden = if place.len() < address.len() { "?***" } else { "" };
        out.extend(["://", &place[end_of_user(place)..], hidden, rest]);
    }
    out
}

/// The text without the values that stand behind a word for secrets.
fn without_marked(text: &str) -> String {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for value in marked(&text.to_ascii_lowercase()) {
        if value.start >= at {
            out.extend([&text[at..value.start], MASK]);
            at = value.end;
        }
    }
    out + &text[at..]
}

/// Where values stand behind a word for secrets, in order.
fn marked(lower: &str) -> Vec<Range<usize>> {
    let ends = |word| lower.match_indices(word).map(|(at, word)| at + word.len());
    let after_words = SECRET_WORDS.iter().flat_map(|word| ends(*word)).filter_map(|end| assigned(lower, end));
    let after_bearer = ends("bearer ").map(|start| value(lower, start));
    let mut values: Vec<_> = after_words.chain(after_bearer).filter(|value| !value.is_empty()).collect();
    values.sort_by_key(|value| value.start);
    values
}

/// The value that is assigned to a word which ends here.
fn assigned(lower: &str, end: usize) -> Option<Range<usize>> {
    const QUOTES: [char; 4] = ['"', '\'', '\\', ' '];
    let rest = lower[end..].trim_start_matches(QUOTES).strip_prefix(['=', ':', '>'])?;
    Some(value(lower, lower.len() - rest.trim_start_matches(QUOTES).len()))
}

fn value(lower: &str, start: usize) -> Range<usize> {
    let is_end = |c: char| is_end(c) || matches!(c, '&' | ',' | ';');
    start..lower[start..].find(is_end).map_or(lower.len(), |length| start + length)
}

/// Whether a URL or a value ends before this.
fn is_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | '<' | '>' | '(' | ')' | '{' | '}')
}

// === impl Cause ===

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        let account = r#"{"private_key": "-----BEGIN PRIVATE KEY-----MIIE", "client_id": "117"}"#;
        let settings = [
            ("aws_access_key_id", "AKIAEXAMPLE"),
            ("aws_secret_access_key", "wJal/rXUt+nFEMI"),
            ("aws_endpoint", "http://127.0.0.1:9000"),
            ("aws_sse_bucket_key_enabled", "true"),
            ("google_service_account_key", account),
        ];
        Redactor::new(&settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let table = [
            ("no secret is in here, true", "no secret is in here, true"),
            ("key wJal/rXUt+nFEMI of AKIAEXAMPLE", "key *** of ***"),
            ("at http://127.0.0.1:9000/a/b", "at http://127.0.0.1:9000/a/b"),
            ("GET https://u:p@host:1/a?sv=1&sig=x%2B (in 3ms)", "GET https://host:1/a?*** (in 3ms)"),
            ("s3://AKIA:se/cr@et@bucket/a", "s3://bucket/a"),
            ("/a?X-Amz-Signature=abc&X-Amz-Expires=3", "/a?X-Amz-Signature=***&X-Amz-Expires=3"),
            ("?sv=2024&sig=abc%3D", "?sv=2024&sig=***"),
            ("Authorization: Bearer ya29.abc-_~+/=, Host: h", "Authorization: Bearer ***, Host: h"),
            ("Credential=AK/20260101/s3, SignedHeaders=host", "Credential=***, SignedHeaders=host"),
            ("<AWSAccessKeyId>ASIA1</AWSAccessKeyId>", "<AWSAccessKeyId>***</AWSAccessKeyId>"),
            ("<SignatureProvided>ab=</SignatureProvided>", "<SignatureProvided>***</SignatureProvided>"),
            (r#"{"access_token": "ya29", "expires_in": 3}"#, r#"{"access_token": "***", "expires_in": 3}"#),
            (r#"{\"refresh_token\":\"1//0g\"}"#, r#"{\"refresh_token\":\"***\"}"#),
            ("AccountName=a;AccountKey=abc==;Suffix=b", "AccountName=a;AccountKey=***;Suffix=b"),
            ("x-amz-security-token:IQoJb3\n  host:h", "x-amz-security-token:*** host:h"),
            ("cannot parse -----BEGIN PRIVATE KEY-----MIIE", "cannot parse ***"),
        ];
        let redactor = redactor();
        for (text, clean) in table {
            assert_eq!(redactor.clean(text), clean);
        }
    }

    #[test]
    fn each_cause_says_its_own_part() {
        #[derive(Debug)]
        struct Nested(&'static str, Option<Box<Nested>>);
        impl fmt::Display for Nested {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)?;
                self.1.iter().try_for_each(|inner| write!(f, ": {inner}"))
            }
        }
        impl StdError for Nested {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                self.1.as_deref().map(|inner| inner as _)
            }
        }
        let error = Nested("outer", Some(Box::new(Nested("token=a", Some(Box::new(Nested("inner", None)))))));
        let chain = redactor().chain(&error);
        let texts: Vec<String> =
            successors(Some(&chain as &dyn StdError), |&error| error.source()).map(|error| error.to_string()).collect();
        assert_eq!(texts, ["outer", "token=***", "inner"]);
    }
}
