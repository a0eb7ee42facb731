//! Why a request is refused, in words: what HTTP and gRPC have in common in their answers.

use std::time::Duration;

use angarium_model::{Access, AccountRef, Scope};
use angarium_runtime::Full;

use crate::accept::{Conflict, Failure};
use crate::metrics::Reason;
use crate::problem::{Field, Part, Problem, Problems, Shape};

/// When to try again: Kafka's client reconnects within a second, and a queue empties sooner.
pub(crate) const RETRY_UNAVAILABLE: Duration = Duration::from_secs(2);
pub(crate) const RETRY_BUSY: Duration = Duration::from_secs(1);

/// What to say of an event whose id was used for another.
pub(crate) fn conflict(index: usize, conflict: Conflict, shape: &Shape) -> Problem {
    let detail = match conflict {
        Conflict::Earlier => "was used for another event of this type: send the same event again, or give this one an id of its own".to_owned(),
        Conflict::Within(first) => {
            let first = shape.path(&Part::Event(first));
            format!("is also that of {first}, which is another event of this type: give each an id of its own")
        }
    };
    Problem::new(Part::Field(index, Field::EventId), detail)
}

/// What to say of events that are right but were not acknowledged.
pub(crate) const fn failure(failure: Failure) -> (&'static str, Reason, Option<Duration>) {
    match failure {
        Failure::QueueFull => (
            "too many events await Kafka: send the request again later; events that carry an eventId are not accepted twice",
            Reason::Overloaded,
            Some(RETRY_BUSY),
        ),
        Failure::NotAcknowledged => (
            "Kafka did not acknowledge the events in time, so they do not count as accepted: send the request again; \
             events that carry an eventId are not accepted twice",
            Reason::Unavailable,
            Some(RETRY_UNAVAILABLE),
        ),
        Failure::TooLarge => (
            "an event is larger than Kafka is configured to take: make it smaller, or ask the operator to raise max.message.bytes",
            Reason::TooLarge,
            None,
        ),
    }
}

/// What to say of an account that the registry does not have.
pub(crate) fn no_account(asked: &AccountRef) -> String {
    let flags = match asked {
        AccountRef::Id(id) => format!("--id {id}"),
        AccountRef::External(external_id) => format!("--id ID --external-id {external_id}"),
    };
    format!(
        "account {asked} does not exist: create it with `angarium account create {flags}`, or over gRPC with angarium.registry.v1.RegistryService/CreateAccount"
    )
}

/// What to say to one whose key does not allow to publish.
pub(crate) fn not_allowed(access: Access) -> String {
    format!(
        "{} does not allow {}, which this needs, but {}: use a key that does",
        access.actor,
        Scope::Publish,
        access.scopes
    )
}

/// What to say while the registry has not been heard of.
pub(crate) const NOT_READY: &str = "this ingest does not know the accounts as they are now: it has just started, or hears nothing of the registry; send \
     the request again";

/// What to say while the budget of requests is spent.
pub(crate) const TOO_MANY: &str = "too many requests are under way: send the request again later";

/// What to say to one who has no part of the budget of requests left.
pub(crate) fn too_many(full: Full) -> String {
    match full {
        Full::All(_) => TOO_MANY.to_owned(),
        Full::One(most) => format!(
            "{most} requests with keys of this account are under way, as many as may be: send the request again when one has ended, \
             or more events in one"
        ),
    }
}

/// What to say to one who has no part of the budget of open streams left.
pub(crate) fn too_many_streams(full: Full) -> String {
    match full {
        Full::All(_) => {
            "too many streams are open: open it again later, or use one for all accounts".to_owned()
        }
        Full::One(most) => format!(
            "{most} streams with keys of this account are open, as many as may be: use those, or end one"
        ),
    }
}

/// Why problems refuse a request.
pub(crate) const fn reason(problems: &Problems) -> Reason {
    match problems.kind {
        crate::problem::Kind::TooLarge => Reason::TooLarge,
        crate::problem::Kind::Fields | crate::problem::Kind::Syntax => Reason::Invalid,
    }
}
