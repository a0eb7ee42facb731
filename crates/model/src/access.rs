//! Who may do what: API keys, what they allow, and what a caller was let in with.

use std::fmt;
use std::str::FromStr;

use crate::{AccountId, KeyId, Revision};

/// One thing that a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look at accounts, webhooks, event types and keys; never at secrets.
    Read,
    /// Publish events.
    Publish,
    /// Create, change, test and delete webhooks.
    WriteWebhooks,
    /// Send again what was sent before.
    WriteDeliveries,
    /// Create, change and revoke keys that allow no more than the caller's own.
    WriteKeys,
    /// See what events carry.
    ReadPayloads,
    /// Run the installation: create and delete accounts, change quotas, seal secrets anew.
    Operate,
    /// Be one of Angarium's own services: follow the registry, secrets included, and disable webhooks. No API key has it:
    /// services present the operator's key.
    Serve,
}

/// A set of scopes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u8);

/// A set of scopes by its usual name. What it stands for may grow with later versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything that people do, in all accounts: all scopes that an API key can have.
    Operator,
    /// Everything that concerns one account, or each of them.
    Administrator,
    /// To look.
    Viewer,
}

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// By its usual name.
    Role(Role),
    /// One by one; never empty.
    Scopes(Scopes),
}

/// The SHA-256 of a key's secret. That is 192 random bits, so nobody finds it by trying, and nothing slower is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

/// A secret that was replaced, and is still good for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Previous {
    /// What it is known by.
    pub hash: SecretHash,
    /// Until then: Unix milliseconds.
    pub until_ms: i64,
}

/// A key that callers present, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, which is a part of what callers present.
    pub id: KeyId,
    /// The account that it is confined to; `None`: it is the platform's, and sees all.
    pub account: Option<AccountId>,
    /// For people.
    pub name: String,
    /// What it allows.
    pub grant: Grant,
    /// What its secret is known by.
    pub hash: SecretHash,
    /// The secret before that one, if it was replaced lately.
    pub previous: Option<Previous>,
    /// From then on it opens nothing: Unix milliseconds; `None`: never.
    pub expires_at_ms: Option<i64>,
    /// The version of this key.
    pub revision: Revision,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// When its bearer was last let in, to within an hour: Unix milliseconds; `None`: never. It is no part of the version.
    pub last_used_at_ms: Option<i64>,
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Whoever has the operator's key of the installation's settings: people who run it, and its own services.
    Operator,
    /// The bearer of an API key.
    Key(KeyId),
}

/// What a caller was let in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who calls.
    pub actor: Actor,
    /// The account that the caller is confined to; `None`: to none.
    pub account: Option<AccountId>,
    /// What the caller may do there.
    pub scopes: Scopes,
}

/// A text that names no scope or role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is none; there are {known}")]
pub struct UnknownName {
    text: String,
    known: String,
}

impl Scope {
    /// All, in order.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Publish,
        Self::WriteWebhooks,
        Self::WriteDeliveries,
        Self::WriteKeys,
        Self::ReadPayloads,
        Self::Operate,
        Self::Serve,
    ];

    /// As people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::WriteWebhooks => "webhooks:write",
            Self::WriteDeliveries => "deliveries:write",
            Self::WriteKeys => "keys:write",
            Self::ReadPayloads => "payloads:read",
            Self::Operate => "operate",
            Self::Serve => "serve",
        }
    }

    /// Whether it reaches beyond any one account, so that no key of an account can have it.
    #[must_use]
    pub const fn is_of_platform(self) -> bool {
        matches!(self, Self::Operate | Self::Serve)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Publish => 1 << 1,
            Self::WriteWebhooks => 1 << 2,
            Self::WriteDeliveries => 1 << 3,
            Self::WriteKeys => 1 << 4,
            Self::Operate => 1 << 5,
            Self::Serve => 1 << 6,
            Self::ReadPayloads => 1 << 7,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        named(&Self::ALL, |scope| scope.name(), text)
    }
}

