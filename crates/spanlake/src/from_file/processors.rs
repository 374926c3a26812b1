//! The processors of a file.

use spanlake_config::Scalar;
use spanlake_config::settings::{self, Processor as Asked};
use spanlake_core::processors::{
    AddCallsite, AddDefaults, CallsiteParameter, FilterByLevel, FilterByTarget, FilterKeys, Redact, Rename,
    StripMarkup, StructuredErrors,
};
use spanlake_core::value::Value;
use spanlake_core::{Error, Loss, Processor, Record};
use spanlake_scope::observe::{ContextFilter, TimeFilter};

/// Steps that were asked for, one after the other.
pub(super) struct Steps(Vec<Box<dyn Processor>>);

/// The steps, in order; the only thing that can be wrong with one is a pattern.
pub(super) fn steps(asked: &[Asked]) -> Result<Steps, Error> {
    let steps = asked.iter().map(step).collect::<Result<Vec<_>, _>>()?;
    Ok(Steps(steps.into_iter().flatten().collect()))
}

impl Processor for Steps {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        self.0.iter_mut().for_each(|step| step.process(records));
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        self.0.iter_mut().flat_map(|step| step.take_losses()).collect()
    }
}

type Made = Result<Vec<Box<dyn Processor>>, Error>;

fn step(asked: &Asked) -> Made {
    let one: Box<dyn Processor> = match asked {
        Asked::FilterByLevel(filter) => Box::new(FilterByLevel::new(filter.level)),
        Asked::FilterByTarget(filter) => match &filter.drop {
            Some(prefixes) => Box::new(FilterByTarget::drop(prefixes)),
            None => Box::new(FilterByTarget::keep(filter.keep.iter().flatten())),
        },
        Asked::FilterByContext(filter) => Box::new(context(&filter.names)),
        Asked::FilterByTime(filter) => Box::new(time(filter.start)),
        Asked::FilterKeys(filter) => Box::new(FilterKeys::new(&filter.remove)),
        Asked::AddCallsite(add) => Box::new(AddCallsite::new(add.parameters.iter().filter_map(parameter))),
        Asked::AddDefaults(add) => {
            Box::new(AddDefaults::new(add.fields.iter().map(|(name, scalar)| (name, value(scalar)))))
        }
        Asked::StructuredErrors => Box::new(StructuredErrors::new()),
        Asked::StripMarkup => Box::new(StripMarkup::new()),
        Asked::Redact(redact) => return self::redact(redact),
        Asked::Rename(rename) => Box::new(Rename::new(rename.names.iter().map(|(from, to)| (from, to.as_str())))),
        _ => return Ok(Vec::new()),
    };
    Ok(vec![one])
}

fn context(names: &[String]) -> ContextFilter {
    let filter = ContextFilter::new();
    filter.set(names);
    filter
}

fn time(start: f64) -> TimeFilter {
    let filter = TimeFilter::new();
    filter.set(start);
    filter
}

/// By names, then by patterns.
fn redact(redact: &settings::RedactFields) -> Made {
    let mut steps: Vec<Box<dyn Processor>> = Vec::new();
    if !redact.keys.is_empty() {
        steps.push(Box::new(Redact::keys(&redact.keys)));
    }
    #[cfg(feature = "patterns")]
    if !redact.patterns.is_empty() {
        steps.push(Box::new(Redact::patterns(redact.patterns.iter().map(|pattern| &**pattern))?));
    }
    Ok(steps)
}

fn parameter(asked: &settings::CallsiteParameter) -> Option<CallsiteParameter> {
    match asked {
        settings::CallsiteParameter::Module => Some(CallsiteParameter::Module),
        settings::CallsiteParameter::File => Some(CallsiteParameter::File),
        settings::CallsiteParameter::Line => Some(CallsiteParameter::Line),
        settings::CallsiteParameter::Function => Some(CallsiteParameter::Function),
        _ => None,
    }
}

/// A scalar as the value of a field.
pub(super) fn value(scalar: &Scalar) -> Value<'static> {
    match scalar {
        Scalar::Bool(truth) => Value::from(*truth),
        Scalar::Integer(number) => Value::from(*number),
        Scalar::Number(number) => Value::from(*number),
        Scalar::Text(text) => Value::from(text.clone()),
        other => Value::from(other.to_string()),
    }
}
