//! Where things belong: to an account, or to the platform.

use std::fmt;
use std::str::FromStr;

use angarium_model::{Access, AccountId, InvalidId};

use crate::refusal::Refusal;

/// What stands for it where an account would stand.
const PLATFORM: &str = "platform";

/// Where something belongs. All that belongs together is in one partition of the topic, and has one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Home {
    /// To the installation.
    Platform,
    /// To a customer.
    Account(AccountId),
}

impl Home {
    pub(crate) fn of(account: Option<AccountId>) -> Self {
        account.map_or(Self::Platform, Self::Account)
    }

    pub(crate) const fn account(self) -> Option<AccountId> {
        match self {
            Self::Platform => None,
            Self::Account(account) => Some(account),
        }
    }

    /// What decides the partition of the topic.
    pub(crate) fn partition_key(self) -> String {
        match self {
            Self::Platform => PLATFORM.to_owned(),
            Self::Account(account) => account.to_string(),
        }
    }

    /// Whether a caller may know of what belongs there.
    ///
    /// # Errors
    /// As if there were no such account, whether there is one or not.
    pub(crate) fn seen_by(self, access: Access) -> Result<(), Refusal> {
        match self {
            Self::Account(account) if access.sees(account) => Ok(()),
            Self::Account(account) => Err(Refusal::NoAccount(account)),
            Self::Platform if access.account.is_none() => Ok(()),
            Self::Platform => Err(Refusal::OfPlatform),
        }
    }
}

impl FromStr for Home {
    type Err = String;

    /// From what [`Home::partition_key`] says.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            PLATFORM => Ok(Self::Platform),
            id => id
                .parse()
                .map(Self::Account)
                .map_err(|error: InvalidId| error.to_string()),
        }
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("the platform"),
            Self::Account(account) => write!(f, "account {account}"),
        }
    }
}
