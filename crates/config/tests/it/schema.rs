//! The JSON Schema that is committed is the one of this version.

use std::fs;
use std::path::Path;

const PATH: &str = "../../docs/spanlake.schema.json";

#[test]
fn the_committed_schema_is_this_one() {
    let schema = spanlake_config::json_schema::<spanlake_config::Settings>();
    if std::env::var_os("SPANLAKE_BLESS").is_some() {
        fs::write(PATH, &schema).expect("written");
    }
    let committed = fs::read_to_string(Path::new(PATH)).expect("docs/spanlake.schema.json");
    assert!(committed == schema, "run with SPANLAKE_BLESS=1, or `spanlake config schema > docs/spanlake.schema.json`");
}

#[test]
fn it_is_json_and_every_reference_leads_somewhere() {
    let schema: serde_json::Value =
        serde_json::from_str(&spanlake_config::json_schema::<spanlake_config::Settings>()).expect("JSON");
    let definitions = schema["$defs"].as_object().expect("definitions");
    let text = schema.to_string();
    let references = text.split("\"#/$defs/").skip(1).filter_map(|rest| rest.split('"').next());
    for name in references {
        assert!(definitions.contains_key(name), "{name}");
    }
}

#[test]
fn every_key_is_documented() {
    let schema: serde_json::Value =
        serde_json::from_str(&spanlake_config::json_schema::<spanlake_config::Settings>()).expect("JSON");
    let mut silent = Vec::new();
    find_silent(&schema, "", &mut silent);
    assert!(silent.is_empty(), "{silent:?}");
}

fn find_silent(schema: &serde_json::Value, path: &str, silent: &mut Vec<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        let without =
            |name: &&String| *name != "kind" && properties[*name]["description"].as_str().is_none_or(str::is_empty);
        silent.extend(properties.keys().filter(without).map(|name| format!("{path}.{name}")));
    }
    match schema {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(name, value)| find_silent(value, &format!("{path}.{name}"), silent));
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| find_silent(value, path, silent)),
        _ => {}
    }
}
