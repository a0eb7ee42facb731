//! Each rule is there because leaving it out breaks a promise: here each is left out, and the checker must say which.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test panics, and shows the counterexample when asked"
)]

use angarium_model_check::configurations::{
    CHANGED_TWICE, CRASH, CRASHES, CREATED, THREE_EVENTS, TWO_EVENTS, WIDENED, WIDENED_SHORT,
};
use angarium_model_check::property::{HEAD, NO_LOSS, NO_REPEAT, REPLAY, SLOT};
use angarium_model_check::{Bounds, Faults, Lane, Protocol, Rule, View, Zombie, counterexample};

const FREEZE: Faults = Faults {
    takeovers: 1,
    fanout_freezes: 1,
    ..NONE
};
const NONE: Faults = Faults::NONE;

fn bounds(views: &'static [View], faults: Faults) -> Bounds {
    Bounds::one_webhook(views, faults)
}

fn with_zombie(zombie: Zombie) -> Bounds {
    Bounds {
        zombie,
        ..bounds(TWO_EVENTS, CRASHES)
    }
}

fn with_replay() -> Bounds {
    bounds(
        TWO_EVENTS,
        Faults {
            replays: 1,
            ..CRASHES
        },
    )
}

fn with_old_view(bounds: Bounds) -> Bounds {
    Bounds {
        stale_owner: true,
        ..bounds
    }
}

fn batch() -> Bounds {
    Bounds {
        lane: Lane::Batch,
        ..bounds(THREE_EVENTS, CRASHES)
    }
}

fn unordered(bounds: Bounds) -> Bounds {
    Bounds {
        unordered: true,
        ..bounds
    }
}

/// An unordered webhook that falls behind also without a group that failed.
fn behind() -> Bounds {
    unordered(bounds(
        TWO_EVENTS,
        Faults {
            overflows: 1,
            ..CRASH
        },
    ))
}

/// Orders of a webhook that is or is not unordered, and fails once.
fn orders(replays: u8, cancels: u8) -> Bounds {
    bounds(
        TWO_EVENTS,
        Faults {
            replays,
            cancels,
            ..CRASH
        },
    )
}

/// Without the rule this property is broken. `--nocapture` shows how.
fn breaks(rule: Rule, bounds: Bounds, property: &'static str) {
    let trace = counterexample(Protocol::without(rule, bounds), property);
    let trace = trace.unwrap_or_else(|| panic!("without {rule:?} it still holds that {property}"));
    println!("without {rule:?} it does not hold that {property}:\n{trace}");
}

macro_rules! mistakes {
    ($($name:ident: $rule:ident, $bounds:expr => $property:expr;)*) => {$(
        #[test]
        fn $name() {
            breaks(Rule::$rule, $bounds, $property);
        }
    )*};
}

// P.
mistakes! {
    p_passes_what_is_undone: UndoneHoldsP, bounds(THREE_EVENTS, CRASH) => NO_LOSS;
    p_passes_before_the_cursor_is_acknowledged: UndurableHoldsP, bounds(THREE_EVENTS, CRASH) => NO_LOSS;
    p_passes_a_join: JoinHoldsP, bounds(THREE_EVENTS, CRASH) => NO_LOSS;
    p_is_the_committed_offset: PFromSet, with_zombie(Zombie::Posts) => NO_LOSS;
    p_has_a_filter_beside_it: NoFilterBesideP, bounds(WIDENED_SHORT, FREEZE) => NO_LOSS;
}

// Cursors, leaving and joining.
mistakes! {
    nothing_is_written_on_leaving_live: CursorOnLeaving, bounds(THREE_EVENTS, CRASH) => NO_LOSS;
    nothing_is_written_on_joining_live: CursorOnJoining, bounds(THREE_EVENTS, CRASH) => NO_REPEAT;
    a_tombstone_is_written_on_joining_live: NoTombstone, bounds(THREE_EVENTS, CRASHES) => NO_REPEAT;
    the_live_reader_skips_until_live: QueueFromJoin, bounds(THREE_EVENTS, CRASH) => NO_LOSS;
    the_queue_behind_a_join_is_sent_as_it_is:
        CompareAtLive, bounds(TWO_EVENTS, Faults { fanout_restarts: 1, ..CRASH }) => NO_REPEAT;
    a_cursor_knows_no_source_offset:
        SourceInCursor, bounds(TWO_EVENTS, Faults { fanout_restarts: 1, ..CRASH }) => NO_REPEAT;
    a_cursor_knows_no_head: HeadInCursor, bounds(THREE_EVENTS, CRASH) => HEAD;
}

// Epoch sets.
mistakes! {
    the_last_write_wins_whatever_its_epoch: EpochKeys, with_zombie(Zombie::Writes) => NO_LOSS;
    an_incomplete_set_counts: CompleteSetsOnly, with_zombie(Zombie::Posts) => NO_LOSS;
    cursors_are_not_carried_into_the_new_set: Reassert, bounds(THREE_EVENTS, CRASH) => NO_LOSS;
    live_cursors_are_left_out_of_the_new_set: KeepLiveCursor, bounds(THREE_EVENTS, CRASHES) => NO_REPEAT;
    an_owner_acts_before_its_set_is_complete: CompleteBeforeActing, bounds(THREE_EVENTS, CRASHES) => NO_REPEAT;
}

