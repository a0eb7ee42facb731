//! API keys.

use angarium_model::{
    AccountId, Actor, ApiKey, Grant, KeyId, Previous, Revision, Role, Scope, Scopes, SecretHash,
};

use super::registry::{Secrets, check_name};
use super::take;
use crate::FieldError;
use crate::access::v1 as access;
use crate::audit::v1 as audit;
use crate::registry::v1;

/// Reads a stored API key, what it is known by included; field paths are relative to it.
///
/// # Errors
/// Every mistake.
pub fn api_key_from_wire(wire: v1::ApiKey) -> Result<ApiKey, Vec<FieldError>> {
    let mut errors = Vec::new();
    let id = take(wire.id.parse::<KeyId>(), "id", &mut errors);
    let account = wire
        .account_id
        .and_then(|id| take(AccountId::new(id), "account_id", &mut errors));
    check_name(&wire.name, 1, &mut errors);
    let grant = grant_from_wire(wire.grant, wire.account_id.is_some(), &mut errors);
    let hash = hash_from_wire(&wire.secret_hash, "secret_hash", &mut errors);
    let previous = wire.previous_until_ms.and_then(|until_ms| {
        let hash = hash_from_wire(&wire.previous_hash, "previous_hash", &mut errors)?;
        Some(Previous { hash, until_ms })
    });
    match (id, grant, hash) {
        (Some(id), Some(grant), Some(hash)) if errors.is_empty() => Ok(ApiKey {
            id,
            account,
            name: wire.name,
            grant,
            hash,
            previous,
            expires_at_ms: wire.expires_at_ms,
            revision: Revision::from_offset(wire.revision),
            created_at_ms: wire.created_at_ms,
            last_used_at_ms: wire.last_used_at_ms,
        }),
        _ => Err(errors),
    }
}

/// An API key as a message.
#[must_use]
pub fn api_key_to_wire(key: &ApiKey, secrets: Secrets) -> v1::ApiKey {
    let shown = |hash: &SecretHash| match secrets {
        Secrets::Include => bytes::Bytes::copy_from_slice(hash.as_bytes()),
        Secrets::Current | Secrets::Omit => bytes::Bytes::new(),
    };
    let previous = key.previous.as_ref();
    v1::ApiKey {
        id: key.id.to_string(),
        account_id: key.account.map(AccountId::get),
        name: key.name.clone(),
        grant: Some(grant_to_wire(key.grant)),
        expires_at_ms: key.expires_at_ms,
        revision: key.revision.offset(),
        created_at_ms: key.created_at_ms,
        previous_until_ms: previous.map(|previous| previous.until_ms),
        secret_hash: shown(&key.hash),
        previous_hash: previous.map(|previous| shown(&previous.hash)).unwrap_or_default(),
        last_used_at_ms: key.last_used_at_ms,
    }
}

/// Who called, as the audit log has it.
#[must_use]
pub fn actor_to_wire(actor: Actor) -> audit::Actor {
    let kind = match actor {
        Actor::Operator => audit::actor::Kind::OperatorKey(audit::OperatorKey {}),
        Actor::Key(id) => audit::actor::Kind::ApiKeyId(id.to_string()),
    };
    audit::Actor { kind: Some(kind) }
}

/// What a key allows; `confined`: it is one of an account, which cannot have what reaches beyond. No key has what
/// Angarium's own services do. `None`: there is a mistake.
pub fn grant_from_wire(
    wire: Option<v1::api_key::Grant>,
    confined: bool,
    errors: &mut Vec<FieldError>,
) -> Option<Grant> {
    let (field, grant) = match wire {
        Some(v1::api_key::Grant::Role(role)) => ("role", role_from_wire(role).map(Grant::Role)),
        Some(v1::api_key::Grant::Scopes(scopes)) => ("scopes", scopes_from_wire(&scopes).map(Grant::Scopes)),
        None => {
            errors.push(FieldError::new("grant", "is required: a role, or scopes"));
            return None;
        }
    };
    let grant = grant.and_then(|grant| {
        if grant.scopes().contains(Scope::Serve) {
            return Err("allows serve, which no API key has: Angarium's own services present operator.key".to_owned());
        }
        let beyond: Scopes = grant.scopes().iter().filter(|scope| scope.is_of_platform()).collect();
        if confined && !beyond.is_empty() {
            return Err(format!(
                "allows {beyond}, which reaches beyond an account: leave account_id unset to make a key of the platform"
            ));
        }
        Ok(grant)
    });
    take(grant, field, errors)
}

/// What a key allows, as a message.
#[must_use]
pub fn grant_to_wire(grant: Grant) -> v1::api_key::Grant {
    match grant {
        Grant::Role(role) => v1::api_key::Grant::Role(
            match role {
                Role::Operator => access::Role::Operator,
                Role::Administrator => access::Role::Administrator,
                Role::Viewer => access::Role::Viewer,
            }
            .into(),
        ),
        Grant::Scopes(scopes) => v1::api_key::Grant::Scopes(access::Scopes {
            scopes: scopes.iter().map(|scope| scope_to_wire(scope).into()).collect(),
        }),
    }
}

