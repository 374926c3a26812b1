//! From a program to a lake, over the collector's own endpoint.

mod control;
mod delivery;
#[cfg(feature = "forward")]
mod forward;
mod hostile;
mod network;
#[cfg(feature = "otlp")]
mod otlp;
mod plugins;
#[cfg(feature = "redis")]
mod redis;
mod settings;
mod stand;
mod status;
