//! Settings, read once: from a TOML file, the environment and the command line.
//!
//! ```
//! use angarium_runtime::config::Reader;
//!
//! let environment = [("ANGARIUM_INGEST_LISTEN".to_owned(), "127.0.0.1:9000".to_owned())];
//! let mut reader = Reader::new(None, environment);
//! let mut ingest = reader.section("ingest");
//! let listen = ingest.address("listen", ([0, 0, 0, 0], 8080), "Where HTTP is served");
//! let body = ingest.bytes("max_request", 5 << 20, 1024..=64 << 20, "The largest request body");
//! reader.finish().expect("no mistakes");
//! assert_eq!((listen.port(), body), (9000, 5_242_880));
//! ```
//!
//! A setting is named `section.name`. Its variable is `ANGARIUM_SECTION_NAME`, which beats the file; the
//! command line ([`Reader::set`]) beats both. A variable set to nothing counts as not set.
//!
//! Getters never fail: they note what is wrong, and return a placeholder. [`Reader::finish`] reports all
//! mistakes together, so call it before the values are used. A mistake names the setting, where the value came
//! from, what is wrong and what is allowed; it never shows the value of a secret. Keys and `ANGARIUM_`
//! variables that no getter asked for are mistakes too.

mod file;
mod mistake;
mod reference;
mod section;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use file::Document;
pub use mistake::{Mistake, Mistakes};
use mistake::{Origin, nearest};
pub use section::Section;

/// Variables of this prefix belong to Angarium.
const PREFIX: &str = "ANGARIUM_";

/// Variables of this prefix belong to its tests, and are no settings.
const TEST_PREFIX: &str = "ANGARIUM_TEST_";

/// A setting's secret value. Never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The variables of this process that belong to Angarium, for [`Reader::new`].
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
        Some((name, value.to_string_lossy().into_owned()))
    })
}

/// Reads settings and collects what is wrong with them.
#[derive(Debug)]
pub struct Reader {
    document: Document,
    environment: BTreeMap<String, String>,
    overrides: BTreeMap<String, String>,
    settings: Vec<Setting>,
    foreign: Vec<Foreign>,
    mistakes: Vec<Mistake>,
}

/// What a getter asked for.
#[derive(Debug, Clone)]
struct Setting {
    section: &'static str,
    name: &'static str,
    kind: &'static str,
    absent: Absent,
    bounds: String,
    meaning: &'static str,
    secret: bool,
}

/// What holds when a setting is given nowhere.
#[derive(Debug, Clone)]
enum Absent {
    Default(String),
    Optional,
    Required,
}

/// A variable that something other than a getter reads.
#[derive(Debug)]
struct Foreign {
    variable: &'static str,
    meaning: &'static str,
}

impl Setting {
    fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

/// `ingest.max_request` becomes `ANGARIUM_INGEST_MAX_REQUEST`.
fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "_").to_ascii_uppercase())
}

impl Reader {
    /// Reads the file, if one is named, and keeps the `ANGARIUM_` variables of `environment`.
    #[must_use]
    pub fn new(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut mistakes = Vec::new();
        let document = file.map_or_else(Document::default, |path| Document::read(path, &mut mistakes));
        let ours = |name: &str| name.starts_with(PREFIX) && !name.starts_with(TEST_PREFIX);
        let given = |(name, value): &(String, String)| ours(name) && !value.is_empty();
        Self {
            document,
            environment: environment.into_iter().filter(given).collect(),
            overrides: BTreeMap::new(),
            settings: Vec::new(),
            foreign: Vec::new(),
            mistakes,
        }
    }

    /// Overrides the setting `section.name`, for the command line. Set all before the first getter.
    pub fn set(&mut self, path: impl Into<String>, value: impl Into<String>) {
        self.overrides.insert(path.into(), value.into());
    }

    /// Declares a variable that something else reads, so that it is known and documented.
    pub fn foreign(&mut self, variable: &'static str, meaning: &'static str) {
        self.foreign.push(Foreign { variable, meaning });
    }

    /// The settings of one topic.
    pub fn section(&mut self, name: &'static str) -> Section<'_> {
        Section::new(self, name)
    }

    /// All mistakes of the sections that were read.
    ///
    /// # Errors
    /// When there is any mistake; do not use the settings then.
    pub fn finish(&self) -> Result<(), Mistakes> {
        self.report(|_section| true)
    }

    /// As [`Reader::finish`], but what is wrong or missing in a section other than these is left to the
    /// process that uses it: one file serves all roles. What no role knows is reported all the same.
    ///
    /// # Errors
    /// When there is any mistake; do not use the settings then.
    pub fn finish_for(&self, sections: &[&str]) -> Result<(), Mistakes> {
        self.report(|section| sections.contains(&section))
    }

    /// All settings that were asked for, as Markdown: for `docs/CONFIGURATION.md`.
    #[must_use]
    pub fn reference(&self) -> String {
        reference::render(&self.settings, &self.foreign)
    }

    fn report(&self, wanted: impl Fn(&str) -> bool) -> Result<(), Mistakes> {
        let of_values = self
            .mistakes
            .iter()
            .filter(|mistake| mistake.section.is_none_or(&wanted));
        let mut all: Vec<Mistake> = of_values.cloned().collect();
        all.extend(self.unknown());
        if all.is_empty() {
            Ok(())
        } else {
            Err(Mistakes(all))
        }
    }

    /// What was given but is no setting.
    fn unknown(&self) -> Vec<Mistake> {
        let mut paths: Vec<String> = Vec::new();
        for setting in &self.settings {
            paths.push(setting.path());
            if setting.secret {
                paths.push(format!("{}_file", setting.path()));
            }
        }
        let mut variables: Vec<String> = paths.iter().map(|path| variable(path)).collect();
        variables.extend(self.foreign.iter().map(|foreign| foreign.variable.to_owned()));

        let in_file = self.document.keys().filter(|(path, _)| !paths.contains(path));
        let in_environment = self.environment.keys().filter(|name| !variables.contains(name));
        let in_overrides = self.overrides.keys().filter(|path| !paths.contains(path));
        let mut unknown: Vec<Mistake> = Vec::new();
        unknown.extend(in_file.map(|(path, origin)| Mistake::unknown(path, &origin, nearest(path, &paths))));
        unknown.extend(
            in_environment
                .map(|name| Mistake::unknown(name, &Origin::Environment, nearest(name, &variables))),
        );
        unknown.extend(
            in_overrides.map(|path| Mistake::unknown(path, &Origin::CommandLine, nearest(path, &paths))),
        );
        unknown
    }

    /// The value of `path` and where it came from; the command line beats the environment beats the file.
    fn raw(&self, path: &str) -> Option<(Origin, Result<String, &'static str>)> {
        if let Some(text) = self.overrides.get(path) {
            return Some((Origin::CommandLine, Ok(text.clone())));
        }
        if let Some(text) = self.environment.get(&variable(path)) {
            return Some((Origin::Variable(variable(path)), Ok(text.clone())));
        }
        self.document.get(path)
    }

    fn declare(&mut self, setting: Setting) {
        let known = |other: &Setting| other.section == setting.section && other.name == setting.name;
        if !self.settings.iter().any(known) {
            self.settings.push(setting);
        }
    }
}

#[cfg(test)]
mod tests;
