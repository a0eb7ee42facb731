//! A store that is away costs a little time now and then, one line in the log, and nothing else.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a store that failed is left alone: requests would else wait for it one by one.
const LEFT_ALONE: Duration = Duration::from_secs(1);

/// Whether the store answers.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// When to try again, during an outage.
    until: Mutex<Option<Instant>>,
}

/// It did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
struct Slow(Duration);

impl Outage {
    /// The answer of the store; `None` if it is away.
    pub(super) async fn guard<T, E: Error + 'static>(
        &self,
        timeout: Duration,
        asked: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        if self.is_left_alone() {
            return None;
        }
        match tokio::time::timeout(timeout, asked).await {
            Ok(Ok(answer)) => {
                self.ended();
                Some(answer)
            }
            Ok(Err(error)) => self.failed(&error),
            Err(_elapsed) => self.failed(&Slow(timeout)),
        }
    }

    fn is_left_alone(&self) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn failed<T>(&self, error: &(dyn Error + 'static)) -> Option<T> {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.replace(Instant::now() + LEFT_ALONE).is_none() {
            tracing::warn!(
                error = angarium_runtime::chain(error),
                "Redis does not answer: events are accepted all the same, but repeated ones are not recognised"
            );
        }
        None
    }

    fn ended(&self) {
        let was_away = self
            .until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .is_some();
        if was_away {
            tracing::info!("Redis answers again: repeated events are recognised");
        }
    }
}
