//! The datasets of a run: what it reads from and writes to, as OpenLineage names them.

use serde_json::{Value as Json, json};

use super::event::facet;
use crate::runs::run::RunRow;

/// What is known of a source or a destination.
pub(super) struct Side<'a> {
    connection: Option<&'a str>,
    /// Catalog, database, schema and table.
    table: [Option<&'a str>; 4],
    full_table: Option<&'a str>,
    path: Option<&'a str>,
    name: Option<&'a str>,
}

/// A namespace and a name in it.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    namespace: String,
    name: String,
}

/// Schemes of stores whose names are keys: they have no slash in front, and `?` is one more character.
const BUCKETS: [&str; 2] = ["s3", "gs"];

/// Schemes that have the container in front of an `@`.
const CONTAINERS: [&str; 4] = ["abfss", "abfs", "wasbs", "wasb"];

// === impl Side ===

impl<'a> Side<'a> {
    pub(super) fn source(row: &'a RunRow) -> Self {
        Self {
            connection: present(&row.source_connection_type),
            table: [&row.source_catalog, &row.source_database, &row.source_schema, &row.source_table].map(present),
            full_table: present(&row.source_full_table),
            path: present(&row.source_path),
            name: present(&row.source_name).or(present(&row.source_id)),
        }
    }

    pub(super) fn destination(row: &'a RunRow) -> Self {
        let table =
            [&row.destination_catalog, &row.destination_database, &row.destination_schema, &row.destination_table];
        Self {
            connection: present(&row.destination_connection_type),
            table: table.map(present),
            full_table: present(&row.destination_full_table),
            path: present(&row.destination_path),
            name: present(&row.destination_name).or(present(&row.destination_id)),
        }
    }

    /// The dataset; `None` when nothing names it. `namespace` is that of what says nothing about its connection.
    pub(super) fn dataset(&self, namespace: &str) -> Option<Json> {
        let path = self.path.map(of_path);
        let Some(table) = self.table() else {
            let named = || Some(Identity { namespace: self.namespace(namespace), name: self.name?.to_owned() });
            return path.or_else(named).map(Identity::json);
        };
        let mut dataset = Identity { namespace: self.namespace(namespace), name: table }.json();
        if let Some(path) = path {
            let mut location = path.json();
            location["type"] = json!("LOCATION");
            dataset["facets"] =
                json!({ "symlinks": facet("1-0-1", "SymlinksDatasetFacet", json!({ "identifiers": [location] })) });
        }
        Some(dataset)
    }

    /// The name of the table; without one the parts above it name nothing.
    fn table(&self) -> Option<String> {
        match self.table[3] {
            Some(_) => Some(self.table.into_iter().flatten().collect::<Vec<_>>().join(".")),
            None => self.full_table.map(|full| full.replace('`', "")),
        }
    }

    fn namespace(&self, otherwise: &str) -> String {
        match self.connection.map(str::to_lowercase).as_deref() {
            None => otherwise.to_owned(),
            Some("postgresql") => "postgres".to_owned(),
            Some(connection) => connection.to_owned(),
        }
    }
}

// === impl Identity ===

impl Identity {
    fn new(namespace: impl Into<String>, name: &str) -> Self {
        let name = name.trim_end_matches('/');
        Self { namespace: namespace.into(), name: if name.is_empty() { "/" } else { name }.to_owned() }
    }

    fn json(self) -> Json {
        json!({ "namespace": self.namespace, "name": self.name })
    }
}

fn of_path(path: &str) -> Identity {
    let Some((scheme, rest)) = path.split_once("://") else {
        return Identity::new("file", path);
    };
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "s3a" | "s3n" => "s3".to_owned(),
        scheme => scheme.to_owned(),
    };
    let is_bucket = BUCKETS.contains(&scheme.as_str());
    let end = if is_bucket || scheme == "file" { None } else { rest.find(['?', '#']) };
    let rest = &rest[..end.unwrap_or(rest.len())];
    let (authority, name) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = match authority.rsplit_once('@') {
        Some((user, _)) if CONTAINERS.contains(&scheme.as_str()) && !user.contains(':') => authority,
        Some((_, host)) => host,
        None => authority,
    };
    let is_key = is_bucket || CONTAINERS.contains(&scheme.as_str());
    let name = if is_key { name.trim_start_matches('/') } else { name };
    match (scheme.as_str(), host) {
        ("file", "" | "localhost") => Identity::new("file", name),
        _ => Identity::new(format!("{scheme}://{host}"), name),
    }
}

fn present(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_named_as_openlineage_names_them() {
        let table = [
            ("data/orders.csv", "file", "data/orders.csv"),
            ("/data/orders/", "file", "/data/orders"),
            ("file:///data/orders.csv", "file", "/data/orders.csv"),
            ("file://localhost/data", "file", "/data"),
            ("file://nas/data", "file://nas", "/data"),
            ("s3://lake/bronze/orders/", "s3://lake", "bronze/orders"),
            ("s3a://key:secret@lake/part-?.parquet", "s3://lake", "part-?.parquet"),
            ("S3://lake", "s3://lake", "/"),
            ("gs://lake/a b#1", "gs://lake", "a b#1"),
            ("hdfs://nn:8020/data", "hdfs://nn:8020", "/data"),
            ("abfss://c@a.dfs.core.windows.net/t?sig=secret", "abfss://c@a.dfs.core.windows.net", "t"),
            ("wasbs://user:secret@a.net/t", "wasbs://a.net", "t"),
            ("https://user:secret@api.example/v1?key=secret#x", "https://api.example", "/v1"),
            ("postgres://user:p@ss@db:5432/shop", "postgres://db:5432", "/shop"),
        ];
        for (path, namespace, name) in table {
            assert_eq!(of_path(path), Identity { namespace: namespace.into(), name: name.into() }, "{path}");
        }
    }

    #[test]
    fn a_dataset_is_called_by_its_table_then_its_path_then_its_name() {
        let some = |text: &str| Some(text.to_owned());
        let mut row = RunRow::new("orders");
        assert_eq!(Side::source(&row).dataset("jobs"), None);
        row.source_id = some("s-1");
        assert_eq!(Side::source(&row).dataset("jobs"), Some(json!({ "namespace": "jobs", "name": "s-1" })));
        row.source_connection_type = some("Kafka");
        row.source_name = some("events");
        assert_eq!(Side::source(&row).dataset("jobs"), Some(json!({ "namespace": "kafka", "name": "events" })));
        row.source_database = some("nothing below it");
        row.source_path = some("s3://lake/orders");
        assert_eq!(Side::source(&row).dataset("jobs"), Some(json!({ "namespace": "s3://lake", "name": "orders" })));
        row.source_connection_type = some("PostgreSQL");
        row.source_database = some("shop");
        row.source_schema = some("public");
        row.source_table = some("orders");
        let dataset = Side::source(&row).dataset("jobs").expect("a dataset");
        assert_eq!((&dataset["namespace"], &dataset["name"]), (&json!("postgres"), &json!("shop.public.orders")));
        let link = &dataset["facets"]["symlinks"]["identifiers"];
        assert_eq!(*link, json!([{ "namespace": "s3://lake", "name": "orders", "type": "LOCATION" }]));
        row.destination_full_table = some("`main`.`orders`");
        assert_eq!(
            Side::destination(&row).dataset("jobs"),
            Some(json!({ "namespace": "jobs", "name": "main.orders" }))
        );
    }
}
