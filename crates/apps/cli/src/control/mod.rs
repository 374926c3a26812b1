//! `spanlake control`: asks a collector which levels services are to record at.

mod client;

use serde_json::{Value, json};

use crate::Failure;
use crate::args::{ClearArgs, ControlCommand, GetArgs, SetArgs};
use crate::line::{DIM, Line, PLAIN};
use crate::screen::Screen;
use client::Client;

pub(crate) fn run(command: &ControlCommand, screen: &mut Screen) -> Result<(), Failure> {
    match command {
        ControlCommand::Set(args) => set(args, screen),
        ControlCommand::Get(args) => get(args, screen),
        ControlCommand::Clear(args) => clear(args, screen),
    }
}

fn set(args: &SetArgs, screen: &mut Screen) -> Result<(), Failure> {
    let millis = args.lasts.map(|lasts| u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
    let wanted = json!({ "directives": args.all().to_string(), "for_ms": millis });
    let asked = Client::new(&args.collector)?.put(&args.service, &wanted)?;
    show(&asked, screen)
}

fn get(args: &GetArgs, screen: &mut Screen) -> Result<(), Failure> {
    let asked = Client::new(&args.collector)?.get(args.service.as_deref())?;
    if args.json {
        writeln!(screen.raw(), "{asked}")?;
        return Ok(screen.flush()?);
    }
    match asked.get("services").and_then(Value::as_array) {
        None => show(&asked, screen),
        Some(services) if services.is_empty() => {
            screen.line(Line::new().put(DIM, "no service is asked for anything"))?;
            Ok(screen.flush()?)
        }
        Some(services) => services.iter().try_for_each(|asked| show(asked, screen)),
    }
}

fn clear(args: &ClearArgs, screen: &mut Screen) -> Result<(), Failure> {
    let asked = Client::new(&args.collector)?.delete(&args.service)?;
    show(&asked, screen)
}

/// One service and what it is asked for.
fn show(asked: &Value, screen: &mut Screen) -> Result<(), Failure> {
    let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut line = Line::new();
    line.data(PLAIN, text("service")).put(PLAIN, "  ");
    match text("directives") {
        "" => line.put(DIM, "nothing is asked for"),
        directives => line.data(PLAIN, directives),
    };
    screen.line(&line)?;
    Ok(screen.flush()?)
}
