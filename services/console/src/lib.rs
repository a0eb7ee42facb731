//! The console: the pages in which an administrator sees and changes webhooks (W6), and sees what becomes of events.
//!
//! ```text
//!  browser ──HTTP──▶ web ──gRPC, with the caller's key──▶ registry, fanout (Explain), delivery (TestWebhook, ResendEvent)
//!             ▲       │
//!             │       └──▶ log ◀── journal, journal.ok (Kafka)
//!             └─ server-sent events: something new is in the log
//! ```
//!
//! Pages are made here, as HTML that needs no script; one small script adds the reader's time zone and keeps pages current
//! ([ADR 21](../../../docs/adr/0021-pages-without-a-build-step.md)). `session` knows who is signed in; every page asks the
//! registry with the caller's key before it shows anything, so that what a caller may see is decided in one place. `log`
//! answers what became of events. One console serves an installation: its log is on its own disk, and its sessions are in its
//! memory.
//!
//! - `web` routes, and has a file a page; `session` and `backend` are what pages stand on.
//! - `words` says what the journal means in plain words; `spark` draws.

mod backend;
mod config;
mod error;
mod log;
mod service;
mod session;
mod spark;
mod web;
mod words;

pub use config::Config;
pub use error::Error;
pub use service::Service;
