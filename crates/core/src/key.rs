//! Task keys and record keys: the names that tie records to tasks, across threads, processes and machines.
//!
//! A task key is `<uuid>` for a root task and `<uuid>/1/2` below it; a record key is `<seq>@<task key>`. Both print
//! and parse without loss, compare in tree order (a task before its subtasks, siblings by number), and are bounded:
//! [`MAX_DEPTH`] numbers, each between 1 and 2^32 − 1.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Deepest task below a root; a span nested deeper shares the task above it.
pub const MAX_DEPTH: usize = 64;

/// Longest text a task key can have: a UUID and [`MAX_DEPTH`] numbers of ten digits.
pub const MAX_TASK_KEY_LEN: usize = UUID_LEN + MAX_DEPTH * 11;

const UUID_LEN: usize = 36;

/// The key of a task: the UUID of its root, and the child numbers that lead from there to it.
///
/// ```
/// use spanlake_core::TaskKey;
///
/// let key: TaskKey = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/2".parse()?;
/// assert_eq!(key.depth(), 2);
/// assert_eq!(key.parent().unwrap().to_string(), "e252a11f-d33d-483d-ba08-bc8f642b2f10/1");
/// # Ok::<(), spanlake_core::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskKey {
    root: Uuid,
    path: Vec<u32>,
}

/// The key of a record: its number within its task, and the task's key.
///
/// ```
/// use spanlake_core::RecordKey;
///
/// let key: RecordKey = "3@e252a11f-d33d-483d-ba08-bc8f642b2f10/1".parse()?;
/// assert_eq!(key.seq, 3);
/// # Ok::<(), spanlake_core::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// The task that the record belongs to; compared first, so that sorting groups records by task in tree order.
    pub task: TaskKey,
    /// Position within the task, from 0.
    pub seq: u64,
}

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Longer than any key can be; refused before it is looked at.
    #[error("key is longer than {MAX_TASK_KEY_LEN} bytes")]
    TooLong,
    /// Does not start with a hyphenated UUID.
    #[error("key does not start with a UUID")]
    Root,
    /// More than [`MAX_DEPTH`] numbers.
    #[error("key is deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A child number is missing, zero, above 2^32 − 1, or not plain decimal digits.
    #[error("key has a child number outside 1 to 4294967295")]
    Number,
    /// A record key without `<seq>@` in front.
    #[error("record key does not start with a sequence number and '@'")]
    Seq,
}

// === impl TaskKey ===

impl TaskKey {
    /// The key of a root task.
    pub fn root(root: Uuid) -> Self {
        Self { root, path: Vec::new() }
    }

    /// The key of the root task with a new random UUID (version 4).
    pub fn random() -> Self {
        Self::root(Uuid::new_v4())
    }

    /// The key of this task's child `number`; `None` when that would be too deep or `number` is 0.
    pub fn child(&self, number: u32) -> Option<Self> {
        if number == 0 || self.path.len() >= MAX_DEPTH {
            return None;
        }
        let mut path = Vec::with_capacity(self.path.len() + 1);
        path.extend_from_slice(&self.path);
        path.push(number);
        Some(Self { root: self.root, path })
    }

    /// The key of the task above; `None` for a root.
    pub fn parent(&self) -> Option<Self> {
        let (_, path) = self.path.split_last()?;
        Some(Self { root: self.root, path: path.to_vec() })
    }

    /// The UUID of the root task, which this key starts with.
    pub fn uuid(&self) -> Uuid {
        self.root
    }

    /// The child numbers from the root to this task; empty for a root.
    pub fn path(&self) -> &[u32] {
        &self.path
    }

    /// How many levels this task lies below its root.
    pub fn depth(&self) -> usize {
        self.path.len()
    }

    /// Whether `other` is this task or lies below it.
    pub fn contains(&self, other: &Self) -> bool {
        self.root == other.root && other.path.starts_with(&self.path)
    }

    /// Bytes that sort as the keys do: the UUID, then each number big-endian. The bytes of a subtree all start with
    /// those of its top, so a subtree is one range.
    pub fn path_key(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 + 4 * self.path.len());
        bytes.extend_from_slice(self.root.as_bytes());
        for number in &self.path {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// The W3C trace id: the root UUID's 16 bytes.
    pub fn trace_id(&self) -> [u8; 16] {
        *self.root.as_bytes()
    }

    /// The W3C span id: 8 bytes hashed (xxh3) from the key's text, never all zero.
    pub fn span_id(&self) -> [u8; 8] {
        span_id_of(&self.to_string())
    }
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root.as_hyphenated())?;
        self.path.iter().try_for_each(|number| write!(f, "/{number}"))
    }
}

impl FromStr for TaskKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() > MAX_TASK_KEY_LEN {
            return Err(KeyError::TooLong);
        }
        let (root, rest) = text.split_at_checked(UUID_LEN).ok_or(KeyError::Root)?;
        let root = parse_uuid(root)?;
        let Some(rest) = rest.strip_prefix('/') else {
            return if rest.is_empty() { Ok(Self::root(root)) } else { Err(KeyError::Root) };
        };
        let mut path = Vec::new();
        for number in rest.split('/') {
            if path.len() == MAX_DEPTH {
                return Err(KeyError::TooDeep);
            }
            path.push(parse_number(number)?);
        }
        Ok(Self { root, path })
    }
}

// === impl RecordKey ===

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.seq, self.task)
    }
}

impl FromStr for RecordKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (seq, task) = text.split_once('@').ok_or(KeyError::Seq)?;
        let seq = parse_digits(seq).ok_or(KeyError::Seq)?;
        Ok(Self { seq, task: task.parse()? })
    }
}

// === helpers ===

/// The span id of the task whose key has this text.
pub(crate) fn span_id_of(key: &str) -> [u8; 8] {
    xxhash_rust::xxh3::xxh3_64(key.as_bytes()).max(1).to_be_bytes()
}

fn parse_uuid(text: &str) -> Result<Uuid, KeyError> {
    let hyphens_in_place = text.bytes().enumerate().all(|(at, byte)| (byte == b'-') == matches!(at, 8 | 13 | 18 | 23));
    if !hyphens_in_place {
        return Err(KeyError::Root);
    }
    Uuid::try_parse(text).map_err(|_| KeyError::Root)
}

fn parse_number(text: &str) -> Result<u32, KeyError> {
    let number = parse_digits(text).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number > 0).ok_or(KeyError::Number)
}

/// Plain decimal digits without sign or leading zero, so that printing gives the same text again.
fn parse_digits(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}
