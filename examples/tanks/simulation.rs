//! The driver through time: each step a task, and its clock that of all that is in it.

use spanlake::observe::{Observe, observe};
use tracing::{info, instrument};

use crate::known::Known;
use crate::newton::{Diverged, Newton};
use crate::plant::Plant;

/// Levels of both tanks at one time.
pub(crate) type Levels = (f64, [f64; 2]);

/// The plant on its way through time.
#[derive(Debug, Observe)]
#[observe(task, name = "simulation")]
pub(crate) struct Simulation {
    #[observe(time)]
    time_s: f64,
    #[observe(input)]
    step_s: f64,
    #[observe(input, output, with = Plant::levels_m)]
    plant: Plant,
    newton: Newton,
}

impl Simulation {
    pub(crate) fn new(known: &Known, step_s: f64) -> Self {
        let plant = Plant::new(known.upper, known.lower, known.conductance, step_s);
        Self { time_s: 0.0, step_s, plant, newton: Newton::new() }
    }

    /// Goes on by so many steps and gives the levels after each.
    #[instrument(skip_all, fields(step_s = self.step_s), err)]
    pub(crate) fn run(&mut self, steps: u32) -> Result<Vec<Levels>, Diverged> {
        info!(steps, "the tanks level out");
        let levels = (0..steps).map(|_| self.step()).collect::<Result<Vec<_>, _>>()?;
        info!(time_s = self.time_s, levels_m = ?self.plant.levels_m(), "done");
        Ok(levels)
    }

    fn step(&mut self) -> Result<Levels, Diverged> {
        // The step belongs to the time that it leads to.
        self.time_s += self.step_s;
        observe(&mut *self, "step", |simulation| {
            simulation.plant.go_on();
            simulation.newton.solve(&mut simulation.plant)
        })?;
        if self.newton.iterations() == 0 {
            info!(time_s = self.time_s, "nothing moves any more");
        }
        Ok((self.time_s, self.plant.levels_m()))
    }
}
