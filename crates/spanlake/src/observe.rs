//! Observed objects, as [`mod@spanlake_scope::observe`] has them.
//!
//! ```
//! use spanlake::observe::{Observe, observe};
//!
//! #[derive(Observe)]
//! struct Pump {
//!     #[observe(input)]
//!     speed: f64,
//!     #[observe(output)]
//!     flow: f64,
//! }
//!
//! let mut pump = Pump { speed: 50.0, flow: 0.0 };
//! observe(&mut pump, "run_once", |pump| pump.flow = 0.02 * pump.speed);
//! spanlake::observe!(&mut pump, "run_again", |pump| pump.flow *= 2.0);
//! assert_eq!(pump.flow, 2.0);
//! ```

/// Derives the trait for programs that depend on `spanlake` alone; `spanlake_observe_derive` has its attributes.
#[cfg(feature = "derive")]
pub use spanlake_scope::observe::ObserveThroughFacade as Observe;
pub use spanlake_scope::observe::*;

/// [`spanlake_scope::observe!`].
#[macro_export]
macro_rules! observe {
    ($($call:tt)*) => {
        $crate::scope::observe!($($call)*)
    };
}
