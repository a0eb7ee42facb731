//! What became of events and webhooks: the journal, kept on local disk so that a page can ask it.
//!
//! Kafka holds the journal in the order in which it was written; people ask by webhook, by event and by time. So
//! [`feed`] follows both journal topics into [`store`], one file, which also holds how far each partition was read: a
//! record and its place become durable together, and a restart goes on where it stopped. Whatever is lost with the file
//! is read again from Kafka ([ADR 20](../../../docs/adr/0020-the-log-of-the-console-is-on-its-disk.md)).
//!
//! - `keys` says under what a record is found; `rates` counts attempts and times a minute; `read` answers questions.
//! - [`Log`] is the handle that pages have.

mod feed;
mod keys;
mod rates;
mod read;
mod store;

use std::sync::Arc;

use tokio::sync::{broadcast, watch};

pub(crate) use self::feed::Touched;
pub(crate) use self::rates::{Hour, Minute};
pub(crate) use self::read::{Entry, Standing};
pub(crate) use self::store::{Bounds, Store, Trouble};

/// Changes that a live page may be behind by: one that is further behind is told to look anew, so that none is waited for.
const CHANGES: usize = 256;

/// How the log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// What Kafka held at the start is still being read: older entries may be missing.
    Reading,
    /// Up to date.
    Current,
    /// The disk does not take it; it is tried again.
    Stuck,
}

/// Answers questions; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    store: Arc<Store>,
    state: watch::Sender<State>,
    changes: broadcast::Sender<Touched>,
}

impl Log {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            state: watch::Sender::new(State::Reading),
            changes: broadcast::Sender::new(CHANGES),
        }
    }

    /// How it stands now.
    pub(crate) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// What is written from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Touched> {
        self.changes.subscribe()
    }

    /// Asks the file, on a thread that may wait for the disk.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let store = Arc::clone(&self.store);
        let asked = tokio::task::spawn_blocking(move || question(&store));
        asked.await.map_err(|_ended| Trouble::Ended)?
    }
}
