//! The notifier tells people by mail what a webhook of theirs needs them for (D3, D4, D5).
//!
//! Delivery decides when there is something to tell, and writes it into the notices topic. Here a partition of that topic has
//! one owner, which takes its notices in order:
//!
//! 1. `decide` says whether a notice is worth a mail: not each failure, but one that lasts; of losses at most one mail an hour.
//! 2. `subject` asks the registry whom it concerns: the webhook's name and contacts, as they are now.
//! 3. `letter` says it, in English or German (`words`), as text and as HTML: what happened, since when, what the receiver answered last,
//!    what to do.
//! 4. `post` hands it to a mail server. While that is away, or turns us away, the notice waits, and all behind it; what the server refuses
//!    for good about one recipient is logged and passed over.
//! 5. The place is committed behind that. A notifier that is killed in between sends that one mail again; its `Message-ID` is the
//!    same, made of the notice's place.

mod config;
mod decide;
mod error;
mod letter;
mod metrics;
mod post;
mod service;
mod subject;
mod words;
mod worker;

pub use config::{Config, Language};
pub use error::Error;
pub use lettre::Address;
pub use lettre::message::Mailbox;
pub use metrics::METRICS;
pub use post::{InvalidServer, MailServer, Shown};
pub use service::{Handle, Service};
