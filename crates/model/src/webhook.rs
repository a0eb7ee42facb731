//! Accounts and webhooks as the registry keeps them.

mod authentication;
mod disabled;
mod settings;

use std::collections::BTreeMap;
use std::fmt;

use crate::{AccountId, EventName, ExternalId, InvalidId, WebhookId};

pub use authentication::{Authentication, Fingerprint, PreviousSecret, SecretText, Signing};
pub use disabled::{DetailTooLong, Disabled, DisabledReason};
pub use settings::{
    Bounded, DeadLetter, Limits, MaxAttempts, MaxGroupBytes, MaxGroupEvents, MaxInFlight,
    MaxRequestsPerSecond, MaxWebhooks, Ordering, OutOfBounds, PayloadFormat,
};

/// How far a partition of the registry topic is known, and the version of what a record in it says: an offset.
/// Revisions of one account's things are comparable; those of two accounts need not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(i64);

impl Revision {
    /// From the offset of a record of the registry topic.
    #[must_use]
    pub const fn from_offset(offset: i64) -> Self {
        Self(offset)
    }

    /// The offset.
    #[must_use]
    pub const fn offset(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A customer of the product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The product's integer id.
    pub id: AccountId,
    /// The product's own id, if it has given it one; then it stays.
    pub external_id: Option<ExternalId>,
    /// For people.
    pub name: String,
    /// The most webhooks that it may have (W3); `None` for what the installation allows.
    pub max_webhooks: Option<MaxWebhooks>,
    /// What ingest does about events that are not as the catalogue says.
    pub strictness: Strictness,
    /// The version of this account.
    pub revision: Revision,
    /// Unix milliseconds.
    pub created_at_ms: i64,
}

/// What is done about an event that is not as the catalogue says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reaction {
    /// It is accepted, and nothing is said.
    Accept,
    /// It is accepted, and its producer is told.
    Warn,
    /// It is refused.
    Refuse,
}

/// How strict an account is with its producers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strictness {
    /// When the catalogue lacks the type. What is accepted goes to webhooks that take all types, or all that begin so,
    /// as it happens.
    pub unknown_types: Reaction,
    /// When `data` is not as the schema of its type says (E6).
    pub schema_violations: Reaction,
}

impl Default for Strictness {
    /// Types must be known, for a misspelt one reaches nobody; `data` is the product's own (E4).
    fn default() -> Self {
        Self {
            unknown_types: Reaction::Refuse,
            schema_violations: Reaction::Accept,
        }
    }
}

/// Where, how and when events of an account are sent (W1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose events it gets.
    pub account: AccountId,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// Where calls go.
    pub target_url: TargetUrl,
    /// How calls prove who sends them (W2).
    pub authentication: Authentication,
    /// What calls carry beside what every call has; no secrets.
    pub headers: Vec<Header>,
    /// Whom to write to: e-mail addresses.
    pub contacts: Vec<String>,
    /// Words of the caller's own to find it by.
    pub tags: BTreeMap<String, String>,
    /// Which types it wants; never empty.
    pub event_types: Vec<TypePattern>,
    /// Which events of these types it wants; `None` for all.
    pub filter: Option<FilterText>,
    /// Whether events are matched (W4, W7).
    pub active: bool,
    /// When events of the batch class go; `None` for the default.
    pub timetable: Option<TimetableSpec>,
    /// Whether groups go one after the other (D7).
    pub ordering: Ordering,
    /// What the body of a POST looks like.
    pub payload_format: PayloadFormat,
    /// What the receiver can take at most.
    pub limits: Limits,
    /// When a group that is refused for good is put aside; `None`: never, it is retried (D2).
    pub dead_letter: Option<DeadLetter>,
    /// Why it was switched off, if not by hand; only of a webhook that is not active (D3).
    pub disabled: Option<Disabled>,
    /// The version of this webhook.
    pub revision: Revision,
    /// Unix milliseconds.
    pub created_at_ms: i64,
}

impl Account {
    /// One without a name, with the default of every setting.
    #[must_use]
    pub fn new(id: AccountId) -> Self {
        Self {
            id,
            external_id: None,
            name: String::new(),
            max_webhooks: None,
            strictness: Strictness::default(),
            revision: Revision::default(),
            created_at_ms: 0,
        }
    }
}

impl Webhook {
    /// One that takes all types, proves nothing, and has the default of every setting.
    #[must_use]
    pub fn new(id: WebhookId, account: AccountId, name: impl Into<String>, target_url: TargetUrl) -> Self {
        Self {
            id,
            account,
            name: name.into(),
            description: String::new(),
            target_url,
            authentication: Authentication::None,
            headers: Vec::new(),
            contacts: Vec::new(),
            tags: BTreeMap::new(),
            event_types: vec![TypePattern::Any],
            filter: None,
            active: true,
            timetable: None,
            ordering: Ordering::default(),
            payload_format: PayloadFormat::default(),
            limits: Limits::default(),
            dead_letter: None,
            disabled: None,
            revision: Revision::default(),
            created_at_ms: 0,
        }
    }

    /// Whether it wants events of this type, its filter left aside.
    #[must_use]
    pub fn takes(&self, name: &EventName) -> bool {
        self.event_types.iter().any(|pattern| pattern.matches(name))
    }

    /// Switches it on or off by hand (W4). Why it was disabled is forgotten once it is on again.
    pub fn switch(&mut self, active: bool) {
        self.active = active;
        if active {
            self.disabled = None;
        }
    }

