//! What an observed object can give as a value.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use spanlake_core::{Secret, Value};

/// A value of an observed object: a number, a text, or such values in a row.
///
/// A library's vector or matrix gives a slice of its numbers, and anything else its `Debug` form: see [`Shown`].
///
/// A number that is missing in a row is NaN there, lest those behind it take its place.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no value that an observed object can give",
    note = "`#[observe(debug)]` gives the text of its `{{:?}}`, `#[observe(with = function)]` what a function makes of it"
)]
pub trait AsValue {
    /// The value, borrowed where it is a text; `None` where there is none, as for an `Option`.
    fn as_value(&self) -> Option<Value<'_>>;
}

/// Gives as a value the text that `{:?}` makes of it.
///
/// ```
/// use spanlake_scope::observe::{AsValue, Shown};
///
/// let value = Shown(&(1, "a")).as_value();
/// assert_eq!(value, Some(r#"(1, "a")"#.to_owned().into()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a, T: ?Sized>(pub &'a T);

macro_rules! as_value_by_copy {
    ($($of:ty),*) => {
        $(impl AsValue for $of {
            fn as_value(&self) -> Option<Value<'_>> {
                Some((*self).into())
            }
        })*
    };
}

as_value_by_copy!(bool, i8, i16, i32, i64, i128, u8, u16, u32, u64, u128, usize, f32, f64);

impl AsValue for isize {
    fn as_value(&self) -> Option<Value<'_>> {
        Some(Value::I64(*self as i64))
    }
}

impl AsValue for char {
    fn as_value(&self) -> Option<Value<'_>> {
        Some(self.to_string().into())
    }
}

impl AsValue for str {
    fn as_value(&self) -> Option<Value<'_>> {
        Some(self.into())
    }
}

impl AsValue for String {
    fn as_value(&self) -> Option<Value<'_>> {
        Some(self.into())
    }
}

impl AsValue for Value<'_> {
    fn as_value(&self) -> Option<Value<'_>> {
        Some(self.clone())
    }
}

impl<T: AsValue> AsValue for [T] {
    fn as_value(&self) -> Option<Value<'_>> {
        Some(Value::List(self.iter().map(|value| value.as_value().unwrap_or(Value::F64(f64::NAN))).collect()))
    }
}

impl<T: AsValue, const N: usize> AsValue for [T; N] {
    fn as_value(&self) -> Option<Value<'_>> {
        self.as_slice().as_value()
    }
}

impl<T: AsValue> AsValue for Vec<T> {
    fn as_value(&self) -> Option<Value<'_>> {
        self.as_slice().as_value()
    }
}

impl<T: AsValue> AsValue for Option<T> {
    fn as_value(&self) -> Option<Value<'_>> {
        self.as_ref().and_then(T::as_value)
    }
}

/// `***`, whatever it holds.
impl<T> AsValue for Secret<T> {
    fn as_value(&self) -> Option<Value<'_>> {
        Some(self.into())
    }
}

impl<T: fmt::Debug + ?Sized> AsValue for Shown<'_, T> {
    fn as_value(&self) -> Option<Value<'_>> {
        Some(format!("{:?}", self.0).into())
    }
}

macro_rules! as_value_through {
    ($($pointer:ty),*) => {
        $(impl<T: AsValue + ?Sized> AsValue for $pointer {
            fn as_value(&self) -> Option<Value<'_>> {
                (**self).as_value()
            }
        })*
    };
}

/// What a field says that is an object's clock: any number, or none.
pub fn time_of(clock: &impl AsValue) -> Option<f64> {
    match clock.as_value()? {
        Value::F64(time) => Some(time),
        Value::I64(time) => Some(time as f64),
        Value::U64(time) => Some(time as f64),
        _ => None,
    }
}

as_value_through!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

impl<T: AsValue + ToOwned + ?Sized> AsValue for Cow<'_, T> {
    fn as_value(&self) -> Option<Value<'_>> {
        (**self).as_value()
    }
}
