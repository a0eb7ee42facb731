//! Waiting for another process: nothing wakes us, so look again and again, up to a limit.

use std::time::{Duration, Instant};

use crate::Error;

/// Short beside a server's start (seconds), long beside the cost of a look.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until `probe` finds something, fails, or `limit` is over (then `None`).
#[expect(
    clippy::disallowed_methods,
    reason = "what is waited for happens in a process that is not ours; only real time passes there"
)]
pub(crate) fn until<T>(
    limit: Duration,
    mut probe: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    let start = Instant::now();
    loop {
        if let Some(found) = probe()? {
            return Ok(Some(found));
        }
        if start.elapsed() >= limit {
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}
