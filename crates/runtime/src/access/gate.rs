//! Lets callers in.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use angarium_model::{Access, ApiKey, KeyId, SecretHash};
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

    /// The bearer of this key is let in, at this time: Unix milliseconds. Waits for nothing.
    fn used(&self, id: KeyId, at_ms: i64);
}

/// Lets callers in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate {
    operator: OperatorKey,
    keys: Arc<dyn Keys>,
    clock: Clock,
}

/// A caller that was let in, who can be asked about again. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller {
    gate: Gate,
    access: Access,
    by: Credential,
}

/// What a caller came in by.
#[derive(Clone, Copy, Debug)]
enum Credential {
    /// The operator's key: it changes with a start of the process alone.
    Operator,
    /// A key, and what the secret is known by that was presented.
    Key(KeyId, SecretHash),
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

    /// Lets the caller with this `authorization` header in. Waits up to a second for what is known of API keys to be in
    /// force.
    ///
    /// # Errors
    /// Why the caller is not let in.
    pub async fn admit(&self, authorization: Option<&str>) -> Result<Caller, Denied> {
        let presented = authorization.ok_or(Denied::Missing)?;
        let presented = bearer(presented).ok_or(Denied::Wrong)?;
        if self.operator.is(presented) {
            return Ok(Caller {
                gate: self.clone(),
                access: Access::OPERATOR,
                by: Credential::Operator,
            });
        }
        let token = Token::parse(presented).ok_or(Denied::Wrong)?;
        let (access, hash) = self.open(token.id(), |hash| token.is_known_by(hash)).await?;
        Ok(Caller {
            gate: self.clone(),
            access,
            by: Credential::Key(token.id(), hash),
        })
    }

    /// What a key opens to whoever has its secret, and what that is known by.
    async fn open(
        &self,
        id: KeyId,
        has: impl Fn(&SecretHash) -> bool + Send,
    ) -> Result<(Access, SecretHash), Denied> {
        let key = self.key(id).await?;
        let now_ms = self.clock.now_ms();
        let previous = key.previous.filter(|previous| now_ms < previous.until_ms);
        let mut good = [Some(key.hash), previous.map(|previous| previous.hash)]
            .into_iter()
            .flatten();
        let hash = good.find(has).ok_or(Denied::Wrong)?;
        if key.is_expired(now_ms) {
            return Err(Denied::Expired);
        }
        self.keys.used(id, now_ms);
        Ok((key.access(), hash))
    }

    async fn key(&self, id: KeyId) -> Result<Arc<ApiKey>, Denied> {
        if !self.keys.is_in_force() {
            let waited = timeout(IN_FORCE_WITHIN, self.keys.in_force()).await;
            waited.map_err(|_elapsed| Denied::NotNow)?;
        }
        self.keys.key(id).ok_or(Denied::Wrong)
    }
}

impl Caller {
    /// What the caller was let in with.
    #[must_use]
    pub const fn access(&self) -> Access {
        self.access
    }

    /// What the caller may do now: a call takes its time, and meanwhile a key may be revoked, expire, allow something
    /// else, or get another secret.
    ///
    /// # Errors
    /// Why the caller would not be let in any more.
    pub async fn again(&self) -> Result<Access, Denied> {
        match self.by {
            Credential::Operator => Ok(self.access),
            Credential::Key(id, came_by) => {
                let (access, _) = self.gate.open(id, |hash| *hash == came_by).await?;
                Ok(access)
            }
        }
    }

    /// Whether what the caller may do can change while a call lasts.
    pub(crate) const fn may_change(&self) -> bool {
        matches!(self.by, Credential::Key(..))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use angarium_model::{AccountId, Grant, Previous, Revision, Role, Scope, Scopes};
    use std::sync::Mutex;

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

        fn used(&self, _id: KeyId, _at_ms: i64) {}
    }

    /// Knows at most one key, in force or not, and counts how often it is used.
    #[derive(Debug)]
    pub(crate) struct One(Mutex<Option<ApiKey>>, AtomicBool, AtomicUsize);

    impl One {
        pub(crate) const fn new(key: ApiKey) -> Self {
            Self(Mutex::new(Some(key)), AtomicBool::new(true), AtomicUsize::new(0))
        }

        pub(crate) fn becomes(&self, key: Option<ApiKey>) {
            *self.0.lock().unwrap() = key;
        }
    }

    impl Keys for One {
        fn key(&self, id: KeyId) -> Option<Arc<ApiKey>> {
            let known = self.0.lock().unwrap().clone();
            known.filter(|known| known.id == id).map(Arc::new)
        }

        fn is_in_force(&self) -> bool {
            self.1.load(Ordering::Relaxed)
        }

        fn in_force(&self) -> BoxFuture<'_, ()> {
            std::future::pending().boxed()
        }

        fn used(&self, _id: KeyId, at_ms: i64) {
            assert_eq!(at_ms, NOW_MS);
            self.2.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn key() -> (ApiKey, String) {
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
            last_used_at_ms: None,
        };
        (key, format!("Bearer {}", token.expose()))
    }

