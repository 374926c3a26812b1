//! Colours, and when there are any.

use tracing_core::Level;

/// When a renderer uses colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless the environment says otherwise: `NO_COLOR` is set and not empty, or `TERM` is `dumb`. Only this
    /// looks at the environment, and only when a sink says that it writes to a terminal.
    #[default]
    Auto,
    /// Always, also in files.
    Always,
    /// Never.
    Never,
}

/// How a part of a line looks, as the parameters of a terminal's escape sequence.
pub(super) type Style = &'static str;

pub(super) const BOLD: Style = "1";
pub(super) const DIM: Style = "2";
pub(super) const CYAN: Style = "36";
pub(super) const RED: Style = "31";

impl Color {
    /// Whether there are colours before anything is known of a terminal.
    pub(super) fn at_first(self) -> bool {
        self == Self::Always
    }

    /// Whether there are on a terminal.
    pub(super) fn on_terminal(self) -> bool {
        match self {
            Self::Auto => !is_unwanted(|name| std::env::var_os(name).unwrap_or_default()),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

fn is_unwanted(variable: impl Fn(&str) -> std::ffi::OsString) -> bool {
    !variable("NO_COLOR").is_empty() || variable("TERM") == "dumb"
}

pub(super) fn style_of(level: Level) -> Style {
    match level {
        Level::TRACE => "35",
        Level::DEBUG => "34",
        Level::INFO => "32",
        Level::WARN => "33",
        Level::ERROR => "1;31",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_can_say_no() {
        let says = |name: &'static str, value: &'static str| {
            is_unwanted(|asked| if asked == name { value.into() } else { Default::default() })
        };
        assert!(says("NO_COLOR", "1") && says("TERM", "dumb"));
        assert!(!says("NO_COLOR", "") && !says("TERM", "xterm") && !says("OTHER", "1"));
    }

    #[test]
    fn what_is_not_known_to_be_a_terminal_has_no_colour_by_itself() {
        assert!(!Color::Auto.at_first() && !Color::Never.at_first() && Color::Always.at_first());
        assert!(!Color::Never.on_terminal() && Color::Always.on_terminal());
    }
}
