//! The one task that changes the state: it applies what the topic says, in order.

use std::sync::Arc;

use angarium_kafka::TailEvent;
use angarium_runtime::Shutdown;
use tokio::sync::{mpsc, oneshot};

use crate::Error;
use crate::store::Store;

/// Applies records until the shutdown begins; `caught_up` is told when the end that the topic had is reached.
///
/// # Errors
/// When a record cannot be read, or there will be no more though no shutdown has begun: without its reader the
/// registry would serve what is old and acknowledge nothing.
pub(crate) async fn run(
    mut events: mpsc::Receiver<TailEvent>,
    store: Arc<Store>,
    caught_up: oneshot::Sender<()>,
    shutdown: Shutdown,
) -> Result<(), Error> {
    let mut caught_up = Some(caught_up);
    while let Some(event) = events.recv().await {
        match event {
            TailEvent::Record(record) => store.apply(&record)?,
            TailEvent::CaughtUp => {
                store.loaded()?;
                // Nobody waits for it when the start was given up.
                caught_up.take().and_then(|waiting| waiting.send(()).ok());
            }
        }
    }
    if shutdown.has_begun() {
        Ok(())
    } else {
        Err(Error::ReaderEnded)
    }
}