    pub(crate) fn gate(known: &Arc<One>) -> Gate {
        let (clock, _) = Clock::manual(NOW_MS);
        Gate::new(OperatorKey::generate(), Arc::<One>::clone(known), clock)
    }

    /// What a caller is let in with who comes by this header to who knows this key.
    async fn admitted(key: ApiKey, header: &str) -> Result<Access, Denied> {
        let caller = gate(&Arc::new(One::new(key))).admit(Some(header)).await?;
        assert_eq!(caller.again().await, Ok(caller.access()));
        Ok(caller.access())
    }

    #[tokio::test]
    async fn the_bearer_of_a_key_is_let_in_with_what_it_allows() {
        let (key, header) = key();
        let gate = gate(&Arc::new(One::new(key.clone())));
        assert_eq!(gate.admit(Some(&header)).await.unwrap().access(), key.access());
        let operator = format!("bearer {}", gate.operator.expose());
        let operator = gate.admit(Some(&operator)).await.unwrap();
        assert_eq!(operator.access(), Access::OPERATOR);
        assert_eq!(operator.again().await, Ok(Access::OPERATOR));
        assert_eq!(gate.admit(None).await.unwrap_err(), Denied::Missing);
        let stranger = new_token(KeyId::from_bytes([8; 16])).0.expose();
        for wrong in [
            "",
            "Basic eDp5",
            "Bearer x",
            &header[..header.len() - 1],
            &format!("Bearer {stranger}"),
        ] {
            assert_eq!(
                gate.admit(Some(wrong)).await.unwrap_err(),
                Denied::Wrong,
                "{wrong}"
            );
        }
    }

    #[tokio::test]
    async fn a_key_is_used_by_whoever_is_let_in_and_by_nobody_else() {
        let (key, header) = key();
        let known = Arc::new(One::new(key));
        let gate = gate(&known);
        let used = || known.2.load(Ordering::Relaxed);
        for (presented, count) in [(&header[..header.len() - 1], 0), (&*header, 1), (&*header, 2)] {
            gate.admit(Some(presented)).await.ok();
            assert_eq!(used(), count);
        }
        let caller = gate.admit(Some(&header)).await.unwrap();
        caller.again().await.unwrap();
        assert_eq!(used(), 4, "a stream that goes on uses it all the while");
    }

    #[tokio::test]
    async fn a_key_ends_when_it_expires_and_a_secret_that_was_replaced_when_its_time_is_over() {
        let (first, header) = key();
        for (expires_at_ms, expected) in [(NOW_MS, Err(Denied::Expired)), (NOW_MS + 1, Ok(first.access()))] {
            let key = ApiKey {
                expires_at_ms: Some(expires_at_ms),
                ..first.clone()
            };
            assert_eq!(admitted(key, &header).await, expected);
        }
        for (until_ms, expected) in [(NOW_MS, Err(Denied::Wrong)), (NOW_MS + 1, Ok(first.access()))] {
            assert_eq!(admitted(replaced(&first, until_ms), &header).await, expected);
        }
    }

    /// With another secret, the one before being good until then.
    fn replaced(key: &ApiKey, until_ms: i64) -> ApiKey {
        let (_, hash) = new_token(key.id);
        let previous = Some(Previous {
            hash: key.hash,
            until_ms,
        });
        ApiKey {
            hash,
            previous,
            ..key.clone()
        }
    }

    #[tokio::test]
    async fn who_was_let_in_is_asked_about_again_by_what_the_key_is_then() {
        let (first, header) = key();
        let known = Arc::new(One::new(first.clone()));
        let caller = gate(&known).admit(Some(&header)).await.unwrap();
        let publisher = ApiKey {
            grant: Grant::Scopes(Scopes::of(&[Scope::Publish])),
            ..first.clone()
        };
        let expired = ApiKey {
            expires_at_ms: Some(NOW_MS),
            ..first.clone()
        };
        for (becomes, expected) in [
            (Some(publisher.clone()), Ok(publisher.access())),
            (Some(replaced(&first, NOW_MS + 1)), Ok(first.access())),
            // The secret that was presented is good no more, though the key is.
            (Some(replaced(&first, NOW_MS)), Err(Denied::Wrong)),
            (Some(expired), Err(Denied::Expired)),
            (None, Err(Denied::Wrong)),
        ] {
            known.becomes(becomes);
            assert_eq!(caller.again().await, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_let_in_by_keys_that_may_have_been_revoked() {
        let (key, header) = key();
        let known = Arc::new(One::new(key));
        let gate = gate(&known);
        let caller = gate.admit(Some(&header)).await.unwrap();
        known.1.store(false, Ordering::Relaxed);
        assert_eq!(gate.admit(Some(&header)).await.unwrap_err(), Denied::NotNow);
        assert_eq!(caller.again().await, Err(Denied::NotNow));
        let operator = format!("Bearer {}", gate.operator.expose());
        assert_eq!(
            gate.admit(Some(&operator)).await.unwrap().access(),
            Access::OPERATOR
        );
    }
}
