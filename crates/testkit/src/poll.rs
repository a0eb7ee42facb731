//! Waiting for another process, which sends no event: we look again and again, within a limit. Whoever has an event to
//! wait on waits on that.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until something is found, at least once and no longer than `limit`; `None` if nothing was.
///
/// # Errors
/// When `look` fails, at once.
pub async fn poll<T>(limit: Duration, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await? {
            return Ok(Some(found));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_what_is_found_with_a_failure_or_with_the_limit() {
        let mut looks = 0;
        let third = poll(LIMIT, async || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(third.await.unwrap(), Some(3));
        let failed = poll(LIMIT, async || -> Result<Option<()>> { bail!("ended") });
        assert!(failed.await.is_err());
        let begun = Instant::now();
        assert_eq!(poll(LIMIT, async || Ok(None::<()>)).await.unwrap(), None);
        assert_eq!(begun.elapsed(), LIMIT);
    }
}
