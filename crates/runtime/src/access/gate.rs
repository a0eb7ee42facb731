//! Lets callers in.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use angarium_model::{Access, Actor, ApiKey, KeyId};
use futures::future::BoxFuture;
use tokio::time::timeout;

use super::token::Token;
use super::{OperatorKey, bearer};
use crate::Clock;

/// How long a caller waits for what is known of keys to be in force.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(1);

/// Who knows API keys.
pub trait Keys: Debug + Send + Sync + 'static {
    /// The key of this id, if there is one.
    fn key(&self, id: KeyId) -> Option<Arc<ApiKey>>;

    /// Whether what is known of keys is in force: none that was revoked is among them.
    fn is_in_force(&self) -> bool;

    /// Resolves when it is.
    fn in_force(&self) -> BoxFuture<'_, ()>;
}

/// Lets callers in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate {
    operator: OperatorKey,
    keys: Arc<dyn Keys>,
    clock: Clock,
}

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The call carries none.
    #[error("the call carries no key: send `authorization: Bearer <key>`")]
    Missing,
    /// It is none that is known, was revoked, or its secret is another.
    #[error(
        "the key is not the right one, or was revoked: send `authorization: Bearer <key>`, with an API key or the operator's key"
    )]
    Wrong,
    /// Its time is over.
    #[error("the key has expired: have it prolonged, or another one created")]
    Expired,
    /// Keys may have been revoked that are known here, and created that are not.
    #[error(
        "API keys are not known here as they are now: this service has just started, or hears nothing of the registry; send the call again"
    )]
    NotNow,
}

impl Gate {
    /// Lets in the bearer of the operator's key, and those of these keys.
    #[must_use]
    pub fn new(operator: OperatorKey, keys: Arc<dyn Keys>, clock: Clock) -> Self {
        Self {
            operator,
            keys,
            clock,
        }
    }

    /// What the caller with this `authorization` header is let in with. Waits up to a second for what is known of API
    /// keys to be in force.
    ///
    /// # Errors
    /// Why the caller is not let in.
    pub async fn admit(&self, authorization: Option<&str>) -> Result<Access, Denied> {
        let presented = authorization.ok_or(Denied::Missing)?;
        let presented = bearer(presented).ok_or(Denied::Wrong)?;
        if self.operator.is(presented) {
            return Ok(Access::OPERATOR);
        }
        let token = Token::parse(presented).ok_or(Denied::Wrong)?;
        let key = self.key(token.id()).await?;
        let now_ms = self.clock.now_ms();
        let previous = key.previous.filter(|previous| now_ms < previous.until_ms);
        let mut good = [Some(key.hash), previous.map(|previous| previous.hash)]
            .into_iter()
            .flatten();
        if !good.any(|hash| token.is_known_by(&hash)) {
            return Err(Denied::Wrong);
        }
        self.unless_expired(&key)
    }

    /// What a caller that was let in before may do now: for calls that last.
    ///
    /// # Errors
    /// Why the caller would not be let in any more.
    pub async fn admit_again(&self, actor: Actor) -> Result<Access, Denied> {
        match actor {
            Actor::Operator => Ok(Access::OPERATOR),
            Actor::Key(id) => self.unless_expired(&*self.key(id).await?),
        }
    }

    async fn key(&self, id: KeyId) -> Result<Arc<ApiKey>, Denied> {
        if !self.keys.is_in_force() {
            let waited = timeout(IN_FORCE_WITHIN, self.keys.in_force()).await;
            waited.map_err(|_elapsed| Denied::NotNow)?;
        }
        self.keys.key(id).ok_or(Denied::Wrong)
    }

