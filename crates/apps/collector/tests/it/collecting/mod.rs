//! From a program to a lake, over the collector's own endpoint.

mod control;
mod delivery;
mod hostile;
mod network;
mod plugins;
mod stand;
