//! Event types that the catalogue lacks: which an account may send, and their schemas, ready to hold data against.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use angarium_catalogue::{Finding, Schema};
use angarium_directory::View;
use angarium_model::{AccountId, EventName, KnownTypes, OwnType, Revision};

/// How many schemas are kept ready; each may take a few megabytes.
const MAX_READY: usize = 256;

/// The types of an account, and of the platform, as they are known at one moment.
#[derive(Clone, Debug)]
pub(crate) struct OwnTypes {
    account: AccountId,
    view: View,
    schemas: Arc<Schemas>,
}

/// Schemas that events have met, each made ready once for each version of its type. When there are too many any one goes:
/// it is made ready again when it is met again.
#[derive(Debug, Default)]
pub(crate) struct Schemas(Mutex<HashMap<Name, (Revision, Arc<Ready>)>>);

/// Whose type, and its name.
type Name = (Option<AccountId>, EventName);

/// `None`: this version cannot read it, though the registry took it; nothing is held against it then.
type Ready = Option<Schema>;

impl OwnTypes {
    pub(crate) const fn of(account: AccountId, view: View, schemas: Arc<Schemas>) -> Self {
        Self {
            account,
            view,
            schemas,
        }
    }

    /// Whether it is one of them.
    pub(crate) fn has(&self, name: &EventName) -> bool {
        self.view.own_type(self.account, name).is_some()
    }

    /// All, and those of the catalogue.
    pub(crate) fn known(&self) -> KnownTypes {
        self.view.known_types(self.account)
    }

    /// What in `data` is not as the schema of its type says; nothing of a type that is none of them or has no schema.
    pub(crate) fn violations(&self, name: &EventName, data: &[u8]) -> Vec<Finding> {
        let own = self.view.own_type(self.account, name);
        let schema = own.and_then(|own| self.schemas.ready(&own));
        let schema = schema.as_deref().and_then(Option::as_ref);
        schema.map_or_else(Vec::new, |schema| schema.violations(data))
    }
}

impl Schemas {
    fn ready(&self, own: &OwnType) -> Option<Arc<Ready>> {
        let text = own.schema.as_deref()?;
        let name = (own.account, own.name.clone());
        let known = self.lock(|all| all.get(&name).cloned());
        if let Some((_, ready)) = known.filter(|(revision, _)| *revision == own.revision) {
            return Some(ready);
        }
        // Not under the lock: it takes its time, and two that do it at once come to the same.
        let checked = Schema::check(text);
        if let Err(mistakes) = &checked {
            let mistake = mistakes.first().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(event_name = %own.name, mistake, "the schema of an event type cannot be read: data is not held against it");
        }
        let ready = Arc::new(checked.ok());
        self.lock(|all| {
            if all.len() >= MAX_READY
                && !all.contains_key(&name)
                && let Some(any) = all.keys().next().cloned()
            {
                all.remove(&any);
            }
            all.insert(name, (own.revision, Arc::clone(&ready)));
        });
        Some(ready)
    }

    fn lock<T>(&self, look: impl FnOnce(&mut HashMap<Name, (Revision, Arc<Ready>)>) -> T) -> T {
        // Nothing panics while it is held, so a poisoned map is still whole.
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use angarium_directory::Directory;
    use angarium_model::Lane;

    use super::*;

    /// Of an account that has these, and nothing else.
    pub(crate) fn own_types(own: Vec<OwnType>) -> OwnTypes {
        let directory = Directory::fixed([], []);
        own.into_iter().for_each(|own| directory.put_type(own));
        OwnTypes::of(account(), directory.view(), Arc::default())
    }

    /// A type of account 1234 with this schema.
    pub(crate) fn own_type(name: &str, schema: &str, revision: i64) -> OwnType {
        OwnType {
            account: Some(account()),
            name: EventName::new(name).unwrap(),
            lane: Lane::Realtime,
            description: String::new(),
            schema: Some(schema.to_owned()),
            example: None,
            version: 1,
            revision: Revision::from_offset(revision),
            created_at_ms: 0,
        }
    }

    fn account() -> AccountId {
        AccountId::new(1234).unwrap()
    }

    #[test]
    fn a_schema_is_made_ready_once_for_each_version_and_they_are_bounded() {
        let schemas = Schemas::default();
        let first = own_type("INVOICE_PAID", "{}", 1);
        let ready = schemas.ready(&first).unwrap();
        assert!(Arc::ptr_eq(&ready, &schemas.ready(&first).unwrap()));
        let second = own_type("INVOICE_PAID", r#"{"required": ["a"]}"#, 2);
        let changed = schemas.ready(&second).unwrap();
        assert_eq!((*changed).as_ref().unwrap().violations(b"{}").len(), 1);
        for number in 0..2 * MAX_READY {
            schemas.ready(&own_type(&format!("T{number}"), "{}", 1)).unwrap();
        }
        assert_eq!(schemas.lock(|all| all.len()), MAX_READY);
        assert!(schemas.ready(&own_type("BROKEN", "{", 1)).unwrap().is_none());
    }
}
