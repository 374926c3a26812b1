//! How many segments a second the queue makes durable: with one who offers and with 64, small segments and large ones.
//!
//! ```sh
//! cargo run --release -p spanlake-collector --example queue_rate -- [FOLDER]
//! ```
//!
//! Each who offers waits for its acknowledgement before it offers the next segment, and a plugin reads and confirms
//! everything meanwhile. Beside it stands what the disk does with a plain file: a write and a sync, one after the other.

use std::error::Error;
use std::io::Write;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use spanlake_collector::queue::{Delivery, Options, Queue, Reader};
use spanlake_core::disk::{Access, real};
use spanlake_wire::exchange::Stream;

const RUN: Duration = Duration::from_secs(3);

/// A sender's usual batch of about a hundred records, and a single short one.
const SEGMENT_BYTES: [usize; 2] = [300, 30_000];

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let given = std::env::args().nth(1).map(PathBuf::from);
    let folder = given.unwrap_or_else(std::env::temp_dir).join(format!("spanlake-queue-rate-{}", std::process::id()));
    for bytes in SEGMENT_BYTES {
        let syncs = plain(&folder, bytes)?;
        println!("{bytes:>6} bytes  a plain file         {syncs:>9.0} syncs/s");
        for offerers in [1, 64] {
            run(&folder, offerers, bytes)?;
        }
    }
    Ok(())
}

/// Writes and syncs a second with a plain file.
fn plain(folder: &Path, bytes: usize) -> Result<f64> {
    let disk = real();
    disk.create_folder(folder, Access::Private)?;
    let mut file = disk.create(&folder.join("plain"), Access::Private)?;
    let (start, mut syncs, segment) = (Instant::now(), 0u32, vec![7; bytes]);
    while start.elapsed() < RUN {
        file.write_all(&segment)?;
        file.sync()?;
        syncs += 1;
    }
    let rate = f64::from(syncs) / start.elapsed().as_secs_f64();
    std::fs::remove_dir_all(folder)?;
    Ok(rate)
}

fn run(folder: &Path, offerers: usize, bytes: usize) -> Result<()> {
    let most = NonZeroU64::new(8 << 30).ok_or("a number")?;
    let (queue, _) = Queue::open(Options::new(folder, most).most_disk_percent(100), real(), &["reader"])?;
    let reader = queue.reader("reader").ok_or("a reader")?;
    let start = Instant::now();
    let mut waits: Vec<Duration> = std::thread::scope(|scope| -> Result<Vec<Duration>> {
        let consumer = scope.spawn(|| consume(reader));
        let senders: Vec<_> = (0..offerers).map(|number| (number, &queue)).collect();
        let senders: Vec<_> =
            senders.into_iter().map(|(number, queue)| scope.spawn(move || send(queue, number, bytes))).collect();
        let mut waits = Vec::new();
        for sender in senders {
            waits.extend(sender.join().map_err(|_| "a sender panicked")??);
        }
        queue.close(RUN)?;
        let read = consumer.join().map_err(|_| "the reader panicked")??;
        assert_eq!(read, waits.len(), "the plugin got everything once");
        Ok(waits)
    })?;
    let took = start.elapsed().as_secs_f64();
    waits.sort();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let (rate, megabytes) = (waits.len() as f64 / took, waits.len() as f64 * bytes as f64 / took / 1e6);
    println!(
        "{bytes:>6} bytes  {offerers:>2} offer  {rate:>9.0} segments/s  {megabytes:>7.1} MB/s  acknowledged after {:.2} ms (p50), {:.2} ms (p99)",
        at(0.5),
        at(0.99)
    );
    queue.checkpoint()?;
    drop(queue);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// How long each acknowledgement took.
fn send(queue: &Queue, number: usize, bytes: usize) -> Result<Vec<Duration>> {
    let stream = Stream { sender: format!("sender/{number}"), epoch: 1 };
    let (start, mut waits, segment) = (Instant::now(), Vec::new(), vec![number as u8; bytes]);
    while start.elapsed() < RUN {
        let number = waits.len() as u64;
        let entries = vec![(Some(number), segment.clone())];
        let delivery = Delivery { stream: Some(stream.clone()), floor: number, service: "rate".to_owned(), entries };
        let (offered, (tell, told)) = (Instant::now(), mpsc::channel());
        queue.offer(delivery, move |result| drop(tell.send(result)));
        told.recv()??;
        waits.push(offered.elapsed());
    }
    Ok(waits)
}

fn consume(mut reader: Reader) -> Result<usize> {
    let mut read = 0;
    while let Some(items) = reader.next(Instant::now() + 10 * RUN)? {
        read += items.iter().count();
        reader.confirm(items.last(), Vec::new());
    }
    Ok(read)
}
