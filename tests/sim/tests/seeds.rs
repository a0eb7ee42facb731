//! Many seeds: what fails here is replayed by `cargo xtask sim --from SEED --tell`.

/// Crashes between every two writes, owners that are frozen and thaw, lost answers, a Redis that is wiped, rolled back
/// or away, a fanout that repeats, webhooks that are switched off and on: D6 (at least once) and D7 (order) hold.
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
}
