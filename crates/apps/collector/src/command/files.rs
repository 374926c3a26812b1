//! How many files and connections may be open at once.

use rustix::process::{Resource, getrlimit, setrlimit};
use spanlake_config::settings::collector::Collector as Settings;

/// Files that a collector has open besides its connections: the queue's, and those of plugins.
const FILES: u64 = 256;

/// What the system allows without being asked, often 1,024, is raised to what it allows. Gives what there is to say, where that is too little
/// for the connections that are allowed.
pub(super) fn allow_many(settings: &Settings) -> Option<String> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it cannot be raised it stays.
    let _ = setrlimit(Resource::Nofile, limit);
    too_few(getrlimit(Resource::Nofile).current?, settings)
}

fn too_few(allowed: u64, settings: &Settings) -> Option<String> {
    let pulled = settings.receive.zeromq_pull.on().map_or(0, |pull| pull.connections.get());
    let needed = settings.limits.connections.get().saturating_add(pulled).saturating_add(FILES);
    let told = format!("the system allows {allowed} open files, and as many connections as are allowed need {needed}");
    (allowed < needed).then_some(told)
}

#[cfg(test)]
mod tests {
    use spanlake_config::{CollectorConfig, Format};

    use super::*;

    #[test]
    fn connections_that_need_more_than_the_system_allows_are_told() {
        let text = "limits: { connections: 100 }\nreceive: { zeromq_pull: { connections: 10 } }\n";
        let config = CollectorConfig::from_text(text, Format::Yaml, "spanlaked.yaml").expect("it is right");
        assert_eq!(too_few(100 + 10 + FILES, config.settings()), None);
        let told = too_few(100 + 10 + FILES - 1, config.settings()).expect("one is missing");
        assert!(told.contains("allows 365 open files") && told.contains("need 366"), "{told}");
    }
}
