//! A date and a time.

use std::time::SystemTime;

use crate::fault::Fault;
use crate::node::{Node, Value};
use crate::reader::{Reader, Setting};
use crate::shape::Shape;

/// A date and a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(jiff::Timestamp);

impl From<Moment> for SystemTime {
    fn from(moment: Moment) -> Self {
        moment.0.into()
    }
}

impl Setting for Moment {
    fn shape() -> Shape {
        Shape::Text("a date and a time as RFC 3339 has them, such as `2027-01-31T00:00:00Z`")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Text(text) = &node.value else {
            return reader.refuse_kind(node, &Self::shape());
        };
        let Ok(moment) = text.trim().parse::<jiff::Timestamp>() else {
            let fault = Fault::new(node.span, format!("`{text}` is no moment"));
            return reader.refuse(fault.expected(Self::shape().expectation()));
        };
        reader.tell(moment.to_string(), node.span);
        Some(Self(moment))
    }
}
