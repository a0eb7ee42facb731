//! API keys: nobody gives away, or takes in hand, more than they may do themselves.

use angarium_model::{ApiKey, KeyId};
use angarium_runtime::access::{TOLD_EVERY, Token};
use angarium_runtime::millis;

use super::caller::Caller;
use super::deleting::key_use;
use super::{Expected, Plan, Shown};
use crate::home::Home;
use crate::patch::{ApiKeyPatch, Rotation};
use crate::record::{Entity, Key, KeyUse};
use crate::refusal::Refusal;
use crate::state::State;

/// The most API keys of an account, and of the platform: far more than people keep apart.
pub(crate) const MAX_KEYS: usize = 1_000;

/// A write of an API key, whose fields have been checked.
#[derive(Debug)]
pub(crate) enum ApiKeyWrite {
    Create {
        key: ApiKey,
        token: Token,
    },
    Update {
        home: Home,
        id: KeyId,
        expected: Expected,
        patch: ApiKeyPatch,
    },
    Rotate {
        home: Home,
        id: KeyId,
        expected: Expected,
        rotation: Rotation,
    },
    Delete {
        home: Home,
        id: KeyId,
        expected: Expected,
    },
    NoteUse {
        home: Home,
        id: KeyId,
        /// Unix milliseconds.
        at_ms: i64,
    },
}

impl ApiKeyWrite {
    pub(super) fn home(&self) -> Home {
        match self {
            Self::Create { key, .. } => Home::of(key.account),
            Self::Update { home, .. }
            | Self::Rotate { home, .. }
            | Self::Delete { home, .. }
            | Self::NoteUse { home, .. } => *home,
        }
    }

    pub(super) const fn method(&self) -> &'static str {
        match self {
            Self::Create { .. } => "CreateApiKey",
            Self::Update { .. } => "UpdateApiKey",
            Self::Rotate { .. } => "RotateApiKey",
            Self::Delete { .. } => "DeleteApiKey",
            Self::NoteUse { .. } => "NoteApiKeyUse",
        }
    }

    pub(super) fn plan(self, state: &State, by: Caller) -> Result<Plan, Refusal> {
        match self {
            Self::Create { key, token } => {
                if let Some(account) = key.account {
                    state.account(account).ok_or(Refusal::NoAccount(account))?;
                }
                by.covers(key.grant.scopes())?;
                by.outlasts(&key)?;
                let home = Home::of(key.account);
                if state.key_count(home) >= MAX_KEYS {
                    return Err(Refusal::TooManyApiKeys(home));
                }
                Ok(Plan::api_key(key, Shown::Token(token)))
            }
            Self::Update {
                home,
                id,
                expected,
                patch,
            } => {
                let key = patch.apply(current(state, home, id, expected, by)?);
                by.covers(key.grant.scopes())?;
                by.outlasts(&key)?;
                Ok(Plan::api_key(key, Shown::Nothing))
            }
            Self::Rotate {
                home,
                id,
                expected,
                rotation,
            } => {
                let current = current(state, home, id, expected, by)?;
                by.outlasts(&current)?;
                let (key, token) = rotation.apply(current);
                Ok(Plan::api_key(key, Shown::Token(token)))
            }
            Self::Delete { home, id, expected } => {
                let key = current(state, home, id, expected, by)?;
                Ok(Plan::removal(Key::Api(id), key_use(&key).into_iter().collect()))
            }
            Self::NoteUse { home, id, at_ms } => {
                let key = state.key_of(home, id)?;
                Ok(if is_news(key, at_ms) {
                    Plan::entity(Entity::KeyUse(KeyUse { key: id, at_ms }), Shown::Nothing)
                } else {
                    Plan::Unchanged {
                        entity: Entity::ApiKey(ApiKey::clone(key)),
                        shown: Shown::Nothing,
                    }
                })
            }
        }
    }
}

/// A key that the caller may take in hand: who gives one that allows more a new secret would rise by it.
fn current(state: &State, home: Home, id: KeyId, expected: Expected, by: Caller) -> Result<ApiKey, Refusal> {
    let current = state.key_of(home, id)?;
    expected.check(Key::Api(id), current.revision)?;
    by.covers(current.grant.scopes())?;
    Ok(ApiKey::clone(current))
}

/// Whether a use is told of that is not known yet: one in half an hour, or every call would be a write.
pub(crate) fn is_news(key: &ApiKey, at_ms: i64) -> bool {
    let known = key.last_used_at_ms;
    known.is_none_or(|known| at_ms >= known.saturating_add(millis(TOLD_EVERY)))
}
