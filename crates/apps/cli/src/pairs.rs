//! Fields in a line: ` name=value`, as the system log has them.

use spanlake_query::fields;

use crate::line::{DIM, Line, PLAIN};

/// Puts all fields of a JSON object; what is no object is put as it stands.
pub(crate) fn put_fields(line: &mut Line, json: &str) {
    match fields::pairs(json) {
        Some(pairs) => pairs.iter().for_each(|(name, value)| put_pair(line, name, value)),
        None => put_pair(line, "fields", json),
    }
}

/// Puts the fields of `context` that `inherited` does not have with the same value.
pub(crate) fn put_own(line: &mut Line, context: &str, inherited: Option<&str>) {
    let own = fields::pairs(context).unwrap_or_default();
    let inherited = inherited.and_then(fields::pairs).unwrap_or_default();
    own.iter().filter(|pair| !inherited.contains(pair)).for_each(|(name, value)| put_pair(line, name, value));
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
