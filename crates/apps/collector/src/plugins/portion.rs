//! What a plugin gets at once, and what the queue knows of it.

use std::collections::HashMap;

use spanlake_core::segment::{Decoded, merge};
use spanlake_core::{Batch, LevelFilter, Record, Source};

use super::Pieces;
use crate::queue::Entry;

/// Where a record stands in the queue: the same at every try, after every restart, and for no other record of that queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The index of its entry.
    pub entry: u64,
    /// How many records stand before it in the entry.
    pub at: u32,
}

/// An entry of the queue with records for the plugin.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The entry.
    pub entry: Entry<'a>,
    /// Whether all of its records are for the plugin.
    pub is_whole: bool,
}

/// What a plugin gets at once: records that fit what it wants, by time, at least one.
///
/// Portions come in the order of the queue, all records of an entry in one portion. After a crash they may be cut otherwise, and so may
/// one be that was refused, as its plugin's [`Pieces`](super::Pieces) say.
#[derive(Clone, Copy, Debug)]
pub struct Portion<'a> {
    queue: u64,
    plugin: &'a str,
    selection: &'a Selection<'a>,
}

/// The records that a plugin wants, of some entries.
#[derive(Debug)]
pub(crate) struct Selection<'a> {
    pub(crate) records: Vec<Record<'a>>,
    places: Vec<Place>,
    entries: Vec<Given<'a>>,
}

impl<'a> Selection<'a> {
    /// Those of `decoded`, the segments of `entries`, that are wanted.
    pub(crate) fn of(entries: &[Entry<'a>], decoded: &'a [Decoded<'a>], wants: impl Fn(&Record<'a>) -> bool) -> Self {
        // A record borrows its source from its segment, by which that one is known.
        let source = |segment: &'a Decoded<'a>| std::ptr::from_ref::<Source>(segment.source());
        let segments: HashMap<_, _> = decoded.iter().enumerate().map(|(at, segment)| (source(segment), at)).collect();
        let mut seen = vec![0_u32; decoded.len()];
        let mut kept = vec![0_u32; decoded.len()];
        let (mut records, mut places) = (Vec::new(), Vec::new());
        for record in merge(decoded) {
            let Some(&segment) = segments.get(&std::ptr::from_ref(record.source)) else { continue };
            let place = Place { entry: entries[segment].index, at: seen[segment] };
            seen[segment] += 1;
            if wants(&record) {
                kept[segment] += 1;
                records.push(record);
                places.push(place);
            }
        }
        let given = entries.iter().zip(kept.iter().zip(&seen)).filter(|(_, (kept, _))| **kept > 0);
        let entries = given.map(|(entry, (kept, seen))| Given { entry: *entry, is_whole: kept == seen }).collect();
        Self { records, places, entries }
    }

    /// Two halves in the order of the queue, of what can be cut so.
    pub(crate) fn halves(&self, pieces: Pieces) -> Option<[Self; 2]> {
        match (pieces, &*self.entries, self.records.len()) {
            (Pieces::Whole, ..) | (_, [], _) => None,
            (Pieces::Entries, [_], _) | (Pieces::Records, [_], ..=1) => None,
            (_, [only], count) => {
                let part = Given { is_whole: false, ..*only };
                Some([0..count / 2, count / 2..count].map(|range| Self {
                    records: self.records[range.clone()].to_vec(),
                    places: self.places[range].to_vec(),
                    entries: vec![part],
                }))
            }
            (_, entries, _) => {
                let (first, second) = entries.split_at(entries.len() / 2);
                Some([first, second].map(|entries| self.only(entries)))
            }
        }
    }

    /// The records of some entries, which stand in a row.
    fn only(&self, entries: &[Given<'a>]) -> Self {
        let range = entries.first().map(|first| first.entry.index)..=entries.last().map(|last| last.entry.index);
        let is_in = |place: &Place| range.contains(&Some(place.entry));
        let kept = self.records.iter().zip(&self.places).filter(|(_, place)| is_in(place));
        let (records, places) = kept.map(|(record, place)| (record.clone(), *place)).unzip();
        Self { records, places, entries: entries.to_vec() }
    }

    /// The last of its entries.
    pub(crate) fn last(&self) -> Option<u64> {
        self.entries.last().map(|given| given.entry.index)
    }

    pub(crate) fn portion(&'a self, queue: u64, plugin: &'a str) -> Portion<'a> {
        Portion { queue, plugin, selection: self }
    }
}

impl<'a> Portion<'a> {
    /// What tells the queue from all others, also from one that was in the same folder before.
    pub fn queue(&self) -> u64 {
        self.queue
    }

    /// The name of the plugin.
    pub fn plugin(&self) -> &'a str {
        self.plugin
    }

    /// The records as sinks take them.
    pub fn batch(&self) -> Batch<'a> {
        Batch::new(&self.selection.records, LevelFilter::TRACE)
    }

    /// The records with their places.
    pub fn records(&self) -> impl Iterator<Item = (Place, &'a Record<'a>)> + Clone + use<'a> {
        self.selection.places.iter().copied().zip(&self.selection.records)
    }

    /// The entries that they are from, in the order of the queue.
    pub fn entries(&self) -> &'a [Given<'a>] {
        &self.selection.entries
    }
}
