//! Patterns of field names: plain text in which `*` stands for anything, also for nothing; case does not matter.

/// Whether a name fits a pattern.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut of) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: there, with one byte more swallowed by it.
    let mut star: Option<(usize, usize)> = None;
    while of < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, of));
                at += 1;
            }
            Some(byte) if byte.eq_ignore_ascii_case(&name[of]) => (at, of) = (at + 1, of + 1),
            _ => match &mut star {
                Some((behind, swallowed)) => {
                    *swallowed += 1;
                    (at, of) = (*behind, *swallowed);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_anything_and_case_does_not_matter() {
        for name in ["password", "Password", "user_PASSWORD", "password2", "a.password.b", "passpassword"] {
            assert!(fits("*password*", name), "{name}");
        }
        assert!(fits("*", "") && fits("**", "x") && fits("", "") && fits("a*b*c", "aXbbYc") && fits("*é", "café"));
        for (pattern, name) in [("password", "passwords"), ("*_token", "token"), ("a*b*c", "acb"), ("", "a"), ("a", "")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_that_wants_to_be_slow_is_not() {
        assert!(!fits(&"a*".repeat(30), &"a".repeat(29)));
        assert!(!fits(&format!("{}b", "*a".repeat(100)), &"a".repeat(10_000)));
    }
}
