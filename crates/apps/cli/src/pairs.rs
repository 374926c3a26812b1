//! Fields in a line: ` name=value`, as the system log has them.

use std::borrow::Cow;

use spanlake_core::observed::PREFIX;
use spanlake_query::fields;

use crate::line::{DIM, Line, PLAIN};

/// A name and the text of its value.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Puts all fields of a JSON object; what is no object is put as it stands. Those that tell of observed objects are left
/// out, as the system log does: the message says the same.
pub(crate) fn put_fields(line: &mut Line, json: &str) {
    match fields::pairs(json) {
        Some(pairs) => told(&pairs).for_each(|(name, value)| put_pair(line, name, value)),
        None => put_pair(line, "fields", json),
    }
}

/// Puts the fields of `context` that `inherited` does not have with the same value.
pub(crate) fn put_own(line: &mut Line, context: &str, inherited: Option<&str>) {
    let own = fields::pairs(context).unwrap_or_default();
    let inherited = inherited.and_then(fields::pairs).unwrap_or_default();
    told(&own).filter(|pair| !inherited.contains(pair)).for_each(|(name, value)| put_pair(line, name, value));
}

fn told<'p, 'a>(pairs: &'p [Pair<'a>]) -> impl Iterator<Item = &'p Pair<'a>> {
    pairs.iter().filter(|(name, _)| !name.starts_with(PREFIX))
}

fn put_pair(line: &mut Line, name: &str, value: &str) {
    let quoted = value.is_empty() || value.contains([' ', '"', '=']);
    line.put(PLAIN, " ").data(DIM, name).put(DIM, "=");
    if quoted {
        line.put(PLAIN, "\"").data(PLAIN, &value.replace('"', "\\\"")).put(PLAIN, "\"");
    } else {
        line.data(PLAIN, value);
    }
}
