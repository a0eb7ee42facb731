//! Why a request is not taken.

use angarium_model::{InvalidId, InvalidPosition};
use angarium_signing::VerifyError;
use thiserror::Error as ThisError;

/// A request that is not taken: by whose fault, and what to do.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// It is not proven to be from Angarium, unchanged and fresh.
    #[error("the request is not trusted")]
    Untrusted(#[source] VerifyError),
    /// A header that the kit reads is no text.
    #[error("header `{name}` is not printable ASCII: something between Angarium and here changed it")]
    Header {
        /// Which.
        name: &'static str,
    },
    /// The webhook sends another format.
    #[error(
        "the body is `{content_type}`, which this kit does not read: set the webhook's payload format to envelope or single"
    )]
    Format {
        /// Header `content-type`.
        content_type: String,
    },
    /// The body is signed and yet not what Angarium sends: its version is newer, or the secret signs for something else too.
    #[error("the body is signed, but is no group of events")]
    Body(#[source] serde_json::Error),
    /// The body carries no event.
    #[error(
        "the body has neither `events` nor an event's own fields: is the webhook's payload format envelope or single?"
    )]
    NoEvents,
    /// An id in the body is none.
    #[error("the body is signed, but an id in it is none")]
    Id(#[source] InvalidId),
    /// A header that tells where the group stands is none.
    #[error("header `{name}` tells no position")]
    Position {
        /// Which.
        name: &'static str,
        /// Why.
        #[source]
        source: InvalidPosition,
    },
    /// The header `angarium-lane` or `angarium-again` has a value that this version does not know.
    #[error("header `{name}` is {value:?}, which this version of the kit does not know: update it")]
    Unknown {
        /// Which.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// This machine's fault: nothing is wrong with the request, let it come again.
    #[error("the operating system gave no random bytes to tell this request from others")]
    NoRandomness(#[source] getrandom::Error),
}
