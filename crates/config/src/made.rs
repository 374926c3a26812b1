//! Renderers, files and buckets as settings say; nothing is opened before the first record comes.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

use spanlake_core::Error;
use spanlake_core::render::{
    Bound, Color, JsonLines, Lifecycle, Logfmt, Plain, Pretty, Renderer, StructlogLines, TextLines, Tree,
};
use spanlake_lake::{Every, Existing, FileSink, RollingFileSink};

#[cfg(feature = "store")]
use spanlake_lake::store::StoreOptions;

use crate::settings::{self, Renderer as Asked};

/// How a bucket is reached.
#[cfg(feature = "store")]
pub fn store(asked: &settings::Store) -> StoreOptions {
    let options = StoreOptions::new().timeout(asked.timeout).retry_timeout(asked.retry_timeout);
    let options = if asked.from_env { options.from_env() } else { options };
    asked.options.iter().fold(options, |options, (name, value)| options.option(name, value.expose()))
}

/// A file that grows.
pub fn file(asked: &settings::FileSink) -> Result<FileSink, Error> {
    let existing = match asked.existing {
        settings::Existing::Keep => Existing::Keep,
        _ => Existing::Append,
    };
    Ok(FileSink::new(asked.path.as_str()).renderer(renderer(&asked.renderer)?).existing(existing))
}

/// A file that is followed by the next one. The only thing that can be wrong with one is its pattern of lines.
pub fn rolling(asked: &settings::RollingFileSink) -> Result<RollingFileSink, Error> {
    let settings::RollingFileSink {
        path,
        renderer: lines,
        max_file,
        every,
        max_files,
        max_total,
        max_age,
        compression,
    } = asked;
    let sink = RollingFileSink::new(path.as_str()).renderer(renderer(lines)?).max_files(*max_files);
    let sink = max_file.iter().fold(sink, |sink, size| sink.max_bytes(size.non_zero()));
    let seconds = every.iter().filter_map(|every| NonZeroU64::new(every.as_secs()));
    let sink = seconds.fold(sink, |sink, seconds| sink.every(Every::Seconds(seconds)));
    let sink = max_total.iter().fold(sink, |sink, size| sink.max_total_bytes(size.non_zero()));
    let sink = max_age.iter().fold(sink, |sink, age| sink.max_age(**age));
    Ok(match *compression {
        #[cfg(feature = "gzip")]
        settings::Compression::Gzip => sink.compression(spanlake_lake::Compression::Gzip),
        #[cfg(feature = "zstd")]
        settings::Compression::Zstd => sink.compression(spanlake_lake::Compression::Zstd),
        _ => sink,
    })
}

/// The renderer; the only thing that can be wrong with one is a pattern.
pub fn renderer(asked: &Asked) -> Result<Box<dyn Renderer>, Error> {
    Ok(match asked {
        Asked::Json => Box::new(JsonLines::default()),
        Asked::Structlog => Box::new(StructlogLines::new()),
        Asked::Logfmt(lines) => Box::new(Logfmt::new().bound(bound(lines.bound)).lifecycle(lifecycle(lines.lifecycle))),
        Asked::Plain(lines) => Box::new(Plain::new(&lines.pattern)?.lifecycle(lifecycle(lines.lifecycle))),
        Asked::Pretty(lines) => Box::new(pretty(lines)),
        Asked::Tree(lines) => Box::new(tree(lines)),
        Asked::Text(lines) => Box::new(text(lines.lifecycle)),
    })
}

fn text(asked: settings::Lifecycle) -> TextLines {
    TextLines { lifecycle: lifecycle(asked) }
}

fn pretty(lines: &settings::PrettyLines) -> Pretty {
    let pretty = Pretty::new().color(color(lines.color)).bound(bound(lines.bound));
    let pretty = pretty.lifecycle(lifecycle(lines.lifecycle));
    lines.width.iter().fold(pretty, |pretty, width| pretty.width(columns(*width)))
}

fn tree(lines: &settings::TreeLines) -> Tree {
    let tree = Tree::new().color(color(lines.color)).lifecycle(lifecycle(lines.lifecycle));
    lines.width.iter().fold(tree, |tree, width| tree.width(columns(*width)))
}

fn lifecycle(asked: settings::Lifecycle) -> Lifecycle {
    match asked {
        settings::Lifecycle::Timed => Lifecycle::Timed,
        _ => Lifecycle::Plain,
    }
}

fn color(asked: settings::Color) -> Color {
    match asked {
        settings::Color::Always => Color::Always,
        settings::Color::Never => Color::Never,
        _ => Color::Auto,
    }
}

fn bound(asked: settings::Bound) -> Bound {
    match asked {
        settings::Bound::Hidden => Bound::Hidden,
        _ => Bound::Shown,
    }
}

fn columns(width: NonZeroU32) -> NonZeroUsize {
    NonZeroUsize::try_from(width).unwrap_or(NonZeroUsize::MAX)
}