fn role_from_wire(wire: i32) -> Result<Role, String> {
    match access::Role::try_from(wire) {
        Ok(access::Role::Operator) => Ok(Role::Operator),
        Ok(access::Role::Administrator) => Ok(Role::Administrator),
        Ok(access::Role::Viewer) => Ok(Role::Viewer),
        Ok(access::Role::Unspecified) | Err(_) => Err(format!(
            "{wire} is neither OPERATOR (1) nor ADMINISTRATOR (2) nor VIEWER (3)"
        )),
    }
}

fn scopes_from_wire(wire: &access::Scopes) -> Result<Scopes, String> {
    if wire.scopes.is_empty() {
        return Err("must name at least one scope".to_owned());
    }
    if wire.scopes.len() > Scope::ALL.len() {
        return Err(format!(
            "has {} entries; there are {} scopes",
            wire.scopes.len(),
            Scope::ALL.len()
        ));
    }
    let scope =
        |scope: &i32| scope_from_wire(*scope).ok_or_else(|| format!("{scope} is no scope: 1 to 8 are"));
    wire.scopes.iter().map(scope).collect()
}

fn scope_from_wire(wire: i32) -> Option<Scope> {
    match access::Scope::try_from(wire).ok()? {
        access::Scope::Read => Some(Scope::Read),
        access::Scope::Publish => Some(Scope::Publish),
        access::Scope::WriteWebhooks => Some(Scope::WriteWebhooks),
        access::Scope::WriteDeliveries => Some(Scope::WriteDeliveries),
        access::Scope::WriteKeys => Some(Scope::WriteKeys),
        access::Scope::ReadPayloads => Some(Scope::ReadPayloads),
        access::Scope::Operate => Some(Scope::Operate),
        access::Scope::Serve => Some(Scope::Serve),
        access::Scope::Unspecified => None,
    }
}

const fn scope_to_wire(scope: Scope) -> access::Scope {
    match scope {
        Scope::Read => access::Scope::Read,
        Scope::Publish => access::Scope::Publish,
        Scope::WriteWebhooks => access::Scope::WriteWebhooks,
        Scope::WriteDeliveries => access::Scope::WriteDeliveries,
        Scope::WriteKeys => access::Scope::WriteKeys,
        Scope::ReadPayloads => access::Scope::ReadPayloads,
        Scope::Operate => access::Scope::Operate,
        Scope::Serve => access::Scope::Serve,
    }
}

fn hash_from_wire(wire: &[u8], field: &str, errors: &mut Vec<FieldError>) -> Option<SecretHash> {
    let hash = <[u8; 32]>::try_from(wire).map_err(|_wrong_length| "is not 32 bytes");
    take(hash, field, errors).map(SecretHash::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(account: Option<u64>, grant: Grant) -> ApiKey {
        ApiKey {
            id: KeyId::from_bytes([7; 16]),
            account: account.map(|id| AccountId::new(id).unwrap()),
            name: "publisher".into(),
            grant,
            hash: SecretHash::from_bytes([1; 32]),
            previous: Some(Previous {
                hash: SecretHash::from_bytes([2; 32]),
                until_ms: 5,
            }),
            expires_at_ms: Some(9),
            revision: Revision::from_offset(3),
            created_at_ms: 1,
            last_used_at_ms: None,
        }
    }

    #[test]
    fn a_key_reads_back_as_it_was_written_and_its_hashes_only_on_demand() {
        let scopes = Role::Operator
            .scopes()
            .iter()
            .map(|scope| Grant::Scopes(Scopes::of(&[scope])));
        for grant in Role::ALL.map(Grant::Role).into_iter().chain(scopes) {
            let key = key(None, grant);
            let wire = api_key_to_wire(&key, Secrets::Include);
            assert_eq!(api_key_from_wire(wire).unwrap(), key);
            let shown = api_key_to_wire(&key, Secrets::Omit);
            assert!(shown.secret_hash.is_empty() && shown.previous_hash.is_empty());
            assert_eq!(shown.previous_until_ms, Some(5));
        }
    }

    #[test]
    fn a_key_of_an_account_cannot_have_what_reaches_beyond_it_and_none_what_services_do() {
        for grant in [
            Grant::Role(Role::Operator),
            Grant::Scopes(Scopes::of(&[Scope::Operate, Scope::Read])),
        ] {
            let wire = api_key_to_wire(&key(Some(1), grant), Secrets::Include);
            let errors = api_key_from_wire(wire).unwrap_err();
            assert!(errors[0].message.contains("beyond an account"), "{errors:?}");
        }
        let service = key(None, Grant::Scopes(Scopes::of(&[Scope::Serve])));
        let errors = api_key_from_wire(api_key_to_wire(&service, Secrets::Include)).unwrap_err();
        assert!(errors[0].message.contains("no API key has"), "{errors:?}");
        let administrator = key(Some(1), Grant::Role(Role::Administrator));
        assert!(api_key_from_wire(api_key_to_wire(&administrator, Secrets::Include)).is_ok());
    }

    #[test]
    fn the_table_of_scopes_is_in_order_to_be_searched() {
        assert!(crate::METHOD_SCOPES.is_sorted());
        let of = |path: &str| {
            let at = crate::METHOD_SCOPES.binary_search_by_key(&path, |(path, _)| path);
            crate::METHOD_SCOPES[at.unwrap()].1
        };
        assert_eq!(of("/angarium.event.v1.PublisherService/Publish"), Scope::Publish);
        assert_eq!(of("/angarium.registry.v1.RegistryService/Watch"), Scope::Serve);
    }
}