impl Scopes {
    /// None.
    pub const NONE: Self = Self(0);
    /// All.
    pub const ALL: Self = Self::of(&Scope::ALL);

    /// These.
    #[must_use]
    pub const fn of(scopes: &[Scope]) -> Self {
        let (mut bits, mut rest) = (0, scopes);
        while let [scope, behind @ ..] = rest {
            bits |= scope.bit();
            rest = behind;
        }
        Self(bits)
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Those that are not among `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One by one, in order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::name).collect();
        f.write_str(&names.join(", "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Role {
    /// All.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Administrator, Self::Viewer];

    /// As people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Administrator => "administrator",
            Self::Viewer => "viewer",
        }
    }

    /// What it stands for.
    #[must_use]
    pub const fn scopes(self) -> Scopes {
        match self {
            Self::Operator => Scopes::ALL.without(Scopes::of(&[Scope::Serve])),
            Self::Administrator => Scopes::of(&[
                Scope::Read,
                Scope::Publish,
                Scope::WriteWebhooks,
                Scope::WriteDeliveries,
                Scope::WriteKeys,
                Scope::ReadPayloads,
            ]),
            Self::Viewer => Scopes::of(&[Scope::Read]),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        named(&Self::ALL, |role| role.name(), text)
    }
}

fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, text: &str) -> Result<T, UnknownName> {
    let found = all.iter().copied().find(|known| name(*known) == text);
    found.ok_or_else(|| UnknownName {
        text: text.chars().take(64).collect(),
        known: all
            .iter()
            .map(|known| name(*known))
            .collect::<Vec<_>>()
            .join(", "),
    })
}

impl Grant {
    /// What it stands for.
    #[must_use]
    pub const fn scopes(self) -> Scopes {
        match self {
            Self::Role(role) => role.scopes(),
            Self::Scopes(scopes) => scopes,
        }
    }
}

impl SecretHash {
    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

impl ApiKey {
    /// Whether it has expired by then.
    #[must_use]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_at_ms.is_some_and(|expires| expires <= now_ms)
    }

    /// What its bearer is let in with.
    #[must_use]
    pub const fn access(&self) -> Access {
        Access {
            actor: Actor::Key(self.id),
            account: self.account,
            scopes: self.grant.scopes(),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("the operator's key"),
            Self::Key(id) => write!(f, "the key {id}"),
        }
    }
}

impl Access {
    /// Of the operator's key, which opens everything.
    pub const OPERATOR: Self = Self {
        actor: Actor::Operator,
        account: None,
        scopes: Scopes::ALL,
    };

    /// Whether the caller sees this account.
    #[must_use]
    pub fn sees(&self, account: AccountId) -> bool {
        self.account.is_none_or(|own| own == account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_a_set_and_read_back_as_they_are_written() {
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
            assert!(Scopes::ALL.contains(scope) && !Scopes::NONE.contains(scope));
            assert_eq!(Scopes::of(&[scope]).iter().collect::<Vec<_>>(), [scope]);
        }
        let some: Scopes = [Scope::Publish, Scope::Read].into_iter().collect();
        assert_eq!(some.to_string(), "read, publish");
        assert_eq!(some.without(Scopes::of(&[Scope::Read])).to_string(), "publish");
        let wrong = "write".parse::<Scope>().unwrap_err().to_string();
        assert!(wrong.contains("webhooks:write"), "{wrong}");
    }

    #[test]
    fn what_reaches_beyond_an_account_is_in_no_role_of_one() {
        for role in [Role::Administrator, Role::Viewer] {
            assert!(!role.scopes().iter().any(Scope::is_of_platform), "{role}");
        }
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
            assert!(!role.scopes().contains(Scope::Serve), "{role} would read secrets");
        }
    }

    #[test]
    fn a_key_of_an_account_sees_that_one_alone() {
        let account = |id| AccountId::new(id).unwrap();
        let confined = Access {
            account: Some(account(1)),
            ..Access::OPERATOR
        };
        assert!(confined.sees(account(1)) && !confined.sees(account(2)));
        assert!(Access::OPERATOR.sees(account(2)));
    }
}
