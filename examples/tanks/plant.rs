//! The plant: two tanks and the pipe between them, as equations that are zero where they hold.

use nalgebra::DVector;
use spanlake::observe::{Observe, observe};

/// A tank, as tall as need be.
#[derive(Clone, Debug, Observe)]
pub(crate) struct Tank {
    #[observe(name)]
    name: &'static str,
    #[observe(input, group = "shape", rename = "area_m2")]
    area_m2: f64,
    /// The level of water now.
    #[observe(input, output, group = "water")]
    level_m: f64,
    /// The level that water had one step before.
    #[observe(input, group = "water")]
    level_before_m: f64,
    /// How much the level of now is off.
    #[observe(output, group = "equation")]
    residual: f64,
}

/// A pipe through which water runs the faster, the more the levels differ: by Torricelli, with their difference's root.
#[derive(Clone, Debug, Observe)]
#[observe(name = "pipe")]
pub(crate) struct Pipe {
    #[observe(input, group = "shape")]
    conductance: f64,
    #[observe(input, group = "water")]
    drop_m: f64,
    #[observe(input, output, group = "water")]
    flow_m3_per_s: f64,
    flow_before_m3_per_s: f64,
    #[observe(output, group = "equation")]
    residual: f64,
}

/// Both tanks and the pipe.
#[derive(Clone, Debug, Observe)]
#[observe(name = "plant")]
pub(crate) struct Plant {
    upper: Tank,
    lower: Tank,
    pipe: Pipe,
    step_s: f64,
    #[observe(output, with = DVector::as_slice)]
    residuals: DVector<f64>,
}

impl Tank {
    fn new(name: &'static str, area_m2: f64, level_m: f64) -> Self {
        Self { name, area_m2, level_m, level_before_m: level_m, residual: 0.0 }
    }

    /// What came in over a step, beside what the level has risen by.
    fn run(&mut self, gained_m3: f64) {
        observe(self, "run", |tank| {
            tank.residual = tank.area_m2 * (tank.level_m - tank.level_before_m) - gained_m3;
        });
    }
}

impl Pipe {
    fn run(&mut self, drop_m: f64) {
        self.drop_m = drop_m;
        observe(self, "run", |pipe| pipe.residual = pipe.flow_m3_per_s - pipe.flow_at(pipe.drop_m));
    }

    fn flow_at(&self, drop_m: f64) -> f64 {
        self.conductance * drop_m.max(0.0).sqrt()
    }

    /// By the trapezoidal rule: as if it had run at the mean of now and before.
    fn mean_flow(&self) -> f64 {
        (self.flow_m3_per_s + self.flow_before_m3_per_s) / 2.0
    }
}

impl Plant {
    pub(crate) fn new(upper: (f64, f64), lower: (f64, f64), conductance: f64, step_s: f64) -> Self {
        let (upper, lower) = (Tank::new("upper tank", upper.0, upper.1), Tank::new("lower tank", lower.0, lower.1));
        let drop_m = upper.level_m - lower.level_m;
        let mut pipe = Pipe { conductance, drop_m, flow_m3_per_s: 0.0, flow_before_m3_per_s: 0.0, residual: 0.0 };
        pipe.flow_m3_per_s = pipe.flow_at(drop_m);
        Self { upper, lower, pipe, step_s, residuals: DVector::zeros(3) }
    }

    /// What of it is not known in advance.
    pub(crate) fn unknowns(&self) -> DVector<f64> {
        DVector::from_vec(vec![self.upper.level_m, self.lower.level_m, self.pipe.flow_m3_per_s])
    }

    /// How much each equation is off with these levels and this flow.
    pub(crate) fn residuals(&mut self, unknowns: &DVector<f64>) -> DVector<f64> {
        observe(self, "run", |plant| {
            plant.set(unknowns);
            let gained_m3 = plant.pipe.mean_flow() * plant.step_s;
            plant.upper.run(-gained_m3);
            plant.lower.run(gained_m3);
            plant.pipe.run(plant.upper.level_m - plant.lower.level_m);
            plant.residuals = DVector::from_vec(vec![plant.upper.residual, plant.lower.residual, plant.pipe.residual]);
            plant.residuals.clone()
        })
    }

    /// Makes now the step before the next one.
    pub(crate) fn go_on(&mut self) {
        self.upper.level_before_m = self.upper.level_m;
        self.lower.level_before_m = self.lower.level_m;
        self.pipe.flow_before_m3_per_s = self.pipe.flow_m3_per_s;
    }

    pub(crate) fn levels_m(&self) -> [f64; 2] {
        [self.upper.level_m, self.lower.level_m]
    }

    fn set(&mut self, unknowns: &DVector<f64>) {
        self.upper.level_m = unknowns[0];
        self.lower.level_m = unknowns[1];
        self.pipe.flow_m3_per_s = unknowns[2];
    }
}
