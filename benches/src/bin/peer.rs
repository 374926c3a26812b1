//! Runs one peer once in this process and prints one line of JSON.

use clap::Parser;
use spanlake_benches::{Result, order::Order};

fn main() -> Result<()> {
    Order::parse().run()
}
