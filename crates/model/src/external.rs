//! The product's own names of accounts, beside their integer ids.

use std::fmt;
use std::str::FromStr;

use crate::{AccountId, InvalidId};

/// The product's own id of an account, for example `acme-gmbh`: unique among all accounts of an installation. It has nothing in
/// it that a path or a query would escape.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExternalId(Box<str>);

impl ExternalId {
    /// The longest that is allowed, in bytes: a URN of a UUID, or an e-mail address, is shorter.
    pub const MAX_BYTES: usize = 128;

    /// Checks length and alphabet.
    ///
    /// # Errors
    /// [`InvalidId::Empty`], [`InvalidId::TooLong`] and [`InvalidId::ExternalId`].
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        const WHAT: &str = "an external id";
        let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
        match text.len() {
            0 => Err(InvalidId::Empty { what: WHAT }),
            bytes if bytes > Self::MAX_BYTES => Err(InvalidId::TooLong {
                what: WHAT,
                bytes,
                max: Self::MAX_BYTES,
            }),
            _ => match text.chars().find(|c| !allowed(c)) {
                Some(found) => Err(InvalidId::ExternalId { found }),
                None => Ok(Self(text.into())),
            },
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExternalId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An account as callers name it in paths and on the command line: `1234`, its integer id, or `ext:acme-gmbh`, its external id.
/// The prefix keeps them apart: an external id may be digits alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountRef {
    /// By the product's integer id.
    Id(AccountId),
    /// By the product's own id.
    External(ExternalId),
}

impl AccountRef {
    /// What an external id begins with where an account is named.
    pub const PREFIX: &str = "ext:";
}

impl FromStr for AccountRef {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.strip_prefix(Self::PREFIX) {
            Some(external) => ExternalId::new(external).map(Self::External),
            None => {
                let id = text.parse().map(Self::Id);
                id.map_err(|_not_one| InvalidId::AccountRef(text.chars().take(64).collect()))
            }
        }
    }
}

impl fmt::Display for AccountRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => fmt::Display::fmt(id, f),
            Self::External(external) => write!(f, "{}{external}", Self::PREFIX),
        }
    }
}

impl From<AccountId> for AccountRef {
    fn from(id: AccountId) -> Self {
        Self::Id(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_by_its_integer_or_by_its_external_id_and_reads_back() {
        let id: AccountRef = "1234".parse().unwrap();
        assert_eq!(id, AccountRef::Id(AccountId::new(1234).unwrap()));
        let digits: AccountRef = "ext:1234".parse().unwrap();
        assert_eq!(digits, AccountRef::External(ExternalId::new("1234").unwrap()));
        for text in ["1234", "ext:1234", "ext:acme-gmbh_2.eu~x"] {
            assert_eq!(text.parse::<AccountRef>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_external_id_that_a_path_would_escape_is_refused_with_what_is_wrong() {
        for (bad, part) in [
            ("", "must not be empty"),
            ("acme gmbh", "' '"),
            ("acme/eu", "'/'"),
            ("ext:acme", "':'"),
            ("ä", "'ä'"),
            (&"x".repeat(129), "has 129 bytes; at most 128"),
        ] {
            let error = ExternalId::new(bad).unwrap_err().to_string();
            assert!(error.contains(part), "{bad:?}: {error}");
        }
        assert!(ExternalId::new(&"x".repeat(128)).is_ok());
        assert!(
            "acme"
                .parse::<AccountRef>()
                .unwrap_err()
                .to_string()
                .contains("ext:")
        );
    }
}
