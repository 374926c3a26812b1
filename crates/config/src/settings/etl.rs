//! Rows for runs and jobs, and where their lineage goes.

use std::num::NonZeroU32;
use std::ops::Deref;
use std::time::Duration;

use spanlake_lake::Partition;

use crate::fault::Fault;
use crate::node::{Node, Value};
use crate::reader::{Reader, Setting};
use crate::setting::{Entries, Placed};
use crate::shape::Shape;
use crate::table::{kinds, table};
use spanlake_core::Secret;

table! {
    /// Rows for runs and jobs.
    pub struct Etl {
        /// The job.
        pub job_id: Label = "default",
        /// Which of the jobs that share an id.
        pub job_num: NonZeroU32 = 1_i128,
        /// Its place among the workers of one job.
        pub job_index: u32 = 0_i128,
        /// The workspace.
        pub workspace_id: Option<Label>,
        /// How many runs may go on at once; noted, for the program to keep.
        pub max_workers: Option<NonZeroU32>,
        /// Whether the first failure ends the job; noted.
        pub stop_on_error: Option<bool>,
        /// How often a failed run is tried again; noted.
        pub retry_count: Option<u32>,
        /// How long it is waited before that; noted.
        pub retry_delay: Option<Duration>,
        /// Whether the job writes nothing; noted.
        pub dry_run: Option<bool>,
        /// How long its logs are kept, in whole hours; noted.
        pub retention: Option<Placed<Duration>>,
        /// The engine that does the work; noted.
        pub engine_name: Option<Label>,
        /// The platform that it runs on; noted.
        pub platform_name: Option<Label>,
        /// Where the metadata of its dataflows come from; noted.
        pub metadata_provider_name: Option<Label>,
        /// What keeps its watermarks; noted.
        pub watermark_manager_name: Option<Label>,
        /// Where its rows go, a folder or the URL of a bucket; without it, to the lake.
        pub lake: Option<String>,
        /// The folders that its files lie in.
        pub partition: Partition = "run_date={year}-{month}-{day}",
        /// How often what has come is made durable.
        pub flush_every: Placed<Duration> = "60 s",
        /// How long the end of the job may take.
        pub finish_timeout: Duration = "30 s",
        /// How a bucket is reached.
        pub store: Store,
        /// Where OpenLineage events go.
        pub lineage: Option<Lineage>,
    }
}

table! {
    /// How a bucket is reached.
    pub struct Store {
        /// Whether `AWS_*`, `GOOGLE_*` and `AZURE_*` of the environment count.
        pub from_env: bool = false,
        /// How long an operation may take with all its tries.
        pub timeout: Duration = "30 s",
        /// How long a request that failed is tried again.
        pub retry_timeout: Duration = "10 s",
        /// Options by their names, such as `aws_region`.
        pub options: Entries<Secret<String>>,
    }
}

kinds! {
    /// Where OpenLineage events go.
    pub enum Lineage {
        /// A file.
        "file" => File(LineageFile),
        /// An HTTP endpoint.
        "http" => Http(LineageHttp),
    }
}

table! {
    /// A file of events.
    pub struct LineageFile {
        /// The file.
        pub path: Placed<String>,
        /// The namespace of jobs.
        pub namespace: Option<String>,
    }
}

table! {
    /// An endpoint that takes events.
    pub struct LineageHttp {
        /// Its URL.
        pub url: Placed<String>,
        /// The namespace of jobs.
        pub namespace: Option<String>,
        /// The token it wants; better left to the environment.
        pub token: Option<Secret<String>>,
    }
}

/// The longest [`Label`].
const MAX_LABEL_BYTES: usize = 1024;

/// A text that is a column of a job's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label(String);

impl Deref for Label {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Setting for Label {
    fn shape() -> Shape {
        Shape::Text("a text that is not empty, of at most 1024 bytes")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text.trim().is_empty() || text.len() > MAX_LABEL_BYTES => {
                let message = format!("the text has {} bytes", text.len());
                reader.refuse(Fault::new(node.span, message).expected(Self::shape().expectation()))
            }
            Value::Text(text) => {
                reader.tell(text, node.span);
                Some(Self(text.clone()))
            }
            _ => reader.refuse_kind(node, &Self::shape()),
        }
    }
}

/// A text that nobody is shown.
impl Setting for Secret<String> {
    fn shape() -> Shape {
        Shape::Text("a text that is not empty")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        reader.hidden.push(node.span);
        match &node.value {
            Value::Text(text) if !text.is_empty() => {
                reader.tell("***", node.span);
                Some(Self::new(text.clone()))
            }
            Value::Text(_) => {
                reader.refuse(Fault::new(node.span, "the text is empty").expected(Self::shape().expectation()))
            }
            _ => reader.refuse_kind(node, &Self::shape()),
        }
    }
}
