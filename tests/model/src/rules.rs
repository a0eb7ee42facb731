//! The rules of the protocol, one by one, so that a test can leave one out.

/// A rule of DESIGN §3 or §7, or of ADR 5 or 7. Leaving out any of them must be found by the checker; `tests/mistakes.rs` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// P does not pass a record that a live webhook has not done.
    UndoneHoldsP,
    /// P does not pass what a webhook left when it fell behind, before its cursor is acknowledged.
    UndurableHoldsP,
    /// From the instant of `join := R` until the live cursor is acknowledged P stays at or below the join.
    JoinHoldsP,
    /// Leaving Live writes the webhook's cursor.
    CursorOnLeaving,
    /// Joining Live writes the webhook's cursor.
    CursorOnJoining,
    /// Joining Live never writes a tombstone.
    NoTombstone,
    /// From the instant of the join the live reader queues the webhook's events.
    QueueFromJoin,
    /// What was queued behind a join is compared with the mark again when the webhook becomes Live: the mark at the
    /// time of queueing was older.
    CompareAtLive,
    /// Redis is told of a webhook only what stands on an acknowledged cursor.
    CursorBeforeRedis,
    /// A cursor says up to which source offset everything is done, and readers skip by it.
    SourceInCursor,
    /// A cursor names the failed group, so that it is retried whole.
    HeadInCursor,
    /// Cursors are kept by (webhook, epoch), P by epoch.
    EpochKeys,
    /// A set counts when it has its P record, and only the highest of those counts.
    CompleteSetsOnly,
    /// P comes from the set; Kafka's committed offset is not trusted.
    PFromSet,
    /// A new owner writes the cursors that are still needed under its own epoch before its P record.
    Reassert,
    /// A live cursor is left out of the new set only with generation 0 and when it lies at or below P.
    KeepLiveCursor,
    /// A new owner reads, sends and writes nothing before its own set is complete.
    CompleteBeforeActing,
    /// An entry in Redis counts only for its own generation.
    RedisGeneration,
    /// An entry in Redis counts only when its epoch is not lower than the cursor's.
    RedisEpoch,
    /// State and head come from `cursors`, never from Redis.
    StateFromCursors,
    /// When the report of an event fails, no later one lands.
    GaplessFanout,
    /// Fanout goes over to a new view only behind an accepted commit of all that it decided under the old one.
    ViewBehindCommit,
    /// So a fanout that another has followed, whose commits are refused, keeps its view.
    FrozenKeepsView,
    /// A mark does not count against a record made under a later view if the webhook was changed in between.
    RevisionRule,
    /// "In between" is any change behind the mark's view, not only one that the record's view shows as the last.
    AnyChangeSinceMark,
    /// A record made under a view that this owner does not know yet counts as changed.
    UnknownViewIsChange,
    /// A mark has the revision of the record that made it, also when an earlier mark had a higher one.
    MarkOfItsRecord,
    /// Nothing beside P tells which source offsets are done: only marks, per webhook.
    NoFilterBesideP,
    /// A webhook that the owner's view does not know gets a cursor, never a drop.
    CursorForUnknown,
    /// In the batch lane a webhook's first event gives it a cursor before P passes.
    CursorAtFirstSight,
    /// A slot's end is in the cursor.
    SlotEndInCursor,
    /// A slot's end is acknowledged before its first POST.
    SlotEndBeforePost,
    /// An order that was met holds P until it is taken.
    OrderHoldsP,
    /// P does not pass an order before a cursor of its generation is acknowledged.
    GenerationHoldsP,
    /// Nor does it pass the place where a live webhook was when the order came.
    ThenHoldsP,
    /// An order is taken when no POST of the webhook is under way.
    OrderWaitsForCalls,
    /// An order that a cursor says was taken is passed.
    OrderTakenOnce,
    /// A cursor says up to where a replay goes, and where the webhook goes on then.
    ReplayInCursor,
    /// A replay ends at the latest where the webhook was: what lies above has never been sent.
    ReplayEndsAtThen,
    /// And it begins at the latest where it ends.
    ReplayBeginsBelowItsEnd,
    /// Another replay keeps where the webhook was before the first.
    SecondReplayKeepsThen,
    /// Behind a replay the webhook goes on under the mark that it had.
    ThenKeepsItsMark,
    /// A cancellation drops what its replay has parked.
    CancelDropsParked,
    /// What is done counts up to the first group that is not.
    DoneUpToTheFirst,
    /// A cursor lists what is parked.
    ParkedInCursor,
    /// P does not pass what is parked before a cursor lists it.
    ParkedHoldsP,
    /// A webhook joins the live stream with nothing parked.
    NothingParkedAtJoin,
    /// A group that is parked ends a join that is under way.
    ParkingEndsJoin,
    /// What is parked is not sent with the stream too.
    ParkedLeavesStream,
    /// Only what is parked in the same generation: another one is asked for by an order.
    ParkedInGeneration,
    /// What was parked, and was taken before the stream has come there, is not sent with it either.
    TakenLeavesStream,
    /// A live webhook takes nothing below its place: its mark may be that of an event before one that was parked.
    NothingBelowResume,
    /// What Redis says counts only beside the same list of parked groups, of which Redis itself knows nothing.
    RedisOfTheSameParked,
}
