//! What is wrong with the settings, told so that it can be mended in one go.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    CommandLine,
    Environment,
    Variable(String),
    File { path: PathBuf, line: usize },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("the command line"),
            Self::Environment => f.write_str("the environment"),
            Self::Variable(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The section of the setting; none when it is about a file, or about something that is no setting.
    pub(super) section: Option<&'static str>,
    text: String,
}

impl Mistake {
    /// A setting's value is wrong.
    pub(super) fn of_value(section: &'static str, path: &str, origin: &Origin, problem: &str) -> Self {
        Self {
            section: Some(section),
            text: format!("{path} ({origin}): {problem}"),
        }
    }

    /// A default does not go with what is set.
    pub(super) fn of_default(section: &'static str, path: &str, problem: &str) -> Self {
        Self {
            section: Some(section),
            text: format!("{path} (its default): {problem}"),
        }
    }

    /// A setting without a default was not given.
    pub(super) fn missing(section: &'static str, path: &str, variable: &str, meaning: &str) -> Self {
        let text = format!("{path} is missing ({meaning}): set it in the file, or set {variable}");
        Self {
            section: Some(section),
            text,
        }
    }

    /// Something given is no setting.
    pub(super) fn unknown(name: &str, origin: &Origin, nearest: Option<&String>) -> Self {
        let hint = nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"));
        Self {
            section: None,
            text: format!("{name} ({origin}) is not a setting{hint}"),
        }
    }

    /// The file itself is wrong.
    pub(super) fn of_file(path: &Path, line: Option<usize>, problem: &str) -> Self {
        let line = line.map_or_else(String::new, |line| format!(" line {line}"));
        Self {
            section: None,
            text: format!("{}{line}: {problem}", path.display()),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Everything that is wrong, one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub(super) Vec<Mistake>);

impl Mistakes {
    /// The mistakes one by one, in the order in which settings are read; what is unknown comes last.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("a mistake in the settings:")?,
            n => write!(f, "{n} mistakes in the settings:")?,
        }
        self.0.iter().try_for_each(|mistake| write!(f, "\n  - {mistake}"))
    }
}

/// The known name that was most likely meant, if one is near.
pub(super) fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a String> {
    let near = |other: &&String| strsim::osa_distance(name, other) <= other.len().div_ceil(4);
    known
        .iter()
        .filter(near)
        .min_by_key(|other| strsim::osa_distance(name, other))
}
