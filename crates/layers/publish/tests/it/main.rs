//! Publishing, to a receiver that a test holds in its hand.

mod publish;
mod receiver;
