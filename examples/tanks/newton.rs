//! Newton's method: where equations that are off become zero, going down their tangents.

use nalgebra::{DMatrix, DVector};
use spanlake::observe::{Observe, Observer, Phase, observe};
use tracing::Level;

use crate::plant::Plant;

/// The driver that solves the plant's equations.
#[derive(Debug, Observe)]
#[observe(name = "newton", also = Self::tell)]
pub(crate) struct Newton {
    #[observe(input)]
    tolerance: f64,
    #[observe(input)]
    most_iterations: u32,
    #[observe(output)]
    iterations: u32,
    #[observe(output)]
    norm: f64,
    #[observe(output, with = columns)]
    jacobian: DMatrix<f64>,
}

/// It did not come close enough.
#[derive(Debug, thiserror::Error)]
#[error("newton did not converge: the residual is {norm:e} after {iterations} iterations")]
pub(crate) struct Diverged {
    norm: f64,
    iterations: u32,
}

/// How far an unknown is moved to see the slope.
const NUDGE: f64 = 1e-7;

impl Newton {
    pub(crate) fn new() -> Self {
        Self { tolerance: 1e-11, most_iterations: 20, iterations: 0, norm: f64::NAN, jacobian: DMatrix::zeros(3, 3) }
    }

    pub(crate) fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Leaves the plant where its equations hold.
    pub(crate) fn solve(&mut self, plant: &mut Plant) -> Result<(), Diverged> {
        observe(self, "solve", |newton| {
            let mut unknowns = plant.unknowns();
            newton.iterations = 0;
            loop {
                let residuals = plant.residuals(&unknowns);
                newton.norm = residuals.norm();
                if newton.norm < newton.tolerance {
                    return Ok(());
                }
                if newton.iterations == newton.most_iterations {
                    return Err(newton.diverged());
                }
                newton.iterations += 1;
                newton.jacobian = slopes(plant, &unknowns, &residuals);
                unknowns -= newton.jacobian.clone().lu().solve(&residuals).ok_or_else(|| newton.diverged())?;
            }
        })
    }

    fn tell(&self, phase: Phase, _: &str, out: &mut Observer) {
        if phase == Phase::Exit {
            let message = format_args!("{} iterations", self.iterations);
            out.record(Level::DEBUG, message).field("norm", &self.norm);
        }
    }

    fn diverged(&self) -> Diverged {
        Diverged { norm: self.norm, iterations: self.iterations }
    }
}

/// How each equation changes with each unknown, a column for each unknown.
fn slopes(plant: &mut Plant, unknowns: &DVector<f64>, residuals: &DVector<f64>) -> DMatrix<f64> {
    let columns: Vec<DVector<f64>> = (0..unknowns.len())
        .map(|at| {
            let mut nudged = unknowns.clone();
            nudged[at] += NUDGE;
            (plant.residuals(&nudged) - residuals) / NUDGE
        })
        .collect();
    DMatrix::from_columns(&columns)
}

fn columns(matrix: &DMatrix<f64>) -> Vec<Vec<f64>> {
    matrix.column_iter().map(|column| column.iter().copied().collect()).collect()
}
