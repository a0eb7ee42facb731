//! Each rule is there because leaving it out breaks a promise.
use angarium_model_check::{Bounds, Faults, Lane, Protocol, Rule, Zombie, configurations::*, counterexample, property};

fn one(views: &'static [angarium_model_check::View], faults: Faults) -> Bounds {
    Bounds { faults, ..Bounds::one_webhook(views) }
}
fn f() -> Faults { Faults { takeovers: 2, refusals: 1, ..Faults::default() } }

#[test]
fn explore() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let props = [property::NO_LOSS, property::ORDER, property::NO_REPEAT, property::HEAD, property::SLOT];
    let batch = Bounds { lane: Lane::Batch, ..one(THREE_EVENTS, f()) };
    let zombie = Bounds { zombie: Zombie::Posts, ..one(TWO_EVENTS, f()) };
    let zombie3 = Bounds { zombie: Zombie::Posts, ..one(THREE_EVENTS, f()) };
    let crash = one(THREE_EVENTS, Faults { takeovers: 1, ..f() });
    let crash2 = one(THREE_EVENTS, f());
    let restart = one(TWO_EVENTS, Faults { fanout_restarts: 1, ..f() });
    let frozen = Faults { fanout_freezes: 1, takeovers: 1, ..Faults::default() };
    let cases: Vec<(Rule, Bounds)> = vec![
        (Rule::UndoneHoldsP, crash), (Rule::UndurableHoldsP, crash), (Rule::JoinHoldsP, crash), (Rule::CursorOnLeaving, crash), (Rule::CursorOnJoining, crash),
        (Rule::NoTombstone, one(TWO_EVENTS, Faults { replays: 1, ..f() })), (Rule::NoTombstone, crash2),
        (Rule::QueueFromJoin, crash), (Rule::CompareAtLive, restart), (Rule::SourceInCursor, restart), (Rule::HeadInCursor, crash),
        (Rule::CursorBeforeRedis, one(TWO_EVENTS, Faults { replays: 1, ..f() })),
        (Rule::EpochKeys, zombie), (Rule::CompleteSetsOnly, zombie), (Rule::CompleteSetsOnly, zombie3), (Rule::PFromSet, zombie), (Rule::Reassert, crash),
        (Rule::KeepLiveCursor, crash2), (Rule::KeepLiveCursor, one(TWO_EVENTS, Faults { replays: 1, ..f() })), (Rule::CompleteBeforeActing, crash2), (Rule::CompleteBeforeActing, zombie),
        (Rule::RedisGeneration, one(TWO_EVENTS, Faults { replays: 1, ..f() })), (Rule::RedisEpoch, zombie), (Rule::RedisEpoch, Bounds{ faults: Faults { redis_wipes: 1, ..f() }, ..zombie}), 
        (Rule::StateFromCursors, one(THREE_EVENTS, f())), (Rule::GaplessFanout, one(THREE_EVENTS, Faults { failed_reports: 1, ..Faults::default() })),
        (Rule::ViewBehindCommit, one(WIDENED_SHORT, Faults { fanout_restarts: 1, ..Faults::default() })),
        (Rule::RevisionRule, one(WIDENED_SHORT, frozen)), (Rule::AnyChangeSinceMark, one(CHANGED_TWICE, frozen)),
        (Rule::UnknownViewIsChange, Bounds { stale_owner: true, ..one(WIDENED_SHORT, frozen) }),
        (Rule::MarkOfItsRecord, one(WIDENED, frozen)), (Rule::NoFilterBesideP, one(WIDENED_SHORT, frozen)),
        (Rule::CursorForUnknown, Bounds { stale_owner: true, webhooks: 2, ..one(CREATED, Faults::default()) }),
        (Rule::CursorAtFirstSight, batch), (Rule::SlotEndInCursor, batch), (Rule::SlotEndBeforePost, batch),
    ];
    for (rule, bounds) in cases {
        if !format!("{rule:?}").contains(&only) { continue }
        let t = std::time::Instant::now();
        let mut hits = vec![];
        for p in props { if let Some(t) = counterexample(Protocol::without(rule, bounds), p) { hits.push((p, t)); } if t.elapsed().as_secs() > 15 { break; } }
        println!("{rule:?} {:.1}s {:?}", t.elapsed().as_secs_f32(), hits.iter().map(|h| h.0).collect::<Vec<_>>());
        if !only.is_empty() || hits.is_empty() { for h in hits { println!("{}\n{}", h.0, h.1); } }
    }
}