// Orders.
mistakes! {
    p_passes_an_order_that_waits: OrderHoldsP, orders(1, 0) => REPLAY;
    p_passes_an_order_before_its_cursor_is_acknowledged: GenerationHoldsP, orders(1, 0) => REPLAY;
    p_passes_where_a_live_webhook_was: ThenHoldsP, orders(1, 0) => NO_LOSS;
    an_order_is_taken_during_a_post: OrderWaitsForCalls, orders(1, 0) => REPLAY;
    an_order_is_taken_again: OrderTakenOnce, orders(1, 0) => NO_REPEAT;
    a_cursor_knows_no_replay: ReplayInCursor, orders(1, 0) => NO_REPEAT;
    a_replay_sends_what_was_never_sent: ReplayEndsAtThen, orders(1, 0) => NO_REPEAT;
    a_replay_begins_beyond_where_the_webhook_was: ReplayBeginsBelowItsEnd, orders(1, 0) => NO_LOSS;
    a_second_replay_forgets_where_the_webhook_was: SecondReplayKeepsThen, orders(2, 0) => NO_REPEAT;
    a_replay_forgets_what_was_seen: ThenKeepsItsMark,
        bounds(TWO_EVENTS, Faults { replays: 1, fanout_restarts: 1, ..NONE }) => NO_REPEAT;
    a_cancelled_replay_keeps_what_it_parked: CancelDropsParked, unordered(orders(1, 1)) => NO_REPEAT;
}

// Unordered webhooks.
mistakes! {
    what_is_done_behind_another_counts: DoneUpToTheFirst, unordered(bounds(THREE_EVENTS, CRASH)) => NO_LOSS;
    a_cursor_lists_nothing_parked: ParkedInCursor, unordered(bounds(TWO_EVENTS, CRASH)) => NO_LOSS;
    p_passes_what_is_parked: ParkedHoldsP, unordered(bounds(TWO_EVENTS, CRASH)) => NO_LOSS;
    a_webhook_joins_with_a_group_parked: NothingParkedAtJoin, unordered(bounds(TWO_EVENTS, CRASH)) => NO_LOSS;
    a_group_is_parked_behind_a_join:
        ParkingEndsJoin, behind() => NO_LOSS;
    what_is_parked_is_sent_with_the_stream: ParkedLeavesStream, unordered(bounds(TWO_EVENTS, CRASH)) => HEAD;
    what_was_parked_is_sent_with_the_stream: TakenLeavesStream, unordered(bounds(TWO_EVENTS, CRASH)) => HEAD;
    a_replay_leaves_out_what_was_parked_before: ParkedInGeneration, unordered(orders(1, 0)) => REPLAY;
    a_live_webhook_goes_by_its_mark_alone: NothingBelowResume, unordered(bounds(TWO_EVENTS, CRASHES)) => NO_REPEAT;
    redis_passes_what_no_cursor_lists: RedisOfTheSameParked, unordered(with_zombie(Zombie::Writes)) => NO_LOSS;
}

// Redis.
mistakes! {
    redis_is_told_before_the_cursor_is_acknowledged: CursorBeforeRedis, with_replay() => NO_REPEAT;
    redis_counts_for_another_generation: RedisGeneration, with_replay() => REPLAY;
    redis_counts_from_a_lower_epoch: RedisEpoch, with_zombie(Zombie::Writes) => HEAD;
    redis_tells_the_state: StateFromCursors, bounds(THREE_EVENTS, CRASHES) => NO_LOSS;
}

// Fanout and the registry's views.
mistakes! {
    fanout_leaves_a_gap:
        GaplessFanout, bounds(THREE_EVENTS, Faults { failed_reports: 1, ..NONE }) => NO_LOSS;
    fanout_changes_its_view_before_it_commits:
        ViewBehindCommit, bounds(WIDENED_SHORT, Faults { fanout_restarts: 1, ..NONE }) => NO_LOSS;
    a_frozen_fanout_changes_its_view: FrozenKeepsView, bounds(WIDENED_SHORT, FREEZE) => NO_LOSS;
    a_mark_counts_against_every_view: RevisionRule, bounds(WIDENED_SHORT, FREEZE) => NO_LOSS;
    a_mark_counts_but_for_the_last_change: AnyChangeSinceMark, bounds(CHANGED_TWICE, FREEZE) => NO_LOSS;
    a_mark_counts_against_an_unknown_view:
        UnknownViewIsChange, with_old_view(bounds(WIDENED_SHORT, FREEZE)) => NO_LOSS;
    a_mark_keeps_the_highest_view: MarkOfItsRecord, bounds(WIDENED, FREEZE) => NO_LOSS;
    an_unknown_webhook_is_dropped: CursorForUnknown, with_old_view(bounds(CREATED, NONE)) => NO_LOSS;
}

// The batch lane.
mistakes! {
    p_passes_the_first_event_of_a_batch_webhook: CursorAtFirstSight, batch() => NO_LOSS;
    a_slot_has_no_end_in_its_cursor: SlotEndInCursor, batch() => SLOT;
    a_slot_sends_before_its_end_is_acknowledged: SlotEndBeforePost, batch() => SLOT;
}