    fn unless_expired(&self, key: &ApiKey) -> Result<Access, Denied> {
        if key.is_expired(self.clock.now_ms()) {
            Err(Denied::Expired)
        } else {
            Ok(key.access())
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use angarium_model::{AccountId, Grant, Previous, Revision, Role};

    use futures::future::{FutureExt as _, ready};

    use super::super::new_token;
    use super::*;

    const NOW_MS: i64 = 1_000;

    /// Knows none: the operator's key is the only one.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct NoKeys;

    impl Keys for NoKeys {
        fn key(&self, _id: KeyId) -> Option<Arc<ApiKey>> {
            None
        }

        fn is_in_force(&self) -> bool {
            true
        }

        fn in_force(&self) -> BoxFuture<'_, ()> {
            ready(()).boxed()
        }
    }

    /// Knows one key, in force or not.
    #[derive(Debug)]
    struct One(ApiKey, AtomicBool);

    impl Keys for One {
        fn key(&self, id: KeyId) -> Option<Arc<ApiKey>> {
            (self.0.id == id).then(|| Arc::new(self.0.clone()))
        }

        fn is_in_force(&self) -> bool {
            self.1.load(Ordering::Relaxed)
        }

        fn in_force(&self) -> BoxFuture<'_, ()> {
            std::future::pending().boxed()
        }
    }

    fn key() -> (ApiKey, String) {
        let id = KeyId::from_bytes([7; 16]);
        let (token, hash) = new_token(id);
        let key = ApiKey {
            id,
            account: AccountId::new(1234).ok(),
            name: "viewer".into(),
            grant: Grant::Role(Role::Viewer),
            hash,
            previous: None,
            expires_at_ms: None,
            revision: Revision::default(),
            created_at_ms: 0,
        };
        (key, format!("Bearer {}", token.expose()))
    }

    fn gate(key: ApiKey) -> Gate {
        let (clock, _) = Clock::manual(NOW_MS);
        Gate::new(
            OperatorKey::generate(),
            Arc::new(One(key, AtomicBool::new(true))),
            clock,
        )
    }

    #[tokio::test]
    async fn the_bearer_of_a_key_is_let_in_with_what_it_allows() {
        let (key, header) = key();
        let gate = gate(key.clone());
        assert_eq!(gate.admit(Some(&header)).await, Ok(key.access()));
        assert_eq!(gate.admit_again(Actor::Key(key.id)).await, Ok(key.access()));
        let operator = format!("bearer {}", gate.operator.expose());
        assert_eq!(gate.admit(Some(&operator)).await, Ok(Access::OPERATOR));
        assert_eq!(gate.admit(None).await, Err(Denied::Missing));
        let stranger = new_token(KeyId::from_bytes([8; 16])).0.expose();
        for wrong in [
            "",
            "Basic eDp5",
            "Bearer x",
            &header[..header.len() - 1],
            &format!("Bearer {stranger}"),
        ] {
            assert_eq!(gate.admit(Some(wrong)).await, Err(Denied::Wrong), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_key_ends_when_it_expires_and_a_secret_that_was_replaced_when_its_time_is_over() {
        let (first, header) = key();
        for (expires_at_ms, expected) in [(NOW_MS, Err(Denied::Expired)), (NOW_MS + 1, Ok(first.access()))] {
            let key = ApiKey {
                expires_at_ms: Some(expires_at_ms),
                ..first.clone()
            };
            let gate = gate(key.clone());
            assert_eq!(gate.admit(Some(&header)).await, expected);
            assert_eq!(gate.admit_again(Actor::Key(key.id)).await, expected);
        }
        for (until_ms, expected) in [(NOW_MS, Err(Denied::Wrong)), (NOW_MS + 1, Ok(first.access()))] {
            let (_, hash) = new_token(first.id);
            let previous = Some(Previous {
                hash: first.hash,
                until_ms,
            });
            let replaced = ApiKey {
                hash,
                previous,
                ..first.clone()
            };
            assert_eq!(gate(replaced).admit(Some(&header)).await, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_let_in_by_keys_that_may_have_been_revoked() {
        let (key, header) = key();
        let (clock, _) = Clock::manual(NOW_MS);
        let stale = Arc::new(One(key.clone(), AtomicBool::new(false)));
        let gate = Gate::new(OperatorKey::generate(), stale, clock);
        assert_eq!(gate.admit(Some(&header)).await, Err(Denied::NotNow));
        assert_eq!(gate.admit_again(Actor::Key(key.id)).await, Err(Denied::NotNow));
        let operator = format!("Bearer {}", gate.operator.expose());
        assert_eq!(gate.admit(Some(&operator)).await, Ok(Access::OPERATOR));
    }
}
