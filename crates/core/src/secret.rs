//! Values that must not be read: in a record, a log or an error they are `***`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::error::{Category, Error, Stage};
use crate::value::Value;

/// What is shown of a [`Secret`], whatever its type and however long it is.
pub const HIDDEN: &str = "***";

/// A value that is `***` wherever it is shown: by `Debug` and `Display`, as the field of a record, in a task's context.
///
/// Whatever holds one may derive `Debug`. Only [`expose`](Self::expose) and [`into_inner`](Self::into_inner) give the
/// value, which makes the places that handle it easy to find; there is no `Deref` to pass it on unseen.
///
/// ```
/// use spanlake_core::Secret;
///
/// #[derive(Debug)]
/// struct Login {
///     user: &'static str,
///     password: Secret<String>,
/// }
///
/// let login = Login { user: "ada", password: Secret::from("correct horse".to_owned()) };
/// assert_eq!(format!("{login:?}"), r#"Login { user: "ada", password: *** }"#);
/// assert_eq!(login.password.expose(), "correct horse");
/// ```
///
/// It is recorded with a sigil, `tracing::info!(%password)`, or bound to a task as any other value.
///
/// # What it does not do
///
/// The memory is not wiped: when a secret is dropped, its bytes stay where they were until somebody else writes there,
/// and they may stand in a core dump. What is done with an exposed value is out of its hands.
///
/// `==` compares the values as their type does, so how long it takes can tell how much of a guess was right. Where a
/// stranger makes the guesses, compare what is exposed by means made for that.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, to be used and not to be shown.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value, hidden no longer.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// Padded and cut as the text `***` would be.
impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(HIDDEN)
    }
}

/// Padded and cut as the text `***` would be.
impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(HIDDEN)
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

/// Reads the value from text, such as a setting. The error says which type was wanted, and nothing of the text: the
/// type's own error may quote it, and is dropped.
impl<T: FromStr> FromStr for Secret<T> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.parse().map(Self).map_err(|_| {
            let error = Error::new(Stage::Configuration, "Secret", Category::Validation, "the secret cannot be read");
            error.with("type", std::any::type_name::<T>())
        })
    }
}

impl<T> From<Secret<T>> for Value<'_> {
    fn from(_: Secret<T>) -> Self {
        Value::Text(Cow::Borrowed(HIDDEN))
    }
}

impl<T> From<&Secret<T>> for Value<'_> {
    fn from(_: &Secret<T>) -> Self {
        Value::Text(Cow::Borrowed(HIDDEN))
    }
}
