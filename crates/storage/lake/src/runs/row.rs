//! Rows: structs whose fields are columns, declared once for JSON lines, Parquet and those who read them.

use std::fmt;

/// A row of a run log.
pub trait Row: Default + Clone + fmt::Debug {
    /// The value of the first column, `_type`, in every row.
    const TYPE: &'static str;

    /// All columns in their order, `_type` first.
    const COLUMNS: &'static [Column];

    /// Calls `put` with each column's value, in their order.
    fn each<'a>(&'a self, put: impl FnMut(Option<Cell<'a>>));

    /// Sets a column. Tells whether there is such a column and the value is of its kind.
    fn set(&mut self, column: &str, cell: Cell<'_>) -> bool;
}

/// A column: its name, and the kind of its values. Every column may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The key in JSON and the name in Parquet.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// 64 bits with a sign.
    Integer,
    /// 64 bits.
    Float,
    /// True or false.
    Bool,
    /// UTC microseconds since the Unix epoch; RFC 3339 in JSON.
    Time,
}

/// A value of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Of [`Kind::Text`].
    Text(&'a str),
    /// Of [`Kind::Integer`].
    Integer(i64),
    /// Of [`Kind::Float`].
    Float(f64),
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Time`].
    Time(i64),
}

/// Declares a row: its struct, with a public field for each column behind `_type`, and what [`Row`] asks for.
macro_rules! row {
    (
        $(#[$about:meta])*
        $name:ident: $type:literal {
            $( $(#[$doc:meta])* $field:ident: $kind:ident, )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$doc])* pub $field: Option<$crate::runs::row::row!(@value $kind)>, )*
        }

        impl $crate::runs::row::Row for $name {
            const TYPE: &'static str = $type;
            const COLUMNS: &'static [$crate::runs::row::Column] = &[
                $crate::runs::row::Column { name: "_type", kind: $crate::runs::row::Kind::Text },
                $( $crate::runs::row::Column {
                    name: stringify!($field),
                    kind: $crate::runs::row::Kind::$kind,
                }, )*
            ];

            fn each<'a>(&'a self, mut put: impl FnMut(Option<$crate::runs::row::Cell<'a>>)) {
                put(Some($crate::runs::row::Cell::Text(Self::TYPE)));
                $( put(self.$field.as_ref().map(|value| $crate::runs::row::row!(@cell $kind value))); )*
            }

            fn set(&mut self, column: &str, cell: $crate::runs::row::Cell<'_>) -> bool {
                match (column, cell) {
                    $( (stringify!($field), $crate::runs::row::Cell::$kind(value)) => {
                        self.$field = Some(value.into());
                    } )*
                    _ => return false,
                }
                true
            }
        }
    };
    (@value Text) => { String };
    (@value Integer) => { i64 };
    (@value Float) => { f64 };
    (@value Bool) => { bool };
    (@value Time) => { i64 };
    (@cell Text $value:ident) => { $crate::runs::row::Cell::Text($value) };
    (@cell $kind:ident $value:ident) => { $crate::runs::row::Cell::$kind(*$value) };
}

pub(super) use row;
