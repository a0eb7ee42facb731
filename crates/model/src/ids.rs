//! Every id is a type of its own, so that none can stand where another belongs.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// An id that does not keep its rules: which, and which rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// An account id is no integer from 0 to 2^53 - 1.
    #[error("an account id is an integer from 0 to {max}, not {0:?}", max = AccountId::MAX)]
    Account(String),
    /// What names an account is neither its id nor `ext:` and its external id.
    #[error(
        "an account is named by its id, an integer from 0 to {max}, or by `ext:` and its external id, not by {0:?}", max = AccountId::MAX
    )]
    AccountRef(String),
    /// An external id has a character that is not allowed. It may be anything that a caller sent, so it is not told.
    #[error(
        "an external id is written with letters and digits of ASCII, `-`, `.`, `_` and `~` only; this one has {found:?}"
    )]
    ExternalId {
        /// The first character that is not allowed.
        found: char,
    },
    /// A webhook id is not `wh_` and 32 hexadecimal digits.
    #[error("a webhook id is `wh_` and 32 lower-case hexadecimal digits, not {0:?}")]
    Webhook(String),
    /// The id of an API key is not `ak_` and 32 hexadecimal digits. It may be a whole key, so it is not told.
    #[error(
        "the id of an API key is `ak_` and 32 lower-case hexadecimal digits, without the secret behind it"
    )]
    Key,
    /// A text is empty where it must not be.
    #[error("{what} must not be empty")]
    Empty {
        /// Which field.
        what: &'static str,
    },
    /// A text is too long.
    #[error("{what} has {bytes} bytes; at most {max} are allowed")]
    TooLong {
        /// Which field.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// An event type has a character that is not allowed.
    #[error("an event type is written with A-Z, 0-9 and _ only; {name:?} has {found:?}")]
    EventName {
        /// The text as given.
        name: String,
        /// The first character that is not allowed.
        found: char,
    },
}

/// The product's integer id of an account (E4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(u64);

impl AccountId {
    /// 2^53 - 1: the largest integer that every JSON reader takes exactly.
    pub const MAX: u64 = (1 << 53) - 1;
    /// The least id, where a range of them begins.
    pub const LEAST: Self = Self(0);

    /// Checks the bound.
    ///
    /// # Errors
    /// [`InvalidId::Account`] above [`AccountId::MAX`].
    pub fn new(id: u64) -> Result<Self, InvalidId> {
        if id > Self::MAX {
            Err(InvalidId::Account(id.to_string()))
        } else {
            Ok(Self(id))
        }
    }

    /// The integer.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for AccountId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(id) if plain => Self::new(id),
            _ => Err(InvalidId::Account(text.chars().take(64).collect())),
        }
    }
}

/// An id that is a UUID, written as a prefix and 32 hexadecimal digits.
macro_rules! prefixed_uuid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $invalid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            const PREFIX: &str = $prefix;

            /// From its 16 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// Its 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", Self::PREFIX, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                text.strip_prefix(Self::PREFIX)
                    .filter(|hex| hex.len() == 32 && hex.bytes().all(lower_hex))
                    .and_then(|hex| Uuid::try_parse(hex).ok())
                    .map(Self)
                    .ok_or_else(|| ($invalid)(text))
            }
        }
    };
}

prefixed_uuid! {
    /// A webhook's id: a UUID, written `wh_` and 32 hexadecimal digits.
    WebhookId, "wh_", |text: &str| InvalidId::Webhook(text.chars().take(64).collect())
}

prefixed_uuid! {
    /// An API key's id: a UUID, written `ak_` and 32 hexadecimal digits. It is no secret.
    KeyId, "ak_", |_text: &str| InvalidId::Key
}

/// An opaque text with a bound in bytes.
macro_rules! opaque_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The longest that is allowed, in bytes of UTF-8.
            pub const MAX_BYTES: usize = $max;

            /// Checks that the text is neither empty nor too long.
            ///
            /// # Errors
            /// [`InvalidId::Empty`] and [`InvalidId::TooLong`].
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                check_length($what, &text, Self::MAX_BYTES)?;
                Ok(Self(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, owned.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_text! {
    /// A producer's id of an event. Opaque; identity is (account, event name, event id) (E7).
    EventId, "eventId", 256
}

opaque_text! {
    /// A producer's opaque note on the order of events (E7).
    EventInfo, "eventInfo", 256
}

/// The name of an event type, for example `COURSE_ENROLLMENT`. It alone decides the class (E8).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventName(String);

impl EventName {
    /// The longest that is allowed, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// Checks length and alphabet.
    ///
    /// # Errors
    /// [`InvalidId::Empty`], [`InvalidId::TooLong`] and [`InvalidId::EventName`].
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidId> {
        let name = name.into();
        check_length("eventName", &name, Self::MAX_BYTES)?;
        let allowed = |c: &char| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_';
        match name.chars().find(|c| !allowed(c)) {
            Some(found) => Err(InvalidId::EventName { name, found }),
            None => Ok(Self(name)),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), InvalidId> {
    match text.len() {
        0 => Err(InvalidId::Empty { what }),
        bytes if bytes > max => Err(InvalidId::TooLong { what, bytes, max }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_ids_are_plain_integers_up_to_2_53() {
        assert_eq!("1234".parse::<AccountId>().unwrap().get(), 1234);
        assert_eq!(
            AccountId::MAX.to_string().parse::<AccountId>().unwrap().get(),
            AccountId::MAX
        );
        for bad in [
            "",
            "-1",
            "+1",
            "1.0",
            "0x10",
            "9007199254740992",
            "99999999999999999999999",
            "abc",
            " 1",
        ] {
            assert!(bad.parse::<AccountId>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_webhook_id_reads_back_as_it_was_written() {
        let id = WebhookId::from(Uuid::now_v7());
        assert_eq!(id.to_string().parse::<WebhookId>().unwrap(), id);
        assert_eq!(WebhookId::from_bytes(*id.as_bytes()), id);
        for bad in [
            "",
            "wh_",
            "wh_12",
            &id.to_string().to_uppercase(),
            &id.to_string()[3..],
        ] {
            assert!(bad.parse::<WebhookId>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn e7_event_ids_are_opaque_and_bounded_by_256_bytes() {
        for published in ["01234567-0458-4450-b5dd-6bc1edr4560", "1725604145-LoSt", "ä"] {
            assert_eq!(EventId::new(published).unwrap().as_str(), published);
        }
        assert!(EventId::new("x".repeat(256)).is_ok());
        assert_eq!(
            EventId::new("x".repeat(257)),
            Err(InvalidId::TooLong {
                what: "eventId",
                bytes: 257,
                max: 256
            })
        );
        assert_eq!(EventInfo::new(""), Err(InvalidId::Empty { what: "eventInfo" }));
    }

    #[test]
    fn an_event_name_says_which_character_is_wrong() {
        assert!(EventName::new("COURSE_ENROLLMENT").is_ok());
        let error = EventName::new("course").unwrap_err();
        assert!(error.to_string().contains("'c'"), "{error}");
    }
}
