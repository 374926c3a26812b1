//! Task and record keys.

use proptest::prelude::*;
use spanlake_core::key::{MAX_DEPTH, MAX_TASK_KEY_LEN};
use spanlake_core::{KeyError, RecordKey, TaskKey};
use uuid::Uuid;

const ROOT: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";

fn task(text: &str) -> TaskKey {
    text.parse().expect("a task key")
}

fn below(root: Uuid, path: &[u32]) -> TaskKey {
    path.iter().fold(TaskKey::root(root), |key, number| key.child(*number).expect("a child key"))
}

/// Any key; few roots and small numbers, so that keys are often related.
fn related() -> impl Strategy<Value = TaskKey> {
    let root = prop_oneof![
        Just(Uuid::from_u128(1)),
        Just(Uuid::from_u128(u128::MAX)),
        any::<u128>().prop_map(Uuid::from_u128)
    ];
    let number = prop_oneof![1..=3u32, 254..=258u32, Just(u32::MAX), 1..=u32::MAX];
    (root, prop::collection::vec(number, 0..=MAX_DEPTH)).prop_map(|(root, path)| below(root, &path))
}

proptest! {
    #[test]
    fn task_keys_print_and_parse_without_loss(key in related()) {
        let text = key.to_string();
        prop_assert!(text.len() <= MAX_TASK_KEY_LEN);
        prop_assert_eq!(text.parse::<TaskKey>(), Ok(key));
    }

    #[test]
    fn record_keys_print_and_parse_without_loss(task in related(), seq: u64) {
        let key = RecordKey { task, seq };
        prop_assert_eq!(key.to_string().parse::<RecordKey>(), Ok(key));
    }

    #[test]
    fn path_keys_sort_as_keys_do(one in related(), other in related()) {
        prop_assert_eq!(one.path_key().cmp(&other.path_key()), one.cmp(&other));
    }

    #[test]
    fn subtree_is_one_range_of_path_keys(top in related(), other in related()) {
        prop_assert_eq!(other.path_key().starts_with(&top.path_key()), top.contains(&other));
    }

    #[test]
    fn parent_contains_child_and_nothing_contains_its_parent(key in related()) {
        if let Some(parent) = key.parent() {
            prop_assert!(parent.contains(&key) && !key.contains(&parent));
            prop_assert!(parent < key);
            prop_assert_eq!(parent.depth() + 1, key.depth());
        } else {
            prop_assert_eq!(key.depth(), 0);
        }
    }

    #[test]
    fn no_text_makes_parsing_panic(text in ".{0,80}", key in related(), cut in 0usize..800) {
        let _ = (text.parse::<TaskKey>(), text.parse::<RecordKey>());
        let mut key = key.to_string();
        key.truncate(cut);
        let _ = (key.parse::<TaskKey>(), format!("1@{key}").parse::<RecordKey>());
    }

    #[test]
    fn what_parses_prints_as_it_was(text in "([0-9]{1,2}@)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(/[0-9]{1,3}){0,3}") {
        if let Ok(key) = text.parse::<TaskKey>() {
            prop_assert_eq!(key.to_string(), text);
        } else if let Ok(key) = text.parse::<RecordKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }
}

#[test]
fn siblings_sort_by_number_and_tasks_before_their_subtasks() {
    let sorted =
        [ROOT.to_owned(), format!("{ROOT}/1"), format!("{ROOT}/1/5"), format!("{ROOT}/2"), format!("{ROOT}/10")];
    let keys: Vec<TaskKey> = sorted.iter().map(|text| task(text)).collect();
    assert!(keys.is_sorted());
    assert!(keys.iter().map(TaskKey::path_key).is_sorted());
}

#[test]
fn records_sort_by_task_then_by_number() {
    let sorted = [format!("0@{ROOT}"), format!("9@{ROOT}"), format!("10@{ROOT}"), format!("0@{ROOT}/1")];
    let keys: Vec<RecordKey> = sorted.iter().map(|text| text.parse().expect("a record key")).collect();
    assert!(keys.is_sorted());
}

