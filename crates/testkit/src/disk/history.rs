//! What is on the disk for sure, and the changes since, each of which may or may not be.

/// Something whose content a disk keeps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct History<C: Change> {
    base: C::On,
    changes: Vec<(C, Fate)>,
}

/// A step that a power cut undoes or not.
pub(super) trait Change: Clone + PartialEq {
    /// What it changes.
    type On: Clone + PartialEq;

    fn apply(&self, on: &mut Self::On);
}

/// Whether a change is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nobody asked for it to be made durable, so perhaps.
    Open,
    /// A sync of it failed. A later one that succeeds says nothing about it.
    Doubtful,
    /// It is.
    Durable,
}

// === impl History ===

impl<C: Change> History<C> {
    /// All of `base` is on the disk.
    pub(super) fn new(base: C::On) -> Self {
        Self { base, changes: Vec::new() }
    }

    pub(super) fn push(&mut self, change: C) {
        self.changes.push((change, Fate::Open));
    }

    /// Those changes are durable from now on, unless a sync of them has failed before.
    pub(super) fn sync(&mut self, which: impl Fn(&C) -> bool) {
        self.decide(which, Fate::Durable);
        // A durable change behind one that is not keeps its place in the order.
        let durable = self.changes.iter().take_while(|(_, fate)| *fate == Fate::Durable).count();
        self.changes.drain(..durable).for_each(|(change, _)| change.apply(&mut self.base));
    }

    /// The sync of those changes has failed.
    pub(super) fn fail(&mut self, which: impl Fn(&C) -> bool) {
        self.decide(which, Fate::Doubtful);
    }

    fn decide(&mut self, which: impl Fn(&C) -> bool, fate: Fate) {
        let open = self.changes.iter_mut().filter(|(change, fate)| *fate == Fate::Open && which(change));
        open.for_each(|(_, old)| *old = fate);
    }

    pub(super) fn base(&self) -> &C::On {
        &self.base
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = &C> {
        self.changes.iter().map(|(change, _)| change)
    }

    /// The changes that a power cut may undo.
    pub(super) fn unsure(&self) -> impl Iterator<Item = &C> {
        self.changes.iter().filter(|(_, fate)| *fate != Fate::Durable).map(|(change, _)| change)
    }

    /// What is on the disk when of the unsure changes those are for which `kept` says so.
    pub(super) fn state(&self, mut kept: impl FnMut() -> bool) -> C::On {
        let mut state = self.base.clone();
        for (change, fate) in &self.changes {
            if *fate == Fate::Durable || kept() {
                change.apply(&mut state);
            }
        }
        state
    }
}
