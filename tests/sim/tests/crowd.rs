//! A thousand webhooks catch up together: `cargo xtask sim --crowd` tells what it took.

use angarium_delivery::simulation;

/// What is read back for all of them together, in records for each that waited. Measured: 52. Each record is for a
/// hundred of them, so without sharing it would be 1,000 or more; one that held all queues in memory would read 1.
const READ_AGAIN: usize = 65;

/// Nothing is lost or out of order, queues stay within their bound (both are looked at in every step), and those that are
/// well wait for nobody: no longer than their own receiver takes, for the POST before and their own.
#[test]
fn d7_a_thousand_that_come_back_together_hold_up_nobody() {
    let recovery = simulation::recover(0).unwrap_or_else(|what| panic!("{what}"));
    assert!(
        recovery.backlog >= 2_000 && recovery.received > 400_000,
        "{recovery:?}"
    );
    assert!(recovery.longest_wait_ms <= 40, "{recovery:?}");
    assert!(
        recovery.read_back <= READ_AGAIN * recovery.backlog,
        "{recovery:?}"
    );
    // The first probes are due 75 s behind the outage.
    assert!(recovery.caught_up_ms < 120_000, "{recovery:?}");
}
