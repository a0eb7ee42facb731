//! The protocol keeps its promises in every state within the bounds, and never gets stuck.

use angarium_model_check::configurations::{QUICK, TWO_EVENTS};
use angarium_model_check::{Bounds, Faults, Lane, Protocol, Rule, Zombie, check, stuck};

#[test]
fn every_promise_holds_in_every_state() {
    for configuration in QUICK {
        let report = check(Protocol::within(configuration.bounds), 2);
        println!("{:<50} {:>8} states", configuration.name, report.states);
        for (property, trace) in &report.broken {
            println!("{}: {property} is broken\n{trace}", configuration.name);
        }
        assert!(
            report.broken.is_empty(),
            "{}: see the trace above",
            configuration.name
        );
    }
}

#[test]
fn all_delivered_stays_reachable() {
    let faults = Faults {
        takeovers: 1,
        refusals: 1,
        lost_answers: 1,
        overflows: 1,
        ..Faults::default()
    };
    let realtime = Bounds::one_webhook(TWO_EVENTS, faults);
    let replayed = Faults {
        replays: 1,
        overflows: 0,
        ..faults
    };
    let restarted = Faults {
        fanout_restarts: 1,
        lost_answers: 0,
        ..faults
    };
    for (what, bounds) in [
        ("real-time", realtime),
        (
            "a zombie posts",
            Bounds {
                zombie: Zombie::Posts,
                ..realtime
            },
        ),
        (
            "a replay",
            Bounds {
                faults: replayed,
                ..realtime
            },
        ),
        (
            "fanout restarts",
            Bounds {
                faults: restarted,
                ..realtime
            },
        ),
        (
            "batch",
            Bounds {
                lane: Lane::Batch,
                ..realtime
            },
        ),
    ] {
        let found = stuck(&Protocol::within(bounds));
        println!("{what:<50} {:>8} states", found.states);
        assert_eq!(
            found.stuck, 0,
            "{what}: from here it is out of reach: {:?}",
            found.example
        );
    }
}

/// The filter that the first model had beside P does no harm while source offsets rise: it takes a frozen fanout
/// (`tests/mistakes.rs`).
#[test]
fn a_filter_beside_p_loses_nothing_while_no_fanout_freezes() {
    let faults = Faults {
        takeovers: 1,
        refusals: 1,
        fanout_restarts: 1,
        ..Faults::default()
    };
    let bounds = Bounds::one_webhook(TWO_EVENTS, faults);
    let report = check(Protocol::without(Rule::NoFilterBesideP, bounds), 2);
    assert!(report.broken.is_empty(), "{:?}", report.broken);
}
