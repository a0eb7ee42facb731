//! The settings file, flattened to `section.name` with the line of each value.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, Origin};

/// A TOML file that was read.
#[derive(Debug, Default)]
pub(super) struct Document {
    path: PathBuf,
    values: BTreeMap<String, Entry>,
    /// Whether the file is not TOML, so that what looks like a key may be a part of a value.
    broken: bool,
}

#[derive(Debug)]
struct Entry {
    line: usize,
    /// The value as text, or what it is instead of one value.
    text: Result<String, &'static str>,
}

impl Document {
    /// Reads as much as can be read; what cannot is noted.
    pub(super) fn read(path: &Path, mistakes: &mut Vec<Mistake>) -> Self {
        let mut document = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                mistakes.push(Mistake::of_file(path, None, &format!("cannot be read: {error}")));
                return document;
            }
        };
        let (table, errors) = DeTable::parse_recoverable(&text);
        document.broken = !errors.is_empty();
        for error in errors {
            // Only the message: the error's own display quotes the line, which may hold a secret.
            let line = error.span().map(|span| line_of(&text, span.start));
            mistakes.push(Mistake::of_file(
                path,
                line,
                &format!("not TOML: {}", error.message()),
            ));
        }
        document.flatten("", table.get_ref(), &text);
        document
    }

    fn flatten(&mut self, prefix: &str, table: &DeTable<'_>, source: &str) {
        for (key, value) in table {
            let path = if prefix.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{prefix}.{}", key.get_ref())
            };
            if let DeValue::Table(inner) = value.get_ref() {
                self.flatten(&path, inner, source);
                continue;
            }
            let text = match value.get_ref() {
                DeValue::String(text) => Ok(text.to_string()),
                DeValue::Integer(integer) => Ok(integer.to_string()),
                DeValue::Float(float) => Ok(float.to_string()),
                DeValue::Boolean(flag) => Ok(flag.to_string()),
                DeValue::Datetime(_) => Err("a date"),
                DeValue::Array(_) | DeValue::Table(_) => Err("a list"),
            };
            self.values.insert(
                path,
                Entry {
                    line: line_of(source, key.span().start),
                    text,
                },
            );
        }
    }

    /// Every key of the file and where it is; none of a broken file, where a key may be a piece of a secret.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&String, Origin)> {
        self.values
            .iter()
            .filter(|_| !self.broken)
            .map(|(path, entry)| (path, self.origin(entry)))
    }

    pub(super) fn get(&self, path: &str) -> Option<(Origin, Result<String, &'static str>)> {
        self.values
            .get(path)
            .map(|entry| (self.origin(entry), entry.text.clone()))
    }

    fn origin(&self, entry: &Entry) -> Origin {
        Origin::File {
            path: self.path.clone(),
            line: entry.line,
        }
    }
}

/// Counted from 1, as editors do.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
