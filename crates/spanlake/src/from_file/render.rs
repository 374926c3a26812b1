//! The renderers of a file.

use std::num::{NonZeroU32, NonZeroUsize};

use spanlake_config::settings::{self, Renderer as Asked};
use spanlake_core::Error;
use spanlake_core::render::{
    Bound, Color, JsonLines, Lifecycle, Logfmt, Plain, Pretty, Renderer, StructlogLines, TextLines, Tree,
};

/// The renderer; the only thing that can be wrong with one is a pattern.
pub(super) fn renderer(asked: &Asked) -> Result<Box<dyn Renderer>, Error> {
    Ok(match asked {
        Asked::Json => Box::new(JsonLines::default()),
        Asked::Structlog => Box::new(StructlogLines::new()),
        Asked::Logfmt(lines) => Box::new(Logfmt::new().bound(bound(lines.bound)).lifecycle(lifecycle(lines.lifecycle))),
        Asked::Plain(lines) => Box::new(Plain::new(&lines.pattern)?.lifecycle(lifecycle(lines.lifecycle))),
        Asked::Pretty(lines) => Box::new(pretty(lines)),
        Asked::Tree(lines) => Box::new(tree(lines)),
        Asked::Text(lines) => Box::new(text(lines.lifecycle)),
        _ => Box::new(TextLines::default()),
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
