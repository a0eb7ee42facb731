//! The words of the house: ids, events, webhooks, lanes and the event catalogue.
//!
//! Everything here is plain data, checked when it is made and trusted afterwards: no I/O, no async, no clock.
//! Wire types live in `angarium-proto` and become these at the edge.

mod access;
mod catalogue;
mod event;
mod external;
pub mod headers;
mod ids;
mod lane;
pub mod samples;
mod webhook;

pub use access::{Access, Actor, ApiKey, Grant, Previous, Role, Scope, Scopes, SecretHash, UnknownName};
pub use catalogue::{Catalogue, EventType, KnownTypes, OwnType};
pub use event::{AcceptedAt, Event, InvalidPosition, JsonObject, NotAnObject, Position, Timestamp};
pub use external::{AccountRef, ExternalId};
pub use ids::{AccountId, EventId, EventInfo, EventName, InvalidId, KeyId, WebhookId};
pub use lane::Lane;
pub use webhook::{
    Account, Authentication, Bounded, DeadLetter, DetailTooLong, Disabled, DisabledReason, FilterText,
    Fingerprint, Header, InvalidWebhook, Limits, MaxAttempts, MaxGroupBytes, MaxGroupEvents, MaxInFlight,
    MaxRequestsPerSecond, MaxWebhooks, Ordering, OutOfBounds, PayloadFormat, PreviousSecret, Reaction,
    Revision, SecretText, Signing, Strictness, TargetUrl, TimetableSpec, TypePattern, Webhook,
};
