//! Fields as inputs and outputs, by attribute.

use serde_json::{Map, Value, json};
use spanlake_core::{Kind, Level, Secret};
use spanlake_scope::observe::{AsValue, Observe, Observer, Phase, observe};

use crate::support::record;

/// A matrix of a library that knows nothing of observed objects.
struct Matrix {
    rows: usize,
    cells: Vec<f64>,
}

impl Matrix {
    fn as_slice(&self) -> &[f64] {
        &self.cells
    }

    fn to_rows(&self) -> Vec<Vec<f64>> {
        self.cells.chunks(self.cells.len() / self.rows).map(<[f64]>::to_vec).collect()
    }
}

#[derive(Observe)]
struct Valve {
    #[observe(input)]
    opening: f32,
}

#[derive(Observe)]
#[observe(task, group = "state", also = Self::warn)]
struct Tank {
    #[observe(name)]
    label: String,
    #[observe(time)]
    clock: f64,
    #[observe(input, output)]
    level: f64,
    #[observe(input, group = "shape", rename = "area")]
    surface: Option<f64>,
    #[observe(output, with = Matrix::as_slice)]
    flat: Matrix,
    #[observe(output, with = Matrix::to_rows)]
    jacobian: Matrix,
    #[observe(input, debug)]
    range: std::ops::Range<u8>,
    #[observe(input, redact)]
    licence: Unreadable,
    #[observe(input)]
    key: Secret<String>,
    #[observe(nested)]
    valve: Valve,
    /// Behind the valve, and yet in the group of the first fields.
    #[observe(input)]
    filled: bool,
    unsaid: Unreadable,
}

impl Tank {
    fn warn(&self, phase: Phase, method: &str, out: &mut Observer) {
        if phase == Phase::Exit && self.level > 1.0 {
            out.record(Level::WARN, format_args!("{method} overflows")).field("level", &self.level);
        }
    }
}

/// What nobody may look at.
struct Unreadable;

#[derive(Observe)]
#[observe(name = "pair", input)]
struct Pair<T, U>(T, #[observe(output)] U, #[observe(skip)] Unreadable)
where
    U: Clone;

#[derive(Observe)]
struct Nothing;

#[derive(Observe)]
#[observe(name = format!("stage {}", self.number))]
struct Stage {
    number: u8,
}

fn tank() -> Tank {
    let matrix = || Matrix { rows: 2, cells: vec![1.0, 2.0, 3.0, 4.0] };
    Tank {
        label: "north".into(),
        clock: 26.0,
        level: 0.5,
        surface: Some(2.0),
        flat: matrix(),
        jacobian: matrix(),
        range: 1..3,
        licence: Unreadable,
        key: "hunter2".to_owned().into(),
        valve: Valve { opening: 0.25 },
        filled: true,
        unsaid: Unreadable,
    }
}

/// The values that are dumped around `work`, by phase, and all messages.
fn dumps<O: Observe>(object: O, work: impl FnOnce(&mut O)) -> (Vec<Map<String, Value>>, Vec<String>) {
    let records = record(|| observe(object, "fill", work)).records();
    let is_dump = |message: &str| message.starts_with("####");
    let values = records.iter().filter(|record| is_dump(&record.message)).map(|record| {
        let fields: Map<String, Value> = serde_json::from_str(&record.fields).expect("an object");
        fields.into_iter().filter(|(name, _)| !name.starts_with("observed.")).collect()
    });
    let events = records.iter().filter(|record| record.kind == Kind::Event);
    (values.collect(), events.map(|record| record.message.clone()).collect())
}

#[test]
fn fields_are_dumped_as_their_attributes_say() {
    let mut tank = tank();
    let (values, messages) = dumps(&mut tank, |tank| tank.level = 1.5);
    let expected = [
        json!({
            "state.level": 0.5, "shape.area": 2.0, "state.range": "1..3", "state.licence": "***", "state.key": "***",
            "state.filled": true, "valve.values.opening": 0.25,
        }),
        json!({"state.level": 1.5, "state.flat": [1.0, 2.0, 3.0, 4.0], "state.jacobian": [[1.0, 2.0], [3.0, 4.0]]}),
    ];
    assert_eq!(values.into_iter().map(Value::Object).collect::<Vec<_>>(), expected);
    let lines = [
        "Entering north - fill",
        "#### north - Tank - Inputs",
        "fill overflows",
        "#### north - Tank - Outputs",
        "Exiting north - fill",
    ];
    assert_eq!(messages, lines);
    assert_eq!((tank.time(), tank.is_task()), (Some(26.0), true));
    let _ = &tank.unsaid;
}

#[test]
fn values_of_a_group_stand_together() {
    let text = record(|| observe(tank(), "fill", |_| ())).text();
    let heads: Vec<_> = text.lines().filter(|line| line.starts_with("- ")).collect();
    assert_eq!(heads, ["- state:", "- shape:", "- valve:", "- state:"], "inputs, then outputs: {text}");
}

#[test]
fn a_name_may_be_worked_out() {
    let (_, messages) = dumps(Stage { number: 2 }, |_| ());
    assert_eq!(messages, ["Entering stage 2 - fill", "Exiting stage 2 - fill"]);
}

#[test]
fn generic_and_empty_structs_are_objects() {
    fn name_of<T: AsValue, U: AsValue + Clone>(pair: &Pair<T, U>) -> String {
        pair.name().into_owned()
    }
    let pair = Pair(7_u8, vec!["a", "b"], Unreadable);
    assert_eq!((name_of(&pair), pair.type_name()), ("pair".to_owned(), "Pair"));
    let (values, _) = dumps(&pair, |_| ());
    let expected = [json!({"values.0": 7}), json!({"values.1": ["a", "b"]})];
    assert_eq!(values.into_iter().map(Value::Object).collect::<Vec<_>>(), expected);
    let _ = pair.2;
    assert_eq!(
        dumps(&Nothing, |_| ()),
        (vec![], vec!["Entering Nothing - fill".into(), "Exiting Nothing - fill".into()])
    );
}
