//! Tokens: who may send, and who may ask for other levels.

use std::hint::black_box;
use std::net::IpAddr;
use std::time::SystemTime;

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
    /// From when on it opens nothing.
    pub expires: Option<SystemTime>,
}

/// All tokens of a collector. Without any, whoever gets to it from its own machine may do everything, and nobody else anything.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<Token>);

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No token, or one that nobody has.
    Unknown,
    /// The token's time is over.
    Expired,
    /// The token opens something else.
    Forbidden,
}

impl Token {
    /// One that opens this for ever.
    pub fn new(name: impl Into<String>, secret: Secret<String>, rights: impl Into<Vec<Right>>) -> Self {
        Self { name: name.into(), secret, rights: rights.into(), expires: None }
    }

    /// Until then.
    pub fn expires(mut self, at: SystemTime) -> Self {
        self.expires = Some(at);
        self
    }
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

    /// The names of those that expire, and when.
    pub fn expiries(&self) -> impl Iterator<Item = (&str, SystemTime)> {
        self.0.iter().filter_map(|token| Some((token.name.as_str(), token.expires?)))
    }

    /// Whether whoever sends this header from there may do it now; gives the name of the token, which is empty where nobody needs
    /// one.
    pub fn allow(
        &self,
        right: Right,
        authorization: Option<&[u8]>,
        from: IpAddr,
        now: SystemTime,
    ) -> Result<&str, Denied> {
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
        match () {
            () if token.expires.is_some_and(|at| at <= now) => Err(Denied::Expired),
            () if !token.rights.contains(&right) => Err(Denied::Forbidden),
            () => Ok(&token.name),
        }
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
    use std::time::Duration;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    fn token(name: &str, secret: &str, rights: &[Right]) -> Token {
        Token::new(name, Secret::new(secret.to_owned()), rights)
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
                assert_eq!(
                    tokens.allow(right, header.map(str::as_bytes), from, SystemTime::now()),
                    allowed,
                    "{header:?}"
                );
            }
        }
    }

    #[test]
    fn a_token_opens_until_it_expires_and_one_of_the_same_name_goes_on() {
        let now = SystemTime::now();
        let tokens = Tokens::new(vec![
            token("orders", "old", &[Right::Publish]).expires(now),
            token("orders", "next", &[Right::Publish]),
        ]);
        let allow =
            |secret: &str, at| tokens.allow(Right::Publish, Some(format!("Bearer {secret}").as_bytes()), HERE, at);
        assert_eq!(allow("old", now - Duration::from_nanos(1)), Ok("orders"));
        assert_eq!(allow("old", now), Err(Denied::Expired));
        assert_eq!(allow("next", now), Ok("orders"));
        let control = tokens.allow(Right::Control, Some(b"Bearer old"), HERE, now);
        assert_eq!(control, Err(Denied::Expired), "what it opened is nobody's business any more");
        assert_eq!(tokens.expiries().collect::<Vec<_>>(), [("orders", now)]);
    }

    #[test]
    fn without_tokens_only_the_own_machine_gets_in() {
        let none = Tokens::default();
        let mapped = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
        for from in [HERE, IpAddr::V6(Ipv6Addr::LOCALHOST), mapped] {
            assert_eq!(none.allow(Right::Control, None, from, SystemTime::now()), Ok(""));
        }
        assert_eq!(none.allow(Right::Publish, Some(b"Bearer x"), ELSEWHERE, SystemTime::now()), Err(Denied::Unknown));
    }
}
