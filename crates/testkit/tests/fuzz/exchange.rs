//! Any bytes as what goes beside a batch: the name of a service, a head, and a reply with levels; each is refused, or the same when
//! it is written and read again.

use spanlake_core::Directives;
use spanlake_wire::exchange::{Head, Reply, escaped, unescaped};

pub(crate) fn check(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert_eq!(unescaped(&escaped(text)).as_deref(), Some(text));
        if let Some(service) = unescaped(text) {
            assert_eq!(unescaped(&escaped(&service)), Some(service));
        }
        if let Some(head) = Head::read(text) {
            assert_eq!(Head::read(&head.to_string()), Some(head));
        }
        check_directives(text);
    }
    let Ok(reply) = serde_json::from_slice::<Reply>(bytes) else {
        return;
    };
    let written = serde_json::to_vec(&reply).expect("a reply is JSON");
    assert_eq!(serde_json::from_slice::<Reply>(&written).expect("what was just written"), reply);
    reply.verbosity.iter().for_each(|verbosity| check_directives(&verbosity.directives));
}

fn check_directives(text: &str) {
    if let Ok(directives) = text.parse::<Directives>() {
        let again = directives.to_string().parse::<Directives>();
        assert_eq!(again.expect("what was just written").to_string(), directives.to_string());
    }
}
