//! Three processes, each of which publishes by itself and one of them by OTLP, are one tree in the collector's lake.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::process::Command;
use std::time::Duration;

use spanlake_collector::queue::Options;
use spanlake_collector::{Collector, LakePlugin, Match};
use spanlake_publish::{HttpTransport, OtlpTransport, PublishLayer, Transport};
use spanlake_query::{Filter, Lake, Status, TaskTree};
use spanlake_scope::{CommandExt, ScopeLayer};
use tokio::runtime::Runtime;
use tracing::{info, info_span};
use tracing_subscriber::prelude::*;

/// Says to a child which process it is, and where the collector listens, or the lake is; absent in the test itself.
const PROCESS: &str = "SPANLAKED_PROCESS";
const PLACE: &str = "SPANLAKED_PLACE";

const LONG: Duration = Duration::from_secs(30);

/// The processes, each of which starts the next one in its task.
const PROCESSES: [&str; 3] = ["parent", "child", "grandchild"];

/// One that shows the lake.
const READER: &str = "reader";

#[test]
fn three_processes_are_one_tree() {
    match std::env::var(PROCESS) {
        Ok(process) if process == READER => return show(),
        Ok(process) => return work(&process),
        Err(_) => {}
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
    let shown = start(READER, lake.to_str().expect("UTF-8")).arg("--nocapture").output().expect("it ran");
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
    let shown = String::from_utf8(shown.stdout).expect("UTF-8");
    let mut depths = shown.lines().filter(|line| line.contains(" at work")).map(|line| line.find(" at work"));
    let depths: Vec<_> = depths.by_ref().flatten().collect();
    assert!(depths.len() == 3 && depths.is_sorted(), "{shown}");
}

/// What somebody sees who looks at the lake.
fn show() {
    let lake = std::env::var(PLACE).expect("a lake");
    spanlake_cli::main_from(["spanlake", "tree", &lake]);
}

/// What one of the processes does.
fn work(process: &str) {
    let address: SocketAddr = std::env::var(PLACE).expect("an address").parse().expect("an address");
    let url = format!("http://{address}");
    let transport: Box<dyn Transport> = match process {
        "child" => Box::new(OtlpTransport::new(url).build().expect("a transport")),
        _ => Box::new(HttpTransport::new(url).build().expect("a transport")),
    };
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

fn start(process: &str, place: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this executable"));
    command.args(["--exact", "three_processes_are_one_tree"]).env(PROCESS, process).env(PLACE, place);
    command
}
