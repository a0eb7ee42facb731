//! What happened in a world: it must happen somewhere, or the worlds prove less than they seem to.

/// Something that worlds are there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Fanout died, and what it had written came again.
    FanoutRepeats,
    /// A report of fanout's failed, and it went back to its commit under the view that it had.
    ReportFails,
    /// Fanout died with a part of an event handed over.
    FanoutDiesInEvent,
    /// A newer view waited for reports, or for its commit.
    NewViewWaits,
    /// A frozen fanout wrote behind its follower, under the same view.
    LateUnderSameView,
    /// A frozen fanout wrote behind its follower, under an older view.
    LateUnderOldView,
    /// A queue had no room for an event.
    QueueOverflows,
    /// The same, with a call under way.
    QueueOverflowsDuringCall,
    /// A queue behind a join had no room for an event.
    JoinOverflows,
    /// A webhook that keeps up held the partition's place for too long, and its queue was left to Kafka.
    PlaceIsLetGo,
    /// An event was received that is larger than any queue.
    LargerThanAnyQueue,
    /// A group was too large for its receiver, and came in halves.
    Halved,
    /// A call was not made, through no fault of the receiver.
    NotSent,
    /// One that was followed went on reading and writing, for it did not know.
    ZombieReads,
    /// A worker took the partition again while its own earlier owner still lived.
    Rejoins,
    /// An owner was followed with a call under way.
    FollowedInACall,
    /// An owner began with a clock that was off by 8 days.
    WrongClock,
    /// Someone set the clock of an owner by 8 days or more.
    ClockIsSet,
    /// The log's start passed what a webhook waited for.
    StartPassesResume,
    /// The log's start passed a group that had failed.
    StartPassesHead,
    /// The log lost its end.
    LogIsCut,
    /// The log was created anew.
    LogIsAnew,
    /// The same, or cut, under a worker that saw it.
    CutUnderWorker,
    /// An event was too old to be sent.
    Expires,
    /// An event was put aside.
    PutAside,
    /// A webhook was switched off, its receiver being gone or silent for as long as events are kept.
    SwitchedOff,
    /// The batch lane met a webhook that was created meanwhile.
    NewWebhookInBatch,
    /// An owner died while a webhook was in a slot.
    CrashInSlot,
    /// A slot began while nobody owned the partition.
    MissedSlot,
    /// A slot began while the back-off ran.
    SlotInBackOff,
    /// An owner died, or was frozen, before its set counted: the takeover that follows meets two unfinished sets.
    DiesInTakeover,
    /// An owner died with cursors or a place of its own written, or to be written, and not acknowledged.
    DiesBetweenWrites,
    /// What one that was followed still wrote to the cursors topic landed.
    LateCursorLands,
    /// A POST of one that was followed arrived.
    LatePostArrives,
    /// Redis refused the checkpoint of one that was followed.
    LateCheckpoint,
    /// An owner began with an old view of the registry.
    StaleView,
    /// Redis lost all that it had.
    RedisIsWiped,
    /// Redis lost what it was told last.
    RedisIsRolledBack,
    /// Redis could not be asked by a new owner.
    RedisIsAwayAtTakeover,
    /// A receiver had a group, and its answer was lost.
    AnswerIsLost,
    /// A replay was ordered for a webhook that keeps up.
    ReplayWhileLive,
    /// A replay was ordered for a webhook that is behind.
    ReplayWhileBehind,
    /// A replay was ordered for a webhook that fails.
    ReplayWhileFailing,
    /// A replay was ordered with a call under way.
    ReplayDuringCall,
    /// A replay that went on was cancelled.
    ReplayIsCancelled,
    /// A replay was ordered while one went on.
    SecondReplay,
    /// An owner died while a replay went on.
    DiesInReplay,
    /// An event was resent.
    IsResent,
    /// An unordered webhook was delivered 255 events while one POST of it hung.
    HangsAmong255,
    /// An owner learnt that a webhook was deleted that it had met.
    IsDeleted,
    /// The same, with a call under way.
    DeletedDuringCall,
    /// The same, of one that was behind.
    DeletedWhileBehind,
    /// An owner that had forgotten a deleted webhook learnt that it is back.
    IsBroughtBack,
}

impl What {
    /// All of it.
    pub const ALL: [Self; 53] = [
        Self::FanoutRepeats,
        Self::ReportFails,
        Self::FanoutDiesInEvent,
        Self::NewViewWaits,
        Self::LateUnderSameView,
        Self::LateUnderOldView,
        Self::QueueOverflows,
        Self::QueueOverflowsDuringCall,
        Self::JoinOverflows,
        Self::PlaceIsLetGo,
        Self::LargerThanAnyQueue,
        Self::Halved,
        Self::NotSent,
        Self::ZombieReads,
        Self::Rejoins,
        Self::FollowedInACall,
        Self::WrongClock,
        Self::ClockIsSet,
        Self::StartPassesResume,
        Self::StartPassesHead,
        Self::LogIsCut,
        Self::LogIsAnew,
        Self::CutUnderWorker,
        Self::Expires,
        Self::PutAside,
        Self::SwitchedOff,
        Self::NewWebhookInBatch,
        Self::CrashInSlot,
        Self::MissedSlot,
        Self::SlotInBackOff,
        Self::DiesInTakeover,
        Self::DiesBetweenWrites,
        Self::LateCursorLands,
        Self::LatePostArrives,
        Self::LateCheckpoint,
        Self::StaleView,
        Self::RedisIsWiped,
        Self::RedisIsRolledBack,
        Self::RedisIsAwayAtTakeover,
        Self::AnswerIsLost,
        Self::ReplayWhileLive,
        Self::ReplayWhileBehind,
        Self::ReplayWhileFailing,
        Self::ReplayDuringCall,
        Self::ReplayIsCancelled,
        Self::SecondReplay,
        Self::DiesInReplay,
        Self::IsResent,
        Self::HangsAmong255,
        Self::IsDeleted,
        Self::DeletedDuringCall,
        Self::DeletedWhileBehind,
        Self::IsBroughtBack,
    ];
}

/// How often each happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happened([u64; What::ALL.len()]);

impl Default for Happened {
    fn default() -> Self {
        Self([0; What::ALL.len()])
    }
}

impl Happened {
    pub(super) fn note(&mut self, what: What) {
        self.0[what as usize] += 1;
    }

    /// How often it happened.
    #[must_use]
    pub fn times(&self, what: What) -> u64 {
        self.0[what as usize]
    }

    /// Adds what happened in another world.
    pub fn add(&mut self, other: &Self) {
        for (times, more) in self.0.iter_mut().zip(other.0) {
            *times += more;
        }
    }
}
