//! Which numbers of a stream are stored: all below a floor, and ranges above it.

use spanlake_core::segment::cursor::{Cursor, put_varint};

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Everything below is in it.
    floor: u64,
    /// From and to, both in it; in order, and a number that is not between any two.
    ranges: Vec<(u64, u64)>,
}

impl Numbers {
    /// How many ranges it takes to tell.
    pub(super) fn ranges(&self) -> usize {
        self.ranges.len()
    }

    /// Whether everything in it is below this floor, which is one that was put into it.
    pub(super) fn end_at(&self, floor: u64) -> bool {
        self.floor <= floor && self.ranges.is_empty()
    }

    /// Puts everything below `floor` into it.
    pub(super) fn raise(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
        let below = self.ranges.partition_point(|(_, to)| *to < self.floor);
        self.ranges.drain(..below);
        self.absorb();
    }

    /// Puts a number into it; `false` when it is in it already.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        let at = self.ranges.partition_point(|(_, to)| *to < number);
        let next = self.ranges.get(at).copied();
        if number < self.floor || next.is_some_and(|(from, _)| from <= number) {
            return false;
        }
        let before = at.checked_sub(1).filter(|at| self.ranges.get(*at).is_some_and(|(_, to)| to + 1 == number));
        let after = next.filter(|(from, _)| number + 1 == *from);
        match (before, after) {
            (Some(before), Some((_, to))) => {
                self.set_end(before, to);
                self.ranges.remove(at);
            }
            (Some(before), None) => self.set_end(before, number),
            (None, Some((_, to))) => self.set(at, (number, to)),
            (None, None) => self.ranges.insert(at, (number, number)),
        }
        self.absorb();
        true
    }

    /// What is in either of them.
    pub(super) fn join(&mut self, other: &Self) {
        self.raise(other.floor);
        let mut all: Vec<_> = self.ranges.drain(..).chain(other.ranges.iter().copied()).collect();
        all.sort_unstable();
        for (from, to) in all {
            match self.ranges.last_mut() {
                Some((_, end)) if from <= end.saturating_add(1) => *end = (*end).max(to),
                _ => self.ranges.push((from, to)),
            }
        }
        self.raise(self.floor);
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.floor);
        put_varint(out, self.ranges.len() as u64);
        let mut last = self.floor;
        for (from, to) in &self.ranges {
            put_varint(out, from.wrapping_sub(last));
            put_varint(out, to - from);
            last = *to;
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (floor, count) = (cursor.varint()?, cursor.varint()?);
        let (mut ranges, mut last) = (Vec::new(), floor);
        for _ in 0..count {
            let from = last.checked_add(cursor.varint()?)?;
            last = from.checked_add(cursor.varint()?)?;
            ranges.push((from, last));
        }
        Some(Self { floor, ranges })
    }

    /// A range that touches the floor is a higher floor; above the last number there is none.
    fn absorb(&mut self) {
        while let Some((_, to)) =
            self.ranges.first().copied().filter(|(from, to)| *from <= self.floor && *to < u64::MAX)
        {
            self.floor = self.floor.max(to + 1);
            self.ranges.remove(0);
        }
    }

    fn set_end(&mut self, at: usize, to: u64) {
        if let Some(range) = self.ranges.get_mut(at) {
            range.1 = to;
        }
    }

    fn set(&mut self, at: usize, range: (u64, u64)) {
        if let Some(old) = self.ranges.get_mut(at) {
            *old = range;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const MOST: u64 = 60;

    /// A few numbers, or a floor.
    fn steps() -> impl Strategy<Value = Vec<(bool, u64)>> {
        let step = (prop::bool::weighted(0.1), prop_oneof![0..MOST, u64::MAX - 3..=u64::MAX]);
        prop::collection::vec(step.prop_map(|(is_floor, number)| (is_floor && number < MOST, number)), 0..80)
    }

    fn play(steps: &[(bool, u64)]) -> (Numbers, BTreeSet<u64>) {
        let (mut numbers, mut model) = (Numbers::default(), BTreeSet::new());
        for (is_floor, number) in steps {
            if *is_floor {
                numbers.raise(*number);
                model.extend(0..*number);
            } else {
                assert_eq!(numbers.insert(*number), model.insert(*number), "{number}");
            }
        }
        (numbers, model)
    }

    fn is_in(numbers: &Numbers, number: u64) -> bool {
        !numbers.clone().insert(number)
    }

    fn all() -> impl Iterator<Item = u64> {
        (0..MOST + 2).chain(u64::MAX - 4..=u64::MAX)
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in steps(), others in steps()) {
            let (mut numbers, mut model) = play(&steps);
            for number in all() {
                prop_assert_eq!(is_in(&numbers, number), model.contains(&number));
            }
            let mut bytes = Vec::new();
            numbers.put(&mut bytes);
            let read = Numbers::read(&mut Cursor::new(&bytes));
            prop_assert_eq!(read.as_ref(), Some(&numbers));
            let (other, other_model) = play(&others);
            numbers.join(&other);
            model.extend(other_model);
            for number in all() {
                prop_assert_eq!(is_in(&numbers, number), model.contains(&number));
            }
        }
    }

    #[test]
    fn what_comes_in_order_needs_no_range() {
        let mut numbers = Numbers::default();
        assert!((0..1000).all(|number| numbers.insert(number)));
        assert_eq!(numbers, Numbers { floor: 1000, ranges: vec![] });
        assert!(numbers.insert(1002) && numbers.insert(1001));
        assert!(numbers.insert(1000));
        assert_eq!(numbers, Numbers { floor: 1003, ranges: vec![] });
    }
}
