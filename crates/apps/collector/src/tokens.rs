//! Tokens: who may send, and who may ask for other levels.

use std::hint::black_box;
use std::net::IpAddr;

use spanlake_core::Secret;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Right {
    /// Send records.
    Publish,
    /// Ask services for other levels, and see what was asked for.
    Control,
}

/// A token and what it opens.
#[derive(Clone, Debug)]
pub struct Token {
    /// Whose it is, for messages and counters.
    pub name: String,
    /// What is sent as `Authorization: Bearer …`.
    pub secret: Secret<String>,
    /// What it opens.
    pub rights: Vec<Right>,
}

/// All tokens of a collector. Without any, whoever gets to it from its own machine may do everything, and nobody else anything.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<Token>);

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No token, or one that nobody has.
    Unknown,
    /// The token opens something else.
    Forbidden,
}

impl Tokens {
    /// These.
    pub fn new(tokens: Vec<Token>) -> Self {
        Self(tokens)
    }

    /// Whether nobody needs one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether whoever sends this header from there may do it; gives the name of the token, which is empty where nobody needs
    /// one.
    pub fn allow(&self, right: Right, authorization: Option<&[u8]>, from: IpAddr) -> Result<&str, Denied> {
        if self.0.is_empty() {
            return if from.to_canonical().is_loopback() { Ok("") } else { Err(Denied::Unknown) };
        }
        let sent = authorization.and_then(|header| header.strip_prefix(b"Bearer ")).unwrap_or_default();
        // All are compared, so that the time says nothing about which one is nearly right.
        let found =
            self.0.iter().fold(
                None,
                |found, token| {
                    if is_same(token.secret.expose().as_bytes(), sent) { Some(token) } else { found }
                },
            );
        let token = found.ok_or(Denied::Unknown)?;
        if token.rights.contains(&right) { Ok(&token.name) } else { Err(Denied::Forbidden) }
    }
}

/// Compares in a time that depends on nothing but the length of what was sent.
fn is_same(secret: &[u8], sent: &[u8]) -> bool {
    if secret.is_empty() {
        return false;
    }
    let differs = |(at, byte): (usize, &u8)| byte ^ secret.get(at % secret.len()).copied().unwrap_or(0);
    let differences = sent.iter().enumerate().map(differs).fold(0, |all, one| black_box(all | one));
    differences == 0 && secret.len() == sent.len()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    fn token(name: &str, secret: &str, rights: &[Right]) -> Token {
        Token { name: name.to_owned(), secret: Secret::new(secret.to_owned()), rights: rights.to_vec() }
    }

    #[test]
    fn a_token_opens_what_it_opens_and_nothing_else() {
        let tokens = Tokens::new(vec![
            token("orders", "o-secret", &[Right::Publish]),
            token("operator", "op", &[Right::Control]),
            token("empty", "", &[Right::Publish, Right::Control]),
        ]);
        let table: [(Right, Option<&str>, Result<&str, Denied>); 9] = [
            (Right::Publish, Some("Bearer o-secret"), Ok("orders")),
            (Right::Control, Some("Bearer op"), Ok("operator")),
            (Right::Control, Some("Bearer o-secret"), Err(Denied::Forbidden)),
            (Right::Publish, Some("Bearer o-secre"), Err(Denied::Unknown)),
            (Right::Publish, Some("Bearer o-secreto-secret"), Err(Denied::Unknown)),
            (Right::Publish, Some("Bearer opop"), Err(Denied::Unknown)),
            (Right::Publish, Some("Bearer "), Err(Denied::Unknown)),
            (Right::Publish, Some("o-secret"), Err(Denied::Unknown)),
            (Right::Publish, None, Err(Denied::Unknown)),
        ];
        for (right, header, allowed) in table {
            for from in [HERE, ELSEWHERE] {
                assert_eq!(tokens.allow(right, header.map(str::as_bytes), from), allowed, "{header:?}");
            }
        }
    }

    #[test]
    fn without_tokens_only_the_own_machine_gets_in() {
        let none = Tokens::default();
        let mapped = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
        for from in [HERE, IpAddr::V6(Ipv6Addr::LOCALHOST), mapped] {
            assert_eq!(none.allow(Right::Control, None, from), Ok(""));
        }
        assert_eq!(none.allow(Right::Publish, Some(b"Bearer x"), ELSEWHERE), Err(Denied::Unknown));
    }
}
