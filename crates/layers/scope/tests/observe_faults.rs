//! Objects that cannot say what they have to are counted; a binary of its own, as the counts are the process's.

use spanlake_scope::observe::{Faults, Observe, Observer, Phase, faults, observe};
use spanlake_scope::{ScopeLayer, Task};
use tracing_subscriber::prelude::*;

struct Broken;

impl Observe for Broken {
    fn observe(&self, _: Phase, _: &str, _: &mut Observer) {
        panic!("it cannot say");
    }
}

struct Nameless;

impl Observe for Nameless {
    fn observe(&self, _: Phase, _: &str, _: &mut Observer) {}

    fn name(&self) -> std::borrow::Cow<'_, str> {
        panic!("it has no name");
    }
}

/// An object that is at work while it is asked.
struct Endless;

impl Observe for Endless {
    fn observe(&self, _: Phase, _: &str, _: &mut Observer) {
        observe(self, "again", |endless| assert!(Task::current().is_none(), "{}", endless.name()));
    }
}

fn counted(work: impl FnOnce()) -> (u64, u64) {
    let Faults { panicked, nested, .. } = faults();
    work();
    (faults().panicked - panicked, faults().nested - nested)
}

#[test]
fn faults_are_counted_and_the_host_goes_on() {
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ScopeLayer::new()), || {
        assert_eq!(counted(|| assert_eq!(observe(&Broken, "run", |_| 7), 7)), (2, 0), "at either end");
        assert_eq!(counted(|| assert_eq!(observe(&Nameless, "run", |_| 7), 7)), (1, 0));
        assert_eq!(counted(|| assert_eq!(observe(&Endless, "run", |_| 7), 7)), (0, 2), "it ends");
    });
}
