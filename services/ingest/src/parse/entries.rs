//! The entries of a JSON object in their order, repeated names included, values unread.

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::draft::shortened;

/// The entries of an object.
pub(super) struct Entries<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// The type of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonType {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl JsonType {
    /// The type of a valid JSON text; of another text, what it begins like.
    pub(super) fn of(text: &str) -> Self {
        match text.trim_ascii_start().bytes().next() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::String,
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') => Self::Null,
            _ => Self::Number,
        }
    }
}

impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::Null => "null",
        })
    }
}

/// What to say of a field that is not known: the nearest that is.
pub(super) fn unknown_field<const N: usize>(name: &str, known: [&str; N]) -> String {
    /// How alike two names must be, of 1.0, to be called near.
    const NEAR: f64 = 0.5;
    let shown = shortened(name);
    let likeness = |other: &str| {
        strsim::normalized_damerau_levenshtein(&shown.to_ascii_lowercase(), &other.to_ascii_lowercase())
    };
    let nearest = known
        .iter()
        .map(|other| (likeness(other), *other))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match nearest {
        Some((likeness, nearest)) if likeness >= NEAR => {
            format!("is not a known field; did you mean {nearest:?}?")
        }
        _ => format!("is not a known field; known are {}", known.join(", ")),
    }
}
