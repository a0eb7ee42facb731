//! The gRPC server and client of the house.
//!
//! Every service of a [`Server`] refuses calls without a key that allows them, but for `grpc.health.v1.Health`,
//! which probes call. Servers close in bounded time: a stream that never ends by itself, such as a Watch, is
//! cut when the drain is over.

mod asked_again;
mod client;
mod guarded;
mod server;
mod severable;

pub use client::{
    Address, Client, InvalidEndpoint, NotConnected, Place, Shared, WithKey, check_endpoint, client,
};
pub use guarded::{access, denied};
pub use server::{Error, Server};
use tonic::{Code, ConnectError, Status};

/// The largest message that clients, the registry and reflection decode. Ingest has a setting of its own.
///
/// tonic keeps this limit in each generated type, so each use sets it: `…::new(…).max_decoding_message_size(…)`.
pub const MAX_MESSAGE_BYTES: usize = 6 * 1024 * 1024;

/// How often an idle connection is asked whether it is alive, and how long the answer may take: a peer that
/// vanished is noticed within 30 s.
const KEEPALIVE_EVERY: std::time::Duration = std::time::Duration::from_secs(20);
const KEEPALIVE_ANSWER: std::time::Duration = std::time::Duration::from_secs(10);

/// The reason, in ErrorInfo, of what may have been done: nobody knows.
pub const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";

/// Whether a call never left this process: there was no connection.
#[must_use]
pub fn was_not_sent(status: &Status) -> bool {
    let first = std::error::Error::source(status);
    let mut causes = std::iter::successors(first, |cause| (*cause).source());
    causes.any(|cause| cause.is::<ConnectError>())
}

/// A code as the gRPC specification writes it, and the semantic conventions of OpenTelemetry.
#[must_use]
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
