//! What mails say, in the languages there are.

use std::fmt;

use chrono::{DateTime, Utc};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use crate::config::Language;

const ENGLISH: &str = include_str!("../words/en.ftl");
const GERMAN: &str = include_str!("../words/de.ftl");

/// The words of a language.
pub(crate) struct Words {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

/// What is filled in.
pub(crate) enum Value<'a> {
    Text(&'a str),
    Number(u64),
}

impl Words {
    /// What cannot be read of it is left out, which a test sees.
    pub(crate) fn of(language: Language) -> Self {
        let (text, tag) = match language {
            Language::English => (ENGLISH, "en"),
            Language::German => (GERMAN, "de"),
        };
        let identifier: LanguageIdentifier = tag.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![identifier]);
        // Marks of direction around what is filled in would show in some mail programs.
        bundle.set_use_isolating(false);
        let resource =
            FluentResource::try_new(text.to_owned()).unwrap_or_else(|(resource, _mistakes)| resource);
        bundle.add_resource_overriding(resource);
        Self { language, bundle }
    }

    pub(crate) const fn tag(&self) -> &'static str {
        match self.language {
            Language::English => "en",
            Language::German => "de",
        }
    }

    /// A message with its values; its id where there is none, which a test sees.
    pub(crate) fn say(&self, id: &str, values: &[(&str, Value<'_>)]) -> String {
        let pattern = self.bundle.get_message(id).and_then(|message| message.value());
        let Some(pattern) = pattern else {
            return id.to_owned();
        };
        let mut arguments = FluentArgs::new();
        for (name, value) in values {
            let value = match value {
                Value::Text(text) => FluentValue::from(*text),
                Value::Number(number) => FluentValue::from(*number),
            };
            arguments.set(*name, value);
        }
        let mut mistakes = Vec::new();
        self.bundle
            .format_pattern(pattern, Some(&arguments), &mut mistakes)
            .into_owned()
    }

    /// A moment, in Unix milliseconds, to the minute.
    pub(crate) fn time(&self, at_ms: i64) -> String {
        let format = match self.language {
            Language::English => "%Y-%m-%d %H:%M UTC",
            Language::German => "%d.%m.%Y %H:%M UTC",
        };
        DateTime::<Utc>::from_timestamp_millis(at_ms)
            .map_or_else(|| "?".to_owned(), |at| at.format(format).to_string())
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Words").field(&self.language).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ids(text: &str) -> BTreeSet<&str> {
        let heads = text.lines().filter_map(|line| line.split_once(" = "));
        heads
            .map(|(id, _)| id)
            .filter(|id| !id.starts_with([' ', '#', '[']))
            .collect()
    }

    #[test]
    fn every_message_is_in_each_language_and_can_be_read() {
        assert_eq!(ids(ENGLISH), ids(GERMAN));
        for (language, text) in [(Language::English, ENGLISH), (Language::German, GERMAN)] {
            assert!(FluentResource::try_new(text.to_owned()).is_ok(), "{language:?}");
            let words = Words::of(language);
            for id in ids(text) {
                assert_ne!(words.say(id, &[]), id, "{language:?}");
            }
        }
    }

    #[test]
    fn numbers_and_times_are_as_the_language_has_them() {
        let (english, german) = (Words::of(Language::English), Words::of(Language::German));
        let one = english.say("expired-says", &[("count", Value::Number(1))]);
        assert!(one.starts_with("One event was"), "{one}");
        let many = german.say("expired-says", &[("count", Value::Number(12))]);
        assert!(many.starts_with("12 Ereignisse wurden"), "{many}");
        assert_eq!(english.time(1_795_745_040_000), "2026-11-27 02:04 UTC");
        assert_eq!(german.time(1_795_745_040_000), "27.11.2026 02:04 UTC");
    }
}
