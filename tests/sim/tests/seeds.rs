//! Many seeds: what fails here is replayed by `cargo xtask sim --from SEED --tell`.

use angarium_delivery::simulation::What;

/// What worlds are there for happens in them at least so often, or they prove little.
const AT_LEAST: u64 = 20;

/// Crashes between every two writes, owners that are frozen and thaw, lost answers, a Redis that is wiped, rolled back
/// or away, a fanout that repeats and writes late, webhooks that are switched off and on, queues that overflow: D6 (at
/// least once) and D7 (order) hold.
#[test]
fn d6_d7_hold_in_every_world() {
    let report = angarium_sim::run(0..8_000);
    if let Some(breach) = report.breach {
        panic!("{breach}\nagain: cargo xtask sim --from {} --tell", breach.seed);
    }
    assert_eq!(report.runs, 8_000);
    let total = report.total;
    assert!(
        total.takeovers > 3 * 8_000 && total.calls > 30 * 8_000,
        "too little happens in them: {total:?}"
    );
    for what in What::ALL {
        let times = total.happened.times(what);
        assert!(times >= AT_LEAST, "{what:?} happened {times} times only");
    }
}
