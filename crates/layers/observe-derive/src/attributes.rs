//! What stands in `#[observe(…)]`, and what of it makes no sense together.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, Expr, LitStr, Path, Result};

/// What is said of the struct.
#[derive(Default)]
pub(crate) struct OfStruct {
    pub(crate) name: Option<Expr>,
    pub(crate) is_task: bool,
    pub(crate) phases: Phases,
    pub(crate) group: Option<String>,
    pub(crate) also: Option<Path>,
}

/// What is said of a field.
#[derive(Default)]
pub(crate) struct OfField {
    pub(crate) phases: Phases,
    pub(crate) group: Option<String>,
    pub(crate) rename: Option<String>,
    pub(crate) form: Form,
    /// The word by which it is the object's name.
    pub(crate) name: Option<Path>,
    /// The word by which it is the object's clock.
    pub(crate) time: Option<Path>,
    pub(crate) is_skipped: bool,
    /// All words, in their order.
    words: Vec<Path>,
}

/// When a field is dumped.
#[derive(Clone, Copy, Default)]
pub(crate) struct Phases {
    pub(crate) enter: bool,
    pub(crate) exit: bool,
}

/// What of a field is dumped.
#[derive(Default)]
pub(crate) enum Form {
    /// The value.
    #[default]
    Plain,
    /// What a function makes of it.
    With(Path),
    Debug,
    Redacted,
    /// What it says itself, being an object.
    Nested,
}

/// The words of which a field has one at most: each says what is dumped of it.
const FORMS: [&str; 4] = ["with", "debug", "redact", "nested"];

// === impl OfStruct ===

impl OfStruct {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut of = Self::default();
        each(attributes, |meta| of.take(meta))?;
        Ok(of)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match word(&meta.path).as_str() {
            "name" => self.name = Some(meta.value()?.parse()?),
            "task" => self.is_task = true,
            "input" => self.phases.enter = true,
            "output" => self.phases.exit = true,
            "group" => self.group = Some(text(meta)?),
            "also" => self.also = Some(meta.value()?.parse()?),
            _ => return Err(meta.error("a struct has `name`, `task`, `input`, `output`, `group`, `also`")),
        }
        Ok(())
    }
}

// === impl OfField ===

impl OfField {
    /// What is said of a field of a struct that says `of_all` about all of its.
    pub(crate) fn read(attributes: &[Attribute], of_all: &OfStruct) -> Result<Self> {
        let mut of = Self::default();
        of.words = each(attributes, |meta| of.take(meta))?;
        of.check(of_all)?;
        Ok(of)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match word(&meta.path).as_str() {
            "input" => self.phases.enter = true,
            "output" => self.phases.exit = true,
            "group" => self.group = Some(text(meta)?),
            "rename" => self.rename = Some(text(meta)?),
            "with" => self.form = Form::With(meta.value()?.parse()?),
            "debug" => self.form = Form::Debug,
            "redact" => self.form = Form::Redacted,
            "nested" => self.form = Form::Nested,
            "name" => self.name = Some(meta.path.clone()),
            "time" => self.time = Some(meta.path.clone()),
            "skip" => self.is_skipped = true,
            _ => {
                let known =
                    "`input`, `output`, `group`, `rename`, `with`, `debug`, `redact`, `nested`, `name`, `time`, `skip`";
                return Err(meta.error(format!("a field has {known}")));
            }
        }
        Ok(())
    }

    /// When it is dumped: as it says, else as its struct says of all fields. A nested object chooses itself.
    pub(crate) fn phases(&self, of_all: &OfStruct) -> Phases {
        match () {
            () if self.is_skipped => Phases::default(),
            () if self.phases.is_any() => self.phases,
            () if self.is_nested() => Phases::both(),
            () if self.name.is_some() || self.time.is_some() => Phases::default(),
            () => of_all.phases,
        }
    }

    pub(crate) fn is_nested(&self) -> bool {
        matches!(self.form, Form::Nested)
    }

    /// Refuses words that contradict each other, lest one of them does nothing: least of all `redact`.
    fn check(&self, of_all: &OfStruct) -> Result<()> {
        let find =
            |wanted: &[&str]| self.words.iter().filter(|path| wanted.contains(&&*word(path))).collect::<Vec<_>>();
        if let [_, second, ..] = find(&FORMS)[..] {
            return Err(Error::new_spanned(second, "a field has one of `with`, `debug`, `redact`, `nested`"));
        }
        if let ([redact], true) = (&find(&["redact"])[..], self.name.is_some() || self.time.is_some()) {
            return Err(Error::new_spanned(redact, "records tell the name and the time of an object"));
        }
        if let ([group], true) = (&find(&["group"])[..], self.is_nested()) {
            return Err(Error::new_spanned(group, "a nested object has groups of its own"));
        }
        if let (true, Some(other)) = (self.is_skipped, self.words.iter().find(|path| word(path) != "skip")) {
            return Err(Error::new_spanned(other, "a field that is skipped has nothing else"));
        }
        let how = find(&["with", "debug", "redact", "group", "rename"]);
        match how.first() {
            Some(how) if !self.phases(of_all).is_any() => {
                Err(Error::new_spanned(how, "the field is not dumped: say `input` or `output` as well"))
            }
            _ => Ok(()),
        }
    }
}

// === impl Phases ===

impl Phases {
    pub(crate) fn is_any(self) -> bool {
        self.enter || self.exit
    }

    fn both() -> Self {
        Self { enter: true, exit: true }
    }
}

/// Takes each word, and gives all of them. None may stand there twice.
fn each(attributes: &[Attribute], mut take: impl FnMut(&ParseNestedMeta<'_>) -> Result<()>) -> Result<Vec<Path>> {
    let mut words: Vec<Path> = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("observe")) {
        attribute.parse_nested_meta(|meta| {
            if words.iter().any(|known| word(known) == word(&meta.path)) {
                return Err(meta.error("this stands here twice"));
            }
            words.push(meta.path.clone());
            take(&meta)
        })?;
    }
    Ok(words)
}

fn word(path: &Path) -> String {
    path.get_ident().map(ToString::to_string).unwrap_or_default()
}

fn text(meta: &ParseNestedMeta<'_>) -> Result<String> {
    Ok(meta.value()?.parse::<LitStr>()?.value())
}
