//! The solution that is known: the root of the difference in level falls evenly with time.

use crate::simulation::Levels;

/// The tanks, each with its area and its first level, and the pipe.
pub(crate) struct Known {
    pub(crate) upper: (f64, f64),
    pub(crate) lower: (f64, f64),
    pub(crate) conductance: f64,
}

/// The plant of this example.
pub(crate) const KNOWN: Known = Known { upper: (2.0, 5.0), lower: (1.0, 1.0), conductance: 0.2 };

/// How far off a level may be, in metres.
pub(crate) const TOLERANCE_M: f64 = 1e-9;

impl Known {
    /// The levels at a time before they are even. With d the difference, d' = -c √d, so that √d = √d₀ - c t / 2, where c is
    /// the conductance over either area; and no water is lost.
    pub(crate) fn levels_m(&self, time_s: f64) -> [f64; 2] {
        let (upper, lower) = (self.upper, self.lower);
        let slope = self.conductance * (1.0 / upper.0 + 1.0 / lower.0);
        let drop_m = ((upper.1 - lower.1).sqrt() - slope * time_s / 2.0).max(0.0).powi(2);
        let mean_m = (upper.0 * upper.1 + lower.0 * lower.1) / (upper.0 + lower.0);
        [mean_m + drop_m * lower.0 / (upper.0 + lower.0), mean_m - drop_m * upper.0 / (upper.0 + lower.0)]
    }

    /// By how much the worst of these levels is off. The flow falls evenly, so the trapezoidal rule is exact but for what
    /// Newton's method leaves.
    pub(crate) fn worst_error_m(&self, levels: &[Levels]) -> f64 {
        let errors = levels.iter().flat_map(|(time_s, levels)| {
            let known = self.levels_m(*time_s);
            levels.iter().zip(known).map(|(level, known)| (level - known).abs()).collect::<Vec<_>>()
        });
        errors.fold(0.0, f64::max)
    }
}
