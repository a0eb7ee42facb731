//! The secrets of a webhook: a new one, beside those before for a while, and the end of those (W2).

use angarium_model::{AccountId, Authentication, PreviousSecret, Signing, Webhook, WebhookId};

use super::{Expected, Plan, Shown, current_webhook};
use crate::patch::NewSecret;
use crate::refusal::Refusal;
use crate::state::State;

/// A change of the secrets of a webhook, whose fields have been checked.
#[derive(Debug)]
pub(crate) struct SecretWrite {
    pub(crate) account: AccountId,
    pub(crate) id: WebhookId,
    pub(crate) expected: Expected,
    pub(crate) change: SecretChange,
}

/// What becomes of a webhook's secrets.
#[derive(Debug)]
pub(crate) enum SecretChange {
    /// There is a new one.
    Rotate {
        new: NewSecret,
        /// Until then the one before signs as well, Unix milliseconds; `None`: it ends at once, with all before it.
        previous_until_ms: Option<i64>,
    },
    /// Those before the current one end.
    Revoke,
}

impl SecretWrite {
    pub(super) const fn method(&self) -> &'static str {
        match self.change {
            SecretChange::Rotate { .. } => "RotateSecret",
            SecretChange::Revoke => "RevokeSecret",
        }
    }

    pub(super) fn plan(self, state: &State) -> Result<Plan, Refusal> {
        let Self { account, id, .. } = self;
        let mut webhook = Webhook::clone(current_webhook(state, account, id, self.expected)?);
        let Authentication::Signature(signing) = &mut webhook.authentication else {
            return Err(Refusal::NotSigned(id));
        };
        match self.change {
            SecretChange::Rotate {
                new,
                previous_until_ms,
            } => {
                rotate(id, signing, new, previous_until_ms)?;
                Ok(Plan::webhook(webhook, Shown::Secret))
            }
            SecretChange::Revoke if signing.previous.is_empty() => {
                Ok(Plan::unchanged(webhook, Shown::Nothing))
            }
            SecretChange::Revoke => {
                signing.previous.clear();
                Ok(Plan::webhook(webhook, Shown::Nothing))
            }
        }
    }
}

/// Puts a new secret before those there are. No secret ends early unless the caller wants that: a receiver may know no
/// other.
fn rotate(
    id: WebhookId,
    signing: &mut Signing,
    new: NewSecret,
    previous_until_ms: Option<i64>,
) -> Result<(), Refusal> {
    let NewSecret { secret, at_ms } = new;
    let previous = &mut signing.previous;
    previous.retain(|old| old.expires_at_ms > at_ms);
    // As the current one it would sign for good, as an old one it would end.
    if signing.secret.as_ref() == Some(&secret) || previous.iter().any(|old| old.secret == secret) {
        let message = "is one that signs already; bring another one, or none to have one made";
        return Err(Refusal::field("secret", message));
    }
    let replaced = signing.secret.replace(secret);
    let created_at_ms = signing.created_at_ms.replace(at_ms);
    match (previous_until_ms, replaced) {
        (Some(_), Some(_)) if previous.len() >= Signing::MAX_PREVIOUS => Err(Refusal::TooManySecrets(id)),
        (Some(expires_at_ms), Some(secret)) => {
            let old = PreviousSecret {
                secret,
                created_at_ms,
                expires_at_ms,
            };
            previous.insert(0, old);
            Ok(())
        }
        _ => {
            previous.clear();
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use angarium_model::SecretText;

    use super::*;

    fn named(name: &str) -> SecretText {
        SecretText::new(name.to_owned())
    }

    fn give(signing: &mut Signing, name: &str, at_ms: i64, until_ms: Option<i64>) -> Result<(), Refusal> {
        let new = NewSecret {
            secret: named(name),
            at_ms,
        };
        rotate(WebhookId::from_bytes([0; 16]), signing, new, until_ms)
    }

    /// The names of all, the current one first, with their ends.
    fn all(signing: &Signing) -> Vec<(&str, i64)> {
        let current = signing.secret.as_ref().map(|secret| (secret.expose(), 0));
        let previous = &signing.previous;
        let previous = previous
            .iter()
            .map(|old| (old.secret.expose(), old.expires_at_ms));
        current.into_iter().chain(previous).collect()
    }

    #[test]
    fn w2_a_secret_signs_beside_two_before_it_and_none_of_them_ends_early_by_itself() {
        let mut signing = Signing::new(named("a"), 0);
        give(&mut signing, "b", 1, Some(100)).unwrap();
        give(&mut signing, "c", 2, Some(50)).unwrap();
        assert_eq!(all(&signing), [("c", 0), ("b", 50), ("a", 100)]);
        assert_eq!(signing.created_at_ms, Some(2));
        let created: Vec<_> = signing.previous.iter().map(|old| old.created_at_ms).collect();
        assert_eq!(created, [Some(1), Some(0)]);
        let third = give(&mut signing.clone(), "d", 49, Some(200));
        assert!(matches!(third, Err(Refusal::TooManySecrets(_))), "{third:?}");
        give(&mut signing, "d", 50, Some(200)).unwrap();
        assert_eq!(all(&signing), [("d", 0), ("c", 200), ("a", 100)], "one has ended");
        give(&mut signing, "e", 60, None).unwrap();
        assert_eq!(all(&signing), [("e", 0)], "without an overlap all end");
    }

    #[test]
    fn w2_a_secret_that_signs_is_not_taken_as_a_new_one() {
        let mut signing = Signing::new(named("a"), 0);
        give(&mut signing, "b", 1, Some(100)).unwrap();
        for known in ["a", "b"] {
            assert!(
                give(&mut signing.clone(), known, 2, Some(100)).is_err(),
                "{known}"
            );
        }
        give(&mut signing, "a", 100, Some(200)).unwrap();
        assert_eq!(all(&signing), [("a", 0), ("b", 200)], "its own end had come");
    }
}