    /// Switches it off without anyone asking for it (D3).
    pub fn disable(&mut self, disabled: Disabled) {
        self.active = false;
        self.disabled = Some(disabled);
    }
}

/// A header of calls, the same with every one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// In small letters.
    pub name: String,
    /// Visible characters.
    pub value: String,
}

/// What is wrong with a part of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhook {
    /// The URL is too long.
    #[error("the URL has {0} bytes; at most {max} are allowed", max = TargetUrl::MAX_BYTES)]
    UrlTooLong(usize),
    /// The text is no URL.
    #[error("not a URL: {0}; write it in full, for example https://example.com/hooks")]
    UrlSyntax(String),
    /// The scheme is neither http nor https.
    #[error("the URL must begin with https:// or http://, not {0}:")]
    UrlScheme(String),
    /// The URL carries a user or a password.
    #[error("the URL must not carry a user or password; use the webhook's authentication")]
    UrlUser,
    /// The URL has a fragment.
    #[error("the URL must not have a fragment (#…): it would never be sent")]
    UrlFragment,
    /// A filter has no expression.
    #[error("must not be blank; leave it empty for a webhook without a filter")]
    FilterBlank,
    /// A filter is too long.
    #[error("has {0} bytes; at most {max} are allowed", max = FilterText::MAX_BYTES)]
    FilterTooLong(usize),
    /// A type pattern is wrong.
    #[error("{0:?} is no event type, `PREFIX_*` or `*`: {1}")]
    TypePattern(String, InvalidId),
}

/// Where calls go: http or https, a host, no user, no fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUrl(url::Url);

impl TargetUrl {
    /// The longest that is allowed, in bytes.
    pub const MAX_BYTES: usize = 2_048;

    /// Parses and checks a URL.
    ///
    /// # Errors
    /// [`InvalidWebhook`], the variants named `Url…`.
    pub fn parse(text: &str) -> Result<Self, InvalidWebhook> {
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidWebhook::UrlTooLong(text.len()));
        }
        let url = url::Url::parse(text).map_err(|error| InvalidWebhook::UrlSyntax(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidWebhook::UrlScheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidWebhook::UrlUser);
        }
        if url.fragment().is_some() {
            return Err(InvalidWebhook::UrlFragment);
        }
        Ok(Self(url))
    }

    /// The URL.
    #[must_use]
    pub const fn url(&self) -> &url::Url {
        &self.0
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// Which types a webhook wants: one, all with a prefix, or all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TypePattern {
    /// Exactly this one.
    Exact(EventName),
    /// Every type that begins so; the text ends with `_`.
    Prefix(String),
    /// Every type.
    Any,
}

impl TypePattern {
    /// Parses `NAME`, `PREFIX_*` or `*`.
    ///
    /// # Errors
    /// [`InvalidWebhook::TypePattern`].
    pub fn parse(text: &str) -> Result<Self, InvalidWebhook> {
        let wrong = |error| InvalidWebhook::TypePattern(text.chars().take(64).collect(), error);
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(prefix) = text.strip_suffix('*').filter(|prefix| prefix.ends_with('_')) {
            return Ok(Self::Prefix(EventName::new(prefix).map_err(wrong)?.into_string()));
        }
        Ok(Self::Exact(EventName::new(text).map_err(wrong)?))
    }

    /// Whether it takes this type.
    #[must_use]
    pub fn matches(&self, name: &EventName) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Prefix(prefix) => name.as_str().starts_with(prefix.as_str()),
            Self::Any => true,
        }
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// Which events of its types a webhook wants: an expression, as written; `angarium-filter` gives it its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterText(Box<str>);

impl FilterText {
    /// The longest that is allowed, in bytes.
    pub const MAX_BYTES: usize = 2_048;

    /// Takes a text.
    ///
    /// # Errors
    /// [`InvalidWebhook`], the variants named `Filter…`.
    pub fn new(text: &str) -> Result<Self, InvalidWebhook> {
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidWebhook::FilterTooLong(text.len()));
        }
        if text.trim().is_empty() {
            return Err(InvalidWebhook::FilterBlank);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

/// When events of the batch class are sent, as written; `angarium-policy` gives it its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimetableSpec {
    /// A cron expression of five fields, or six with seconds first.
    pub cron: String,
    /// An IANA time zone; empty for UTC.
    pub time_zone: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w1_a_target_url_is_absolute_http_without_user_or_fragment() {
        for good in ["https://example.com/hooks?x=1", "http://127.0.0.1:8080/"] {
            assert!(TargetUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "/hooks",
            "ftp://example.com",
            "https://",
            "https://u:p@example.com",
            "https://example.com/#x",
        ] {
            assert!(TargetUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_takes_one_type_a_prefix_or_all() {
        let name = EventName::new("COURSE_ENROLLMENT_BATCH").unwrap();
        let takes = |pattern: &str| TypePattern::parse(pattern).unwrap().matches(&name);
        assert!(
            takes("*")
                && takes("COURSE_*")
                && takes("COURSE_ENROLLMENT_*")
                && takes("COURSE_ENROLLMENT_BATCH")
        );
        assert!(!takes("COURSE_ENROLLMENT") && !takes("LEARNING_*"));
        for bad in ["", "_*x", "COURSE*", "course_*", "COURSE_ *"] {
            assert!(TypePattern::parse(bad).is_err(), "{bad}");
        }
        for text in ["*", "COURSE_*", "CI_STATS"] {
            assert_eq!(TypePattern::parse(text).unwrap().to_string(), text);
        }
    }
}
