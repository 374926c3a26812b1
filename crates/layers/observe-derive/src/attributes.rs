//! What stands in `#[observe(…)]`.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Expr, LitStr, Path, Result};

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
    pub(crate) is_nested: bool,
    pub(crate) is_name: bool,
    pub(crate) is_time: bool,
    pub(crate) is_skipped: bool,
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
}

impl OfStruct {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut of = Self::default();
        each(attributes, |meta| {
            match word(meta).as_str() {
                "name" => of.name = Some(meta.value()?.parse()?),
                "task" => of.is_task = true,
                "input" => of.phases.enter = true,
                "output" => of.phases.exit = true,
                "group" => of.group = Some(text(meta)?),
                "also" => of.also = Some(meta.value()?.parse()?),
                _ => return Err(meta.error("a struct has `name`, `task`, `input`, `output`, `group`, `also`")),
            }
            Ok(())
        })?;
        Ok(of)
    }
}

impl OfField {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut of = Self::default();
        each(attributes, |meta| of.take(meta))?;
        Ok(of)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match word(meta).as_str() {
            "input" => self.phases.enter = true,
            "output" => self.phases.exit = true,
            "group" => self.group = Some(text(meta)?),
            "rename" => self.rename = Some(text(meta)?),
            "with" => self.form = Form::With(meta.value()?.parse()?),
            "debug" => self.form = Form::Debug,
            "redact" => self.form = Form::Redacted,
            "nested" => self.is_nested = true,
            "name" => self.is_name = true,
            "time" => self.is_time = true,
            "skip" => self.is_skipped = true,
            _ => {
                let known =
                    "`input`, `output`, `group`, `rename`, `with`, `debug`, `redact`, `nested`, `name`, `time`, `skip`";
                return Err(meta.error(format!("a field has {known}")));
            }
        }
        Ok(())
    }
}

impl Phases {
    pub(crate) fn is_any(self) -> bool {
        self.enter || self.exit
    }

    pub(crate) fn both() -> Self {
        Self { enter: true, exit: true }
    }
}

fn each(attributes: &[Attribute], mut take: impl FnMut(&ParseNestedMeta<'_>) -> Result<()>) -> Result<()> {
    let ours = attributes.iter().filter(|attribute| attribute.path().is_ident("observe"));
    ours.into_iter().try_for_each(|attribute| attribute.parse_nested_meta(|meta| take(&meta)))
}

fn word(meta: &ParseNestedMeta<'_>) -> String {
    meta.path.get_ident().map(ToString::to_string).unwrap_or_default()
}

fn text(meta: &ParseNestedMeta<'_>) -> Result<String> {
    Ok(meta.value()?.parse::<LitStr>()?.value())
}
