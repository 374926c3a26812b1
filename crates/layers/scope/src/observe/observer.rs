//! What an object says when it is asked.

use std::fmt::Display;

use spanlake_core::Level;
use spanlake_core::observed::PREFIX;

use super::Phase;
use super::site::Site;
use super::value::AsValue;
use super::values::Values;

/// Takes what an observed object says: records at any level, and named groups of values.
///
/// What nobody listens to is not kept, and costs a comparison; [`wants_values`](Self::wants_values) and
/// [`wants`](Self::wants) say so beforehand, for what is dear to work out.
#[derive(Debug)]
pub struct Observer {
    site: &'static Site,
    phase: Phase,
    wants_values: bool,
    pub(super) is_skipped: bool,
    pub(super) records: Vec<Said>,
    pub(super) values: Values,
    /// The nested objects that are being asked, each with a dot; behind that the names of a group and of a value while it
    /// is put.
    name: String,
    /// How long the first part of that is.
    above: usize,
}

/// A record that an object wants written.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) level: Level,
    pub(super) message: String,
    pub(super) fields: Values,
}

/// Takes the fields of a record.
#[derive(Debug)]
pub struct Entry<'a>(Option<&'a mut Values>);

/// Takes the values of a group.
#[derive(Debug)]
pub struct Group<'a> {
    /// Nothing where nobody listens.
    out: Option<&'a mut Observer>,
    /// How long its name is, with what stands before it.
    len: usize,
}

impl Observer {
    pub(super) fn new(site: &'static Site, phase: Phase) -> Self {
        Self {
            site,
            phase,
            wants_values: site.is_dumped(),
            is_skipped: false,
            records: Vec::new(),
            values: Values::default(),
            name: String::new(),
            above: 0,
        }
    }

    /// When the object is being asked.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether somebody listens at `TRACE`, so that values are kept.
    pub fn wants_values(&self) -> bool {
        self.wants_values
    }

    /// Whether somebody listens at this level.
    pub fn wants(&self, level: Level) -> bool {
        self.site.is_enabled(level)
    }

    /// A record of the object's own, with fields: behind the line that it enters, or before the one that it exits.
    pub fn record(&mut self, level: Level, message: impl Display) -> Entry<'_> {
        if !self.wants(level) {
            return Entry(None);
        }
        self.records.push(Said { level, message: message.to_string(), fields: Values::default() });
        Entry(self.records.last_mut().map(|said| &mut said.fields))
    }

    /// A group of values: inputs as a rule when the object enters, outputs when it exits. In the lake each is a field
    /// `<group>.<name>`; a dot in the name of a group becomes `_`, and the name
    /// `observed` gets one.
    pub fn group(&mut self, name: &str) -> Group<'_> {
        if !self.wants_values {
            return Group { out: None, len: 0 };
        }
        let len = self.put_part(name);
        Group { out: Some(self), len }
    }

    /// Asks a part of the object, whose groups become parts of a group with the part's name.
    pub fn nested(&mut self, name: &str, ask: impl FnOnce(&mut Self)) {
        let (above, is_skipped) = (self.above, self.is_skipped);
        self.above = self.put_part(name);
        ask(self);
        self.above = above;
        // The line is not the part's.
        self.is_skipped = is_skipped;
    }

    /// Leaves the line out that says that the object enters, or exits. Records and values stay.
    pub fn skip(&mut self) {
        self.is_skipped = true;
    }

    /// Puts a part with a dot behind what stands above, and gives where it ends.
    fn put_part(&mut self, name: &str) -> usize {
        self.name.truncate(self.above);
        self.name.extend(name.chars().map(|c| if c == '.' { '_' } else { c }));
        if self.name.len() + 1 == PREFIX.len() && PREFIX.starts_with(&self.name) {
            // Else its values would pass for what is said of the object.
            self.name.push('_');
        }
        self.name.push('.');
        self.name.len()
    }
}

impl Entry<'_> {
    /// A field of the record.
    pub fn field(&mut self, name: &str, value: &(impl AsValue + ?Sized)) -> &mut Self {
        if let Some(fields) = &mut self.0 {
            fields.put(name, value);
        }
        self
    }
}

impl Group<'_> {
    /// A value of the group.
    pub fn value(&mut self, name: &str, value: &(impl AsValue + ?Sized)) -> &mut Self {
        if let Some(out) = &mut self.out {
            out.name.truncate(self.len);
            out.name.push_str(name);
            out.values.put(&out.name, value);
        }
        self
    }
}
