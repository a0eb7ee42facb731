//! The wire types, generated from `proto/`, and their conversion to the model: the only home of both.
//!
//! What comes from outside passes [`convert`], which checks every field and reports every mistake at once. What
//! comes from a record of ours passes the same way, so that a record of another version is an error, not a guess.

pub mod convert;
mod invalid;

pub use invalid::{FieldError, InvalidWire, invalid_argument, under, with_violations};

/// The description of all services, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/angarium.bin"));

/// Every method by its path, in order, and what a caller of it needs.
pub const METHOD_SCOPES: &[(&str, angarium_model::Scope)] = include!(concat!(env!("OUT_DIR"), "/scopes.rs"));

macro_rules! generated {
    ($(#[$doc:meta])* $module:ident, $package:literal) => {
        $(#[$doc])*
        pub mod $module {
            /// Version 1.
            #[allow(
                clippy::allow_attributes_without_reason,
                clippy::large_enum_variant,
                clippy::missing_docs_in_private_items,
                clippy::needless_pass_by_value,
                clippy::too_many_lines,
                reason = "generated code; its comments are those of the .proto files"
            )]
            pub mod v1 {
                tonic::include_proto!($package);
            }
        }
    };
}

/// Everything in package `angarium`.
mod angarium {
    generated! {
        /// Who may do what.
        access, "angarium.access.v1"
    }
    generated! {
        /// Who changed what.
        audit, "angarium.audit.v1"
    }
    generated! {
        /// Events and how they are published.
        event, "angarium.event.v1"
    }
    generated! {
        /// Why an event reaches a webhook.
        explain, "angarium.explain.v1"
    }
    generated! {
        /// Records of the deliveries topics.
        delivery, "angarium.delivery.v1"
    }
    generated! {
        /// Records of the journal.
        journal, "angarium.journal.v1"
    }
    generated! {
        /// What someone is to be told of a webhook.
        notice, "angarium.notice.v1"
    }
    generated! {
        /// Accounts and webhooks.
        registry, "angarium.registry.v1"
    }
}

pub use angarium::{access, audit, delivery, event, explain, journal, notice, registry};
