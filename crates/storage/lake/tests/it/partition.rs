//! What partition patterns accept, and which folders they give.

use spanlake_lake::{DEFAULT_PARTITION, Partition};

use crate::support::NOON_US;

#[test]
fn patterns_give_folders_with_padded_numbers() {
    for (pattern, folder) in [
        (DEFAULT_PARTITION, "run_date=2026-11-20"),
        ("{year}", "2026"),
        ("year={year}/month={month}", "year=2026/month=11"),
        ("y{year}/m{month}/d{day}/h{hour}", "y2026/m11/d20/h12"),
        ("{year}{month}{day}{hour}", "2026112012"),
        ("runs/{year}-{month}/all", "runs/2026-11/all"),
    ] {
        let partition = Partition::new(pattern).unwrap();
        assert_eq!(partition.folder(NOON_US), folder, "{pattern}");
        assert_eq!(partition.to_string(), pattern);
    }
}

#[test]
fn numbers_are_padded_far_from_today() {
    let hourly = Partition::new("{year}-{month}-{day}-{hour}").unwrap();
    assert_eq!(hourly.folder(0), "1970-01-01-00");
    assert_eq!(hourly.folder(-1), "1969-12-31-23");
    assert_eq!(hourly.folder(-62_135_596_800_000_000), "0001-01-01-00");
}

#[test]
fn the_default_is_one_folder_a_day() {
    assert_eq!(Partition::default(), Partition::new(DEFAULT_PARTITION).unwrap());
}

#[test]
fn no_partition_is_no_folder() {
    assert_eq!(Partition::none().folder(NOON_US), "");
}

#[test]
fn what_is_wrong_with_a_pattern_is_said_when_it_is_built() {
    for (pattern, fault) in [
        ("", "empty"),
        ("/{year}", "absolute"),
        ("{year}/", "empty"),
        ("{year}//{month}", "empty"),
        ("../{year}", "`..`"),
        ("./{year}", "`.`"),
        ("_{year}", "hidden"),
        (".{year}", "hidden"),
        ("{year}\\{month}", "'\\\\'"),
        ("{year}\n", "'\\n'"),
        ("c:{year}", "':'"),
        ("daily", "no placeholder"),
        ("{month}", "in this order"),
        ("{year}-{day}", "in this order"),
        ("{month}/{year}", "in this order"),
        ("{year}-{year}", "in this order"),
        ("{year}{month}{day}{hour}{hour}", "in this order"),
        ("{year}/{minute}", "unknown placeholder `{minute}`"),
        ("{Year}", "unknown placeholder `{Year}`"),
        ("{}", "unknown placeholder `{}`"),
        ("{year", "`{` without `}`"),
        ("year}", "`}` without `{`"),
        ("{{year}}", "unknown placeholder `{{year}`"),
        ("{year}}", "`}` without `{`"),
    ] {
        let error = Partition::new(pattern).expect_err(pattern);
        assert_eq!(error.code().to_string(), "CONFIGURATION::Partition::VALIDATION::ERROR");
        assert!(error.to_string().contains(fault), "{pattern}: {error}");
        assert_eq!(error.context().next(), Some(("pattern", pattern)));
    }
}
