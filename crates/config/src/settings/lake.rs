//! Where the lake is and how large it gets.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::fault::Fault;
use crate::node::{Node, Value};
use crate::reader::{Reader, Setting};
use crate::setting::Placed;
use crate::shape::Shape;
use crate::table::table;
use crate::units::Size;
use spanlake_lake::Partition;

table! {
    /// Where the lake is and how large it gets.
    pub struct Lake {
        /// The folder.
        pub path: Placed<String> = "lake",
        /// The folders that files lie in, by the time of their records: a beginning of `{year}`, `{month}`, `{day}`,
        /// `{hour}` with text around it; `none` for none.
        pub partition: Partition = "run_date={year}-{month}-{day}",
        /// What it may take of the disk.
        pub limits: Limits,
    }
}

table! {
    /// What a lake may take of the disk. Without a limit there is none.
    pub struct Limits {
        /// Most bytes of all its logs; the oldest files are deleted.
        pub max_total: Option<Size>,
        /// Most files of its logs; the oldest are deleted.
        pub max_files: Option<NonZeroU64>,
        /// How long a file is kept.
        pub max_age: Option<Placed<Duration>>,
        /// Most bytes written in an hour; records are dropped, the least severe first.
        pub max_per_hour: Option<Size>,
        /// How often it is looked at what other processes wrote.
        pub look_every: Duration = "10 s",
    }
}

impl Setting for Partition {
    fn shape() -> Shape {
        Shape::Text("a pattern such as `run_date={year}-{month}-{day}`, or `none`")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Text(pattern) = &node.value else {
            return reader.refuse_kind(node, &Self::shape());
        };
        let partition = if pattern == "none" { Ok(Self::none()) } else { Self::new(pattern) };
        match partition {
            Ok(partition) => {
                reader.tell(pattern, node.span);
                Some(partition)
            }
            Err(error) => {
                // The pattern is in the excerpt.
                let message = error.to_string();
                let message = message.split(" (pattern: ").next().unwrap_or("invalid partition pattern").to_owned();
                reader.refuse(Fault::new(node.span, message).expected(Self::shape().expectation()))
            }
        }
    }
}
