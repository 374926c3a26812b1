//! Three processes, each of which publishes by itself, are one tree in the collector's lake.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::process::Command;
use std::time::Duration;

use spanlake_collector::queue::Options;
use spanlake_collector::{Collector, LakePlugin, Match};
use spanlake_publish::{HttpTransport, PublishLayer};
use spanlake_query::{Filter, Lake, Status, TaskTree};
use spanlake_scope::{CommandExt, ScopeLayer};
use tokio::runtime::Runtime;
use tracing::{info, info_span};
use tracing_subscriber::prelude::*;

/// Says to a child which process it is, and where the collector listens; absent in the test itself.
const PROCESS: &str = "SPANLAKED_PROCESS";
const ADDRESS: &str = "SPANLAKED_ADDRESS";

const LONG: Duration = Duration::from_secs(30);

/// The processes, each of which starts the next one in its task.
const PROCESSES: [&str; 3] = ["parent", "child", "grandchild"];

#[test]
fn three_processes_are_one_tree() {
    if let Ok(process) = std::env::var(PROCESS) {
        return work(&process);
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let lake = scratch.path().join("lake");
    let runtime = Runtime::new().expect("a runtime");
    let most = NonZeroU64::new(1 << 30).expect("not zero");
    let queue = Options::new(scratch.path().join("queue"), most).most_disk_percent(100);
    let builder = Collector::builder(queue).listen("127.0.0.1:0".parse().expect("an address"));
    let builder = builder.plugin("lake", Match::default(), LakePlugin::new(&lake));
    let collector = runtime.block_on(builder.start()).expect("a collector");
    assert!(start(PROCESSES[0], &collector.address().to_string()).status().expect("it ran").success());
    runtime.block_on(collector.stop()).expect("a good end");

    let mut tree = TaskTree::builder(Filter::new());
    let lake = Lake::open(lake).expect("a lake");
    lake.scan(&tree.filter_to_scan()).expect("records").for_each(|record| tree.add(record));
    let tree = tree.finish();
    let mut pids = Vec::new();
    let mut tasks: Vec<_> = tree.roots().collect();
    for process in PROCESSES {
        assert_eq!(tasks.len(), 1, "{process}");
        let task = tasks[0];
        assert_eq!((task.name(), task.service(), task.status()), (Some(process), Some(process), Status::Succeeded));
        assert!(task.records().any(|record| record.message() == format!("{process} at work")));
        pids.push(task.pid());
        tasks = task.tasks().collect();
    }
    assert!(tasks.is_empty());
    pids.dedup();
    assert_eq!(pids.len(), 3, "each is a process of its own");
}

/// What one of the processes does.
fn work(process: &str) {
    let address: SocketAddr = std::env::var(ADDRESS).expect("an address").parse().expect("an address");
    let transport = HttpTransport::new(format!("http://{address}")).build().expect("a transport");
    let (layer, guard) = PublishLayer::builder(transport).service(process).build().expect("a layer");
    let scope = ScopeLayer::builder().continue_from_env().build();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(scope).with(layer), || {
        let span = match process {
            "parent" => info_span!("parent"),
            "child" => info_span!("child"),
            _ => info_span!("grandchild"),
        };
        span.in_scope(|| {
            info!("{process} at work");
            let at = PROCESSES.iter().position(|name| *name == process).expect("it is one of them");
            if let Some(next) = PROCESSES.get(at + 1) {
                assert!(start(next, &address.to_string()).continue_task().status().expect("it ran").success());
            }
        });
    });
    assert!(guard.shutdown(LONG).expect("an end in time").is_complete());
}

fn start(process: &str, address: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this executable"));
    command.args(["--exact", "three_processes_are_one_tree"]).env(PROCESS, process).env(ADDRESS, address);
    command
}
