//! From a program to a lake by way of JetStream, the real server; and back with the levels that are asked for.

mod levels;
mod server;
mod settling;
mod taking;