#[test]
fn malformed_task_keys_are_refused_by_reason() {
    let deep = format!("{ROOT}{}", "/1".repeat(MAX_DEPTH + 1));
    let table = [
        ("", KeyError::Root),
        ("orders", KeyError::Root),
        (&ROOT[..35], KeyError::Root),
        (&format!("{ROOT}1"), KeyError::Root),
        (&ROOT.replace('-', ""), KeyError::Root),
        (&format!("{{{ROOT}}}"), KeyError::Root),
        (&format!("urn:uuid:{ROOT}"), KeyError::Root),
        (&ROOT.replace('e', "g"), KeyError::Root),
        (&ROOT.replace("e252", "é25"), KeyError::Root),
        (&format!(" {ROOT}"), KeyError::Root),
        (&format!("{ROOT}/"), KeyError::Number),
        (&format!("{ROOT}//1"), KeyError::Number),
        (&format!("{ROOT}/1/"), KeyError::Number),
        (&format!("{ROOT}/0"), KeyError::Number),
        (&format!("{ROOT}/01"), KeyError::Number),
        (&format!("{ROOT}/+1"), KeyError::Number),
        (&format!("{ROOT}/-1"), KeyError::Number),
        (&format!("{ROOT}/1 "), KeyError::Number),
        (&format!("{ROOT}/1.5"), KeyError::Number),
        (&format!("{ROOT}/4294967296"), KeyError::Number),
        (&format!("{ROOT}/99999999999999999999999"), KeyError::Number),
        (&format!("{ROOT}/١"), KeyError::Number),
        (&deep, KeyError::TooDeep),
        (&"/1".repeat(500), KeyError::TooLong),
    ];
    for (text, why) in table {
        assert_eq!(text.parse::<TaskKey>(), Err(why), "{text}");
    }
}

#[test]
fn malformed_record_keys_are_refused_by_reason() {
    let table = [
        (ROOT.to_owned(), KeyError::Seq),
        (format!("@{ROOT}"), KeyError::Seq),
        (format!("-1@{ROOT}"), KeyError::Seq),
        (format!("01@{ROOT}"), KeyError::Seq),
        (format!("18446744073709551616@{ROOT}"), KeyError::Seq),
        ("1@".to_owned(), KeyError::Root),
        (format!("1@1@{ROOT}"), KeyError::Root),
        (format!("1@{ROOT}/0"), KeyError::Number),
    ];
    for (text, why) in table {
        assert_eq!(text.parse::<RecordKey>(), Err(why), "{text}");
    }
}

#[test]
fn longest_key_there_is_parses() {
    let text = format!("{ROOT}{}", "/4294967295".repeat(MAX_DEPTH));
    assert_eq!(text.len(), MAX_TASK_KEY_LEN);
    let key = task(&text);
    assert_eq!((key.depth(), key.to_string()), (MAX_DEPTH, text));
    assert_eq!(key.child(1), None, "deeper than the limit");
}

#[test]
fn text_in_capitals_names_the_same_task() {
    assert_eq!(task(&ROOT.to_uppercase()).to_string(), ROOT);
}

#[test]
fn child_zero_does_not_exist() {
    assert_eq!(task(ROOT).child(0), None);
}

#[test]
fn random_roots_are_version_4_in_lower_case() {
    let (one, other) = (TaskKey::random(), TaskKey::random());
    assert_ne!(one, other);
    assert_eq!(one.uuid().get_version_num(), 4);
    assert_eq!(one.to_string(), one.to_string().to_lowercase());
}

#[test]
fn trace_id_is_the_roots_bytes_and_span_id_a_hash_of_the_text() {
    let key = task(&format!("{ROOT}/1"));
    assert_eq!(key.trace_id(), *key.uuid().as_bytes());
    assert_eq!(key.span_id(), xxhash_rust::xxh3::xxh3_64(key.to_string().as_bytes()).to_be_bytes());
    assert_ne!(key.span_id(), task(ROOT).span_id());
}
