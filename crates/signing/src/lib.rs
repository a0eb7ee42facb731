#![doc = include_str!("../README.md")]

mod keys;
mod secret;
mod signer;
mod verifier;

pub use keys::{KeysError, MAX_SECRETS};
pub use secret::{MAX_SECRET_BYTES, MIN_SECRET_BYTES, Secret, SecretError};
pub use signer::Signer;
pub use verifier::{DEFAULT_TOLERANCE, MAX_SIGNATURES, Verifier, VerifyError};

/// Header with the id of the group of events, the same in every attempt.
pub const WEBHOOK_ID_HEADER: &str = "webhook-id";

/// Header with the time of signing, in whole seconds since 1970 UTC.
pub const WEBHOOK_TIMESTAMP_HEADER: &str = "webhook-timestamp";

/// Header with the signatures, separated by one space.
pub const WEBHOOK_SIGNATURE_HEADER: &str = "webhook-signature";

/// What starts a signature of the symmetric scheme, the only one that we make and accept.
const VERSION_PREFIX: &str = "v1,";
