//! The typed getters.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::mistake::{Mistake, Origin};
use super::value::{bounds, format_bytes, format_duration, parse_bytes, parse_duration, within};
use super::{Absent, Reader, Secret, Setting, variable};

/// The settings of one topic. Each getter declares a setting and reads it.
///
/// `meaning` is one line for the reference. A value that is wrong is noted, and the default stands in for it
/// until [`Reader::finish`].
#[derive(Debug)]
pub struct Section<'r> {
    reader: &'r mut Reader,
    name: &'static str,
}

impl<'r> Section<'r> {
    pub(super) fn new(reader: &'r mut Reader, name: &'static str) -> Self {
        Self { reader, name }
    }

    /// Any text.
    pub fn text(&mut self, name: &'static str, default: &str, meaning: &'static str) -> String {
        let setting = self.setting(
            name,
            "text",
            Absent::Default(default.to_owned()),
            String::new(),
            meaning,
        );
        self.read(setting, |text| Ok(text.to_owned()))
            .unwrap_or_else(|| default.to_owned())
    }

    /// Any text; it must be given. Empty stands in for it when it is not.
    pub fn required_text(&mut self, name: &'static str, meaning: &'static str) -> String {
        let setting = self.setting(name, "text", Absent::Required, String::new(), meaning);
        self.read(setting, |text| Ok(text.to_owned())).unwrap_or_default()
    }

    /// Any text, or none.
    pub fn optional_text(&mut self, name: &'static str, meaning: &'static str) -> Option<String> {
        let setting = self.setting(name, "text", Absent::Optional, String::new(), meaning);
        self.read(setting, |text| Ok(text.to_owned()))
    }

    /// A text that `T` takes: an endpoint, a level. What `T` says about a wrong one is told to the user.
    pub fn parsed<T>(&mut self, name: &'static str, default: T, meaning: &'static str) -> T
    where
        T: FromStr<Err: Display> + Display,
    {
        let setting = self.setting(
            name,
            "text",
            Absent::Default(default.to_string()),
            String::new(),
            meaning,
        );
        self.read(setting, |text| {
            text.parse::<T>().map_err(|error| format!("is wrong: {error}"))
        })
        .unwrap_or(default)
    }

