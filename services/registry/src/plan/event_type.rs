//! Event types that the catalogue lacks.

use std::sync::Arc;

use angarium_catalogue::incompatibilities;
use angarium_model::{Access, EventName, KnownTypes, OwnType, Scope, Scopes, TypePattern, Webhook};
use angarium_proto::{FieldError, InvalidWire};

use super::{Expected, Plan};
use crate::home::Home;
use crate::patch::EventTypePatch;
use crate::record::Key;
use crate::refusal::Refusal;
use crate::request::check_example;
use crate::state::State;

/// The most event types of an account, and of the platform: each is looked through with every write of a webhook.
pub(crate) const MAX_TYPES: usize = 200;

/// A write of an event type, whose fields have been checked.
#[derive(Debug)]
pub(crate) enum EventTypeWrite {
    Create(OwnType),
    Update {
        home: Home,
        name: EventName,
        expected: Expected,
        patch: EventTypePatch,
        /// Whether a schema may refuse what the one before it took.
        allow_incompatible: bool,
    },
    Delete {
        home: Home,
        name: EventName,
        expected: Expected,
    },
}

impl EventTypeWrite {
    pub(super) fn home(&self) -> Home {
        match self {
            Self::Create(own) => Home::of(own.account),
            Self::Update { home, .. } | Self::Delete { home, .. } => *home,
        }
    }

    pub(super) const fn method(&self) -> &'static str {
        match self {
            Self::Create(_) => "CreateEventType",
            Self::Update { .. } => "UpdateEventType",
            Self::Delete { .. } => "DeleteEventType",
        }
    }

    /// What is known of another partition is as old as what was read of it: an account may create a type in the moment in
    /// which the platform creates one of the same name (then the account's counts), and a webhook may come to need a type
    /// of the platform in the moment in which that is deleted (then it gets nothing by it).
    pub(super) fn plan(self, state: &State, by: Access) -> Result<Plan, Refusal> {
        may_write(self.home(), by)?;
        match self {
            Self::Create(own) => create(state, own),
            Self::Update {
                home,
                name,
                expected,
                patch,
                allow_incompatible,
            } => {
                let current = current(state, home, name, expected)?;
                let own = patch.apply(OwnType::clone(current));
                if own.schema != current.schema && !allow_incompatible {
                    check_compatible(current, &own)?;
                }
                check_example(&own)?;
                Ok(Plan::event_type(own))
            }
            Self::Delete { home, name, expected } => {
                let current = current(state, home, name, expected)?;
                let name = current.name.clone();
                match state
                    .webhooks_under(home)
                    .find(|webhook| needs(state, webhook, current))
                {
                    Some(webhook) => Err(Refusal::EventTypeInUse {
                        name,
                        webhook: webhook.id,
                    }),
                    None => Ok(Plan::removal(Key::EventType(home, name), Vec::new())),
                }
            }
        }
    }
}

/// What all accounts have is the operator's.
fn may_write(home: Home, by: Access) -> Result<(), Refusal> {
    let needed: Scopes = [Scope::Operate].into_iter().collect();
    match home {
        Home::Platform if !by.scopes.contains(Scope::Operate) => Err(Refusal::BeyondCaller(needed)),
        Home::Platform | Home::Account(_) => Ok(()),
    }
}

fn create(state: &State, own: OwnType) -> Result<Plan, Refusal> {
    let home = Home::of(own.account);
    if let Some(account) = own.account {
        state.account(account).ok_or(Refusal::NoAccount(account))?;
    }
    if let Some(known) = state.known_types(own.account).get_own(own.name.as_str()) {
        let home = Home::of(known.account);
        return Err(Refusal::EventTypeExists { home, name: own.name });
    }
    if state.types_of(home).count() >= MAX_TYPES {
        return Err(Refusal::TooManyEventTypes(home));
    }
    Ok(Plan::event_type(own))
}

fn current(state: &State, home: Home, name: EventName, expected: Expected) -> Result<&Arc<OwnType>, Refusal> {
    let Some(current) = state.own_type(home, &name) else {
        return Err(Refusal::NoEventType { home, name });
    };
    expected.check(Key::EventType(home, name), current.revision)?;
    Ok(current)
}

/// Whether a webhook would name what there is not. All webhooks there are may be asked: only of one that may need the type
/// it is looked up which others there are.
fn needs(state: &State, webhook: &Webhook, own: &OwnType) -> bool {
    let mut patterns = webhook.event_types.iter().filter(|pattern| match pattern {
        TypePattern::Exact(_) | TypePattern::Prefix(_) => pattern.matches(&own.name),
        TypePattern::Any => false,
    });
    let Some(first) = patterns.next() else {
        return false;
    };
    let types = state.known_types(Some(webhook.account));
    let others = types
        .own()
        .filter(|known| (known.account, &known.name) != (own.account, &own.name));
    let rest = KnownTypes::with(others.cloned().collect());
    std::iter::once(first)
        .chain(patterns)
        .any(|pattern| match pattern {
            TypePattern::Exact(name) => !rest.has(name.as_str()),
            TypePattern::Prefix(prefix) => !rest.has_prefix(prefix),
            TypePattern::Any => false,
        })
}

fn check_compatible(old: &OwnType, new: &OwnType) -> Result<(), Refusal> {
    let found = incompatibilities(old.schema.as_deref(), new.schema.as_deref());
    if found.is_empty() {
        return Ok(());
    }
    let errors = found.iter().map(|found| {
        let message =
            format!("{found}; producers may send it: allow_incompatible takes the schema all the same");
        FieldError::new("event_type.schema", message)
    });
    Err(InvalidWire(errors.collect()).into())
}
