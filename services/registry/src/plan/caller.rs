//! Who wants a write, as the state knows them when it is decided.

use angarium_model::{Access, Actor, ApiKey, Scope, Scopes};
use angarium_proto::METHOD_SCOPES;
use angarium_proto::registry::v1::registry_service_server::SERVICE_NAME;

use crate::refusal::Refusal;
use crate::state::State;

/// Who wants a write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) access: Access,
    /// When the key ends, Unix milliseconds; `None`: never.
    expires_at_ms: Option<i64>,
}

impl Caller {
    /// A write waits for its turn: a key that was revoked meanwhile writes no more, and one that allows less, less.
    pub(super) fn now(by: Access, method: &str, state: &State) -> Result<Self, Refusal> {
        let Actor::Key(id) = by.actor else {
            return Ok(Self {
                access: by,
                expires_at_ms: None,
            });
        };
        let key = state.key(id).ok_or(Refusal::Revoked)?;
        let (access, needed) = (key.access(), needed(method));
        if !access.scopes.contains(needed) {
            return Err(Refusal::NotAllowedNow(needed));
        }
        Ok(Self {
            access,
            expires_at_ms: key.expires_at_ms,
        })
    }

    /// Whether so much may be given away, or taken in hand.
    pub(super) fn covers(&self, scopes: Scopes) -> Result<(), Refusal> {
        let beyond = scopes.without(self.access.scopes);
        if beyond.is_empty() {
            Ok(())
        } else {
            Err(Refusal::BeyondCaller(beyond))
        }
    }

    /// Whether a key may be given away that lasts so long: who is let in until tomorrow would else be let in for ever.
    pub(super) fn outlasts(&self, key: &ApiKey) -> Result<(), Refusal> {
        match self.expires_at_ms {
            Some(own) if key.expires_at_ms.is_none_or(|expires| expires > own) => {
                Err(Refusal::OutlastsCaller(own))
            }
            _ => Ok(()),
        }
    }
}

/// What a method needs. One that writes nothing reads, and what is not listed is for nobody but services.
fn needed(method: &str) -> Scope {
    if method.is_empty() {
        return Scope::Read;
    }
    let path = format!("/{SERVICE_NAME}/{method}");
    let at = METHOD_SCOPES.binary_search_by_key(&path.as_str(), |(path, _)| path);
    at.ok()
        .and_then(|at| METHOD_SCOPES.get(at))
        .map_or(Scope::Serve, |(_, scope)| *scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_that_writes_says_what_it_needs() {
        assert_eq!(needed("CreateWebhook"), Scope::WriteWebhooks);
        assert_eq!(needed("DeleteApiKey"), Scope::WriteKeys);
        assert_eq!(needed("Forgotten"), Scope::Serve);
        assert_eq!(needed(""), Scope::Read);
    }
}
