//! The protocol keeps its promises in every state within the bounds, and never gets stuck.

#![expect(
    clippy::print_stdout,
    reason = "a test shows how much it saw, and the counterexample"
)]

use angarium_model_check::configurations::{CRASH, QUICK, TWO_EVENTS, WIDENED_SHORT};
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

fn never_gets_stuck(bounds: Bounds) {
    let found = stuck(&Protocol::within(bounds));
    println!("{} states", found.states);
    assert_eq!(
        found.stuck, 0,
        "from here it is out of reach: {:?}",
        found.example
    );
}

#[test]
fn all_delivered_stays_reachable_whatever_fails() {
    let faults = Faults {
        lost_answers: 1,
        overflows: 1,
        redis_wipes: 1,
        ..CRASH
    };
    never_gets_stuck(Bounds::one_webhook(TWO_EVENTS, faults));
}

#[test]
fn all_delivered_stays_reachable_beside_a_zombie() {
    let zombie = Zombie::Posts;
    never_gets_stuck(Bounds {
        zombie,
        ..Bounds::one_webhook(TWO_EVENTS, CRASH)
    });
}

#[test]
fn all_delivered_stays_reachable_through_a_replay() {
    let faults = Faults {
        replays: 1,
        takeovers: 1,
        ..Faults::NONE
    };
    never_gets_stuck(Bounds::one_webhook(TWO_EVENTS, faults));
}

#[test]
fn all_delivered_stays_reachable_when_a_replay_is_cancelled() {
    let faults = Faults {
        replays: 1,
        cancels: 1,
        ..Faults::NONE
    };
    never_gets_stuck(Bounds::one_webhook(TWO_EVENTS, faults));
}

#[test]
fn all_delivered_stays_reachable_beside_what_is_parked() {
    let faults = Faults {
        lost_answers: 1,
        overflows: 1,
        ..CRASH
    };
    never_gets_stuck(Bounds {
        unordered: true,
        ..Bounds::one_webhook(TWO_EVENTS, faults)
    });
}

#[test]
fn all_delivered_stays_reachable_when_fanout_freezes() {
    never_gets_stuck(Bounds::one_webhook(
        WIDENED_SHORT,
        Faults {
            fanout_freezes: 1,
            takeovers: 1,
            ..Faults::NONE
        },
    ));
}

#[test]
fn all_delivered_stays_reachable_in_the_batch_lane() {
    let lane = Lane::Batch;
    never_gets_stuck(Bounds {
        lane,
        ..Bounds::one_webhook(TWO_EVENTS, CRASH)
    });
}

/// The filter that the first model had beside P does no harm while source offsets rise: it takes a frozen fanout
/// (`tests/mistakes.rs`).
#[test]
fn a_filter_beside_p_loses_nothing_while_no_fanout_freezes() {
    let faults = Faults {
        fanout_restarts: 1,
        ..CRASH
    };
    let bounds = Bounds::one_webhook(TWO_EVENTS, faults);
    let report = check(Protocol::without(Rule::NoFilterBesideP, bounds), 2);
    assert!(report.broken.is_empty(), "{:?}", report.broken);
}
