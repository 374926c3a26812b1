//! A fault: what is wrong at a place, before it is put into words for people.

use crate::node::Span;

/// Something that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) span: Span,
    /// The key path; empty for what is wrong with the file as a whole.
    pub(crate) key: String,
    pub(crate) message: Box<str>,
    pub(crate) expected: Option<String>,
    pub(crate) hint: Option<String>,
    /// Whether the file could not be read because of it, so that nothing else can be told.
    pub(crate) is_fatal: bool,
}

impl Fault {
    /// `message` is a lowercase fragment without a full stop.
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        let message = message.into().into_boxed_str();
        Self { span, key: String::new(), message, expected: None, hint: None, is_fatal: false }
    }

    pub(crate) fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub(crate) fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The file cannot be read further.
    pub(crate) fn at_once(mut self) -> Self {
        self.is_fatal = true;
        self
    }
}

/// `did you mean …?`, when there is a word near enough.
pub(crate) fn did_you_mean<'a>(typed: &str, words: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(typed, words).map(|word| format!("did you mean `{word}`?"))
}

/// The word that takes the fewest changes, if those are a third of it at most.
pub(crate) fn nearest<'a>(typed: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer ones are not meant, and the distance takes the product of both lengths.
    let typed: String = typed.chars().take(64).flat_map(char::to_lowercase).collect();
    let most = |word: &str| (typed.chars().count().max(word.chars().count()) / 3).max(1);
    let distance = |word: &str| strsim::osa_distance(&typed, &word.to_lowercase());
    let near = words.into_iter().map(|word| (distance(word), word));
    near.filter(|(distance, word)| *distance <= most(word)).min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

/// `` `a`, `b` or `c` ``
pub(crate) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}
