//! From a program to a lake, over the collector's own endpoint.

mod authority;
mod control;
mod delivery;
mod grpc;
mod hostile;
pub(crate) mod network;
mod plugins;
mod poison;
mod quota;
mod settings;
mod slow;
pub(crate) mod stand;
mod status;
mod tls;
mod tokens;
