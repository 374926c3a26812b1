//! What files mean, what is said of those that are wrong, and where values come from.

mod broken;
mod collector;
mod defaults;
mod environment;
mod explain;
mod formats;
mod guide;
mod hostile;
mod schema;
