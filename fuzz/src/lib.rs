//! Mutators that know of frames and files, so that most of what the fuzzer makes up gets behind lengths and checksums.
//!
//! Segments are marked as not summed: the checks sum them, as a segment is summed when it leaves its process.

/// Where the frames of a segment start.
const HEAD: usize = 8;

/// Length and checksum of a frame.
const FRAME_HEAD: usize = 8;

/// Most frames of a segment here.
const MOST_FRAMES: usize = 64;

/// Most room for what a mutation adds to a frame or file.
const MOST_ADDED: usize = 256;

/// What libFuzzer does to a run of bytes: of `size`, in a slice that has room for more, to at most `max_size`.
type MutateBytes = fn(&mut [u8], usize, usize) -> usize;

/// A segment taken apart.
#[derive(Debug)]
pub struct Frames {
    payloads: Vec<Vec<u8>>,
}

/// A spool taken apart: its ledger, and its segments.
#[derive(Debug)]
pub struct Files(Vec<Vec<u8>>);

/// Numbers from a seed, of which only few are drawn: splitmix64.
#[derive(Debug)]
pub struct Random(u64);

// === impl Frames ===

impl Frames {
    /// The frames as far as their lengths make sense; `None` for what does not begin as a segment does.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(b"SPLK\x01")?.get(HEAD - 5..)?;
        let mut payloads = Vec::new();
        while let Some((head, behind)) = rest.split_first_chunk::<FRAME_HEAD>() {
            let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let (payload, behind) = behind.split_at(len.min(behind.len()));
            payloads.push(payload.to_vec());
            rest = behind;
        }
        (!payloads.is_empty()).then_some(Self { payloads })
    }

    /// Changes one frame, or where it stands.
    pub fn mutate(mut self, random: &mut Random, mutate: MutateBytes) -> Self {
        let (at, other) = (random.below(self.payloads.len()), random.below(self.payloads.len()));
        match random.below(8) {
            0 if self.payloads.len() > 1 => drop(self.payloads.remove(at)),
            1 if self.payloads.len() < MOST_FRAMES => self.payloads.insert(other, self.payloads[at].clone()),
            2 => self.payloads.swap(at, other),
            3 => self.payloads.truncate(at + 1),
            _ => mutate_one(&mut self.payloads[at], mutate),
        }
        self
    }

    /// Lays it down as a segment that is not summed; gives how long it is.
    pub fn write(&self, out: &mut [u8]) -> usize {
        let mut bytes = b"SPLK\x01\x01\0\0".to_vec();
        for (at, payload) in self.payloads.iter().enumerate() {
            bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
            // The header's own frame is always summed.
            let sum = if at == 0 { xxhash_rust::xxh3::xxh3_64(payload) as u32 } else { 0 };
            bytes.extend_from_slice(&sum.to_le_bytes());
            bytes.extend_from_slice(payload);
        }
        put(&bytes, out)
    }
}

// === impl Files ===

impl Files {
    /// The files as far as their lengths make sense.
    pub fn read(bytes: &[u8]) -> Self {
        let (mut files, mut rest) = (Vec::new(), bytes);
        while let Some((len, behind)) = rest.split_first_chunk::<2>() {
            let (file, behind) = behind.split_at(behind.len().min(usize::from(u16::from_le_bytes(*len))));
            files.push(file.to_vec());
            rest = behind;
        }
        Self(files)
    }

    /// Changes one file, most of the time behind its checksums, or where it stands.
    pub fn mutate(mut self, random: &mut Random, mutate: MutateBytes) -> Self {
        if self.0.is_empty() {
            self.0.push(Vec::new());
        }
        let (at, other) = (random.below(self.0.len()), random.below(self.0.len()));
        match random.below(16) {
            0 => drop(self.0.remove(at)),
            1 => self.0.insert(other, self.0[at].clone()),
            2 => self.0.swap(at, other),
            _ => match Frames::read(&self.0[at]) {
                Some(frames) => self.0[at] = frames.mutate(random, mutate).to_vec(),
                None => mutate_one(&mut self.0[at], mutate),
            },
        }
        self
    }

    /// Lays them down, each behind its length; gives how long that is.
    pub fn write(&self, out: &mut [u8]) -> usize {
        let mut bytes = Vec::new();
        for file in &self.0 {
            let len = file.len().min(usize::from(u16::MAX));
            bytes.extend_from_slice(&(len as u16).to_le_bytes());
            bytes.extend_from_slice(&file[..len]);
        }
        put(&bytes, out)
    }
}

impl Frames {
    fn to_vec(&self) -> Vec<u8> {
        let room = HEAD + self.payloads.iter().map(|payload| FRAME_HEAD + payload.len()).sum::<usize>();
        let mut bytes = vec![0; room];
        self.write(&mut bytes);
        bytes
    }
}

// === impl Random ===

impl Random {
    /// From a seed.
    pub fn new(seed: u32) -> Self {
        Self(u64::from(seed))
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }
}

// === helpers ===

fn mutate_one(bytes: &mut Vec<u8>, mutate: MutateBytes) {
    let size = bytes.len();
    bytes.resize(size + MOST_ADDED, 0);
    let room = bytes.len();
    let size = mutate(bytes, size, room);
    bytes.truncate(size);
}

/// Copies what fits; gives how much that is.
fn put(bytes: &[u8], out: &mut [u8]) -> usize {
    let len = bytes.len().min(out.len());
    out[..len].copy_from_slice(&bytes[..len]);
    len
}