    /// One of a few words, each standing for a `T`.
    pub fn choice<T: Clone>(
        &mut self,
        name: &'static str,
        default: &(&'static str, T),
        others: &[(&'static str, T)],
        meaning: &'static str,
    ) -> T {
        let choices = || std::iter::once(default).chain(others);
        let words: Vec<&str> = choices().map(|(word, _)| *word).collect();
        let setting = self.setting(
            name,
            "word",
            Absent::Default(default.0.to_owned()),
            words.join(", "),
            meaning,
        );
        let parse = |text: &str| {
            let chosen = choices()
                .find(|(word, _)| *word == text)
                .map(|(_, choice)| choice.clone());
            chosen.ok_or_else(|| "is not a known word".to_owned())
        };
        self.read(setting, parse).unwrap_or_else(|| default.1.clone())
    }

    /// An IP address and a port, to listen on.
    pub fn address(
        &mut self,
        name: &'static str,
        default: impl Into<SocketAddr>,
        meaning: &'static str,
    ) -> SocketAddr {
        let default = default.into();
        let setting = self.setting(
            name,
            "address",
            Absent::Default(default.to_string()),
            String::new(),
            meaning,
        );
        self.read(setting, parse_address).unwrap_or(default)
    }

    /// As [`Section::address`], or none.
    pub fn optional_address(&mut self, name: &'static str, meaning: &'static str) -> Option<SocketAddr> {
        let setting = self.setting(name, "address", Absent::Optional, String::new(), meaning);
        self.read(setting, parse_address)
    }

    /// A whole number.
    pub fn integer<T>(
        &mut self,
        name: &'static str,
        default: T,
        range: RangeInclusive<T>,
        meaning: &'static str,
    ) -> T
    where
        T: Copy + PartialOrd + Display + FromStr,
    {
        let allowed = bounds(&range, T::to_string);
        let setting = self.setting(
            name,
            "number",
            Absent::Default(default.to_string()),
            allowed,
            meaning,
        );
        let parse = |text: &str| within(text.parse().ok(), &range, "a whole number", T::to_string);
        self.read(setting, parse).unwrap_or(default)
    }

    /// A time with its unit: `200ms`, `5s`, `7d 12h`.
    pub fn duration(
        &mut self,
        name: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
        meaning: &'static str,
    ) -> Duration {
        let allowed = bounds(&range, |value| format_duration(*value));
        let setting = self.setting(
            name,
            "time",
            Absent::Default(format_duration(default)),
            allowed,
            meaning,
        );
        let noun = "a time with a unit such as 200ms, 5s or 7d 12h";
        let parse = |text: &str| {
            within(parse_duration(text), &range, noun, |value| {
                format_duration(*value)
            })
        };
        self.read(setting, parse).unwrap_or(default)
    }

    /// A size: `256KiB`, `5MiB`; a bare number is bytes.
    pub fn bytes(
        &mut self,
        name: &'static str,
        default: usize,
        range: RangeInclusive<usize>,
        meaning: &'static str,
    ) -> usize {
        let allowed = bounds(&range, |value| format_bytes(*value));
        let setting = self.setting(
            name,
            "size",
            Absent::Default(format_bytes(default)),
            allowed,
            meaning,
        );
        let noun = "a size such as 256KiB or 5MiB";
        let parse = |text: &str| within(parse_bytes(text), &range, noun, |value| format_bytes(*value));
        self.read(setting, parse).unwrap_or(default)
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &'static str, default: bool, meaning: &'static str) -> bool {
        let setting = self.setting(
            name,
            "flag",
            Absent::Default(default.to_string()),
            "true, false".to_owned(),
            meaning,
        );
        let parse = |text: &str| text.parse().map_err(|_other| "is no flag".to_owned());
        self.read(setting, parse).unwrap_or(default)
    }

    /// A secret that must be given: by value, or as `<name>_file`, the path of a file that holds it.
    ///
    /// `parse` must not quote the value in its error. `None` only when [`Reader::finish`] will fail.
    pub fn secret<T, E: Display>(
        &mut self,
        name: &'static str,
        meaning: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.read_secret(name, Absent::Required, meaning, parse)
    }

    /// As [`Section::secret`], with a default that is no secret: an address that may carry a password.
    pub fn secret_text(&mut self, name: &'static str, default: &str, meaning: &'static str) -> Secret {
        let absent = Absent::Default(default.to_owned());
        let accept = |text: &str| Ok::<_, String>(Secret(text.to_owned()));
        self.read_secret(name, absent, meaning, accept)
            .unwrap_or_else(|| Secret(default.to_owned()))
    }

    /// As [`Section::secret`], or none.
    pub fn optional_secret(&mut self, name: &'static str, meaning: &'static str) -> Option<Secret> {
        let accept = |text: &str| Ok::<_, String>(Secret(text.to_owned()));
        self.read_secret(name, Absent::Optional, meaning, accept)
    }

    /// Notes that a value that is right by itself does not go with the others.
    pub fn reject(&mut self, name: &str, problem: impl Display) {
        let path = format!("{}.{name}", self.name);
        let mistake = self.reader.raw(&path).map_or_else(
            || Mistake::of_default(self.name, &path, &problem.to_string()),
            |(origin, _)| Mistake::of_value(self.name, &path, &origin, &problem.to_string()),
        );
        self.note(mistake);
    }

    fn read_secret<T, E: Display>(
        &mut self,
        name: &'static str,
        absent: Absent,
        meaning: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let mut setting = self.setting(name, "secret", absent, String::new(), meaning);
        setting.secret = true;
        let path = setting.path();
        let (by_value, by_file) = (self.reader.raw(&path), self.reader.raw(&format!("{path}_file")));
        if let (Some((origin, _)), Some(_)) = (&by_value, &by_file) {
            self.reader.declare(setting);
            self.wrong(
                &path,
                origin,
                &format!("{path}_file is given too: keep one of them"),
            );
            return None;
        }
        let parse = |text: &str| parse(text).map_err(|error| format!("is wrong: {error}"));
        let Some((origin, file)) = by_file else {
            return self.read(setting, parse);
        };
        self.reader.declare(setting);
        let content = file
            .map_err(|kind| format!("is {kind}, not a path"))
            .and_then(|file| {
                std::fs::read_to_string(&file).map_err(|error| format!("cannot read {file}: {error}"))
            });
        match content.and_then(|content| parse(content.trim_end_matches(['\r', '\n']))) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.wrong(&format!("{path}_file"), &origin, &problem);
                None
            }
        }
    }

    fn read<T>(&mut self, setting: Setting, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let path = setting.path();
        let Some((origin, text)) = self.reader.raw(&path) else {
            return self.absent(setting, parse);
        };
        let shown = if setting.secret {
            "the value".to_owned()
        } else {
            text.as_ref()
                .map_or_else(|kind| (*kind).to_owned(), |text| format!("`{text}`"))
        };
        let allowed = if setting.bounds.is_empty() {
            String::new()
        } else {
            format!("; allowed: {}", setting.bounds)
        };
        self.reader.declare(setting);
        match text
            .map_err(|_kind| "cannot be its value".to_owned())
            .and_then(|text| parse(&text))
        {
            Ok(value) => Some(value),
            Err(problem) => {
                self.wrong(&path, &origin, &format!("{shown} {problem}{allowed}"));
                None
            }
        }
    }

    fn absent<T>(&mut self, setting: Setting, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let value = match &setting.absent {
            // A default out of its own bounds is our mistake; a test of the settings finds it.
            Absent::Default(text) => match parse(text) {
                Ok(value) => Some(value),
                Err(problem) => {
                    let problem = format!("`{text}` {problem}");
                    self.note(Mistake::of_default(self.name, &setting.path(), &problem));
                    None
                }
            },
            Absent::Optional => None,
            Absent::Required => {
                let path = setting.path();
                self.note(Mistake::missing(
                    self.name,
                    &path,
                    &variable(&path),
                    setting.meaning,
                ));
                None
            }
        };
        self.reader.declare(setting);
        value
    }

    fn wrong(&mut self, path: &str, origin: &Origin, problem: &str) {
        self.note(Mistake::of_value(self.name, path, origin, problem));
    }

    /// Roles share sections, so that a setting may be read more than once.
    fn note(&mut self, mistake: Mistake) {
        if !self.reader.mistakes.contains(&mistake) {
            self.reader.mistakes.push(mistake);
        }
    }

    fn setting(
        &self,
        name: &'static str,
        kind: &'static str,
        absent: Absent,
        bounds: String,
        meaning: &'static str,
    ) -> Setting {
        Setting {
            section: self.name,
            name,
            kind,
            absent,
            bounds,
            meaning,
            secret: false,
        }
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_syntax| "is not an IP address and port such as 0.0.0.0:8080 or [::]:8080".to_owned())
}
