//! Standard output, and its colours.

use std::io::{self, Write};

use angarium_runtime::Shutdown;
use anstyle::{AnsiColor, Style};

/// What went well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// What went wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default();
/// What is still to come.
pub(super) const WAITING: Style = AnsiColor::Yellow.on_default();
/// What can be skipped.
pub(super) const ASIDE: Style = Style::new().dimmed();
/// Where a part begins.
pub(super) const HEADING: Style = Style::new().bold();
/// What is to be copied.
pub(super) const COPY: Style = AnsiColor::Cyan.on_default();

/// `text` in a style.
pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Standard output: colours are left out unless it is a terminal that wants them (`NO_COLOR`).
#[derive(Clone, Debug)]
pub(super) struct Screen {
    shutdown: Shutdown,
}

impl Screen {
    /// Nobody reads any more: then `shutdown` begins.
    pub(super) fn new(shutdown: Shutdown) -> Self {
        Self { shutdown }
    }

    /// Writes at once.
    pub(super) fn show(&self, text: &str) {
        let mut out = anstream::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            if error.kind() != io::ErrorKind::BrokenPipe {
                tracing::error!(%error, "standard output cannot be written to");
            }
            self.shutdown.begin();
        }
    }
}
