//! New secrets of webhooks, and the end of those before (W2).

use angarium_proto::registry::v1;
use angarium_proto::{FieldError, InvalidWire};

use super::webhook::new_secret;
use super::{end_of_overlap, named_webhook, webhook_key};
use crate::patch::NewSecret;
use crate::plan::{Expected, SecretChange, SecretWrite, Write};
use crate::refusal::Refusal;

/// Checks that a webhook gets a new secret, and makes one if none was brought along.
pub(crate) fn rotate_secret(request: &v1::RotateSecretRequest, now_ms: i64) -> Result<Write, Refusal> {
    let mut errors = Vec::new();
    let named = named_webhook(request.account_id, &request.id, &mut errors);
    let brought = (!request.secret.is_empty()).then(|| angarium_webhooks::checked_secret(&request.secret));
    let brought = brought.transpose().unwrap_or_else(|error| {
        errors.push(FieldError::new("secret", error.to_string()));
        None
    });
    let previous_until_ms = end_of_overlap(request.overlap_seconds, now_ms, &mut errors);
    let Some((account, id)) = named.filter(|_| errors.is_empty()) else {
        return Err(InvalidWire(errors).into());
    };
    Ok(Write::Secrets(SecretWrite {
        account,
        id,
        expected: Expected::from_wire(request.revision),
        change: SecretChange::Rotate {
            new: NewSecret {
                secret: brought.map_or_else(new_secret, Ok)?,
                at_ms: now_ms,
            },
            previous_until_ms,
        },
    }))
}

pub(crate) fn revoke_secret(request: &v1::RevokeSecretRequest) -> Result<Write, Refusal> {
    let (account, id) = webhook_key(request.account_id, &request.id)?;
    Ok(Write::Secrets(SecretWrite {
        account,
        id,
        expected: Expected::from_wire(request.revision),
        change: SecretChange::Revoke,
    }))
}
