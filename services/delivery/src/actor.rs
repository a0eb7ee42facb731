//! The partition actor: one task that owns all state of a partition's webhooks; no locks.
//!
//! It reads the live stream, reads back what webhooks that fell behind wait for, makes the calls, writes cursors and
//! remembers what is done. What to do is [`Partition`]'s decision; this is its hands. Being dropped costs duplicates,
//! never an event: the next owner starts from what is on record.

mod attempt;
mod beginning;
mod budget;
mod calls;
mod journal;
mod losses;
mod memory;
mod reading;
mod sources;
mod takeover;
mod telling;
mod told;
mod writing;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_kafka::{LogReader, Owned, Record};
use angarium_model::Lane;
use angarium_policy::{Answer as Answered, classify};
use angarium_runtime::{Clock, millis};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};

use self::beginning::Waits;
use self::calls::{CallEnd, Ended};
use self::losses::Losses;
use self::memory::Held;
use self::reading::ReadEnd;
use self::sources::Sources;
use self::telling::PutAside;
use self::told::Told;
use self::writing::Appends;
use crate::call::Patience;
use crate::checkpoint::{Checkpoint, CheckpointError, Checkpoints, Saved};
use crate::config::Config;
use crate::cursors::Cursors;
use crate::disabling::Disabling;
use crate::error::Error;
use crate::metrics::{Board, Metrics, Seat};
use crate::notices::Notices;
use crate::partition::{Answer, Effect, Kept, Partition};
use crate::record::{self, Delivery, Read};

pub(crate) use self::budget::Budget;
pub(crate) use self::calls::{Calls, headers};
pub(crate) use self::memory::Memory;

/// Records taken off the live stream in one turn.
const LIVE_TURN: usize = 256;
/// How often the progress of webhooks that are behind is put on record in Kafka; in Redis it is oftener (DESIGN §7).
const PROGRESS: Duration = Duration::from_secs(5);
/// What the last appends of a partition that is handed back have, beside the calls' own time.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Before a partition whose cursors could not be written is taken over again.
const START_OVER: Duration = Duration::from_secs(1);

/// What all partition actors of a lane share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) lane: Lane,
    pub(crate) config: Arc<Config>,
    pub(crate) directory: Directory,
    pub(crate) reader: LogReader,
    pub(crate) cursors: Cursors,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) calls: Calls,
    pub(crate) memory: Memory,
    pub(crate) journal: angarium_journal::Journal,
    pub(crate) notices: Notices,
    pub(crate) disabling: Disabling,
    pub(crate) metrics: Metrics,
    pub(crate) board: Board,
    pub(crate) clock: Clock,
}

type Work<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// The actor of one partition.
struct Actor {
    shared: Shared,
    owned: Owned,
    partition: Partition,
    held: Held,
    epoch: i64,
    calls: FuturesUnordered<Pin<Box<dyn Future<Output = Ended> + Send>>>,
    waits: Waits,
    appends: Appends,
    putting_aside: FuturesUnordered<Pin<Box<dyn Future<Output = PutAside> + Send>>>,
    reading: Work<ReadEnd>,
    /// Reads in a row that found their place beyond the log's end.
    beyond_end: u32,
    sources: Sources,
    saving: Work<(Checkpoint, Result<Saved, CheckpointError>)>,
    /// Whether the last checkpoint was not taken.
    redis_is_away: bool,
    /// Whether our clock and the broker's were last seen too far apart.
    clocks_disagree: bool,
    /// Of the registry's view.
    changes: watch::Receiver<u64>,
    told: Told,
    losses: Losses,
    seat: Seat,
    ending: Option<Ending>,
}

/// Why an actor ends.
enum Ending {
    /// The partition was taken back, or lost.
    Gone,
    /// A cursor could not be written: it is taken over again.
    StartOver,
    /// Its log was cut or created anew: it is taken over again, with this.
    Cut(Kept),
    /// Another worker has it.
    Superseded,
}

/// Works on a partition until it is taken back or lost.
///
/// # Errors
/// When the process is to end.
pub(crate) async fn work(mut owned: Owned, shared: Shared) -> Result<(), Error> {
    let mut cut = None;
    while let Some(taken) = takeover::take_over(&owned, &shared, cut.take()).await? {
        owned.start(taken.place);
        owned.commit(taken.place);
        let seat = shared.board.seat(shared.lane, owned.partition());
        let actor = Actor {
            partition: taken.partition,
            epoch: taken.epoch,
            appends: Appends::new(taken.place),
            shared: shared.clone(),
            owned,
            calls: FuturesUnordered::new(),
            waits: Waits::default(),
            held: shared.memory.share(),
            reading: None,
            beyond_end: 0,
            sources: Sources::default(),
            saving: None,
            putting_aside: FuturesUnordered::new(),
            redis_is_away: false,
            clocks_disagree: false,
            changes: shared.directory.changes(),
            told: Told::default(),
            losses: Losses::default(),
            seat,
            ending: None,
        };
        match actor.run().await {
            (Ending::Gone, _) => return Ok(()),
            (Ending::Superseded, left) => {
                owned = left;
                // As in a takeover: whoever wrote may have lost it to us.
                let gone = timeout(takeover::SUPERSEDED, owned.revoked()).await.is_ok();
                tracing::warn!(
                    lane = %shared.lane, partition = owned.partition(), gone,
                    "another worker's epoch was higher; claiming the partition again unless it is gone"
                );
            }
            (Ending::Cut(kept), left) => {
                owned = left;
                cut = Some(kept);
            }
            (Ending::StartOver, left) => {
                owned = left;
                sleep(START_OVER).await;
            }
        }
    }
    Ok(())
}

impl Actor {
    /// Works until there is a reason to end.
    async fn run(mut self) -> (Ending, Owned) {
        let revoked = self.owned.revoked();
        let mut revoked = std::pin::pin!(revoked);
        let mut checkpoint = every(self.shared.config.checkpoint_interval);
        let mut place = every(self.shared.config.commit_interval);
        let mut progress = every(PROGRESS);
        let mut records = Vec::with_capacity(LIVE_TURN);
        self.partition.refresh(self.shared.clock.now_ms());
        loop {
            self.perform();
            if let Some(ending) = self.ending.take() {
                self.tell_losses();
                return (ending, self.owned);
            }
            self.begin_calls();
            let held = self.partition.queued_bytes();
            let may_hold = self.held.is(held);
            self.partition.may_queue(may_hold, self.shared.clock.now_ms());
            self.start_reading();
            let due = self.until_due();
            tokio::select! {
                () = &mut revoked => return (Ending::Gone, self.hand_back().await),
                Some(ended) = self.calls.next() => self.on_call_end(ended),
                place = self.waits.next() => self.on_waited(place),
                appended = self.appends.next() => self.on_appended(appended),
                Some(put_aside) = self.putting_aside.next() => self.on_put_aside(put_aside),
                end = pending(&mut self.reading) => self.on_read(end),
                saved = pending(&mut self.saving) => self.on_saved(saved),
                taken = self.owned.recv_many(&mut records, LIVE_TURN) => {
                    if taken == 0 {
                        self.tell_lost();
                        return (Ending::Gone, self.owned);
                    }
                    self.on_live(&mut records);
                }
                // The sender lives as long as the directory that this actor holds.
                Ok(()) = self.changes.changed() => self.partition.refresh(self.shared.clock.now_ms()),
                () = sleep(due) => self.partition.tick(self.shared.clock.now_ms()),
                _ = checkpoint.tick() => {
                    self.start_saving();
                    // Also when nothing is due: our clock may have been set back.
                    self.partition.tick(self.shared.clock.now_ms());
                }
                _ = place.tick() => self.append_place(),
                _ = progress.tick() => {
                    self.partition.record_progress();
                    self.tell_losses();
                    self.seat.tell(self.partition.standing());
                }
            }
        }
    }

    /// Does what the partition has decided.
    fn perform(&mut self) {
        for effect in self.partition.take_effects() {
            match effect {
                Effect::Append { webhook, cursor } => self.append_cursor(webhook, cursor.as_ref()),
                Effect::PutAside {
                    webhook,
                    group,
                    attempts,
                    status,
                } => self.put_aside(webhook, group, attempts, status),
                Effect::Stands {
                    webhook,
                    account,
                    before,
                    now,
                } => {
                    let entry = journal::state_changed(self.shared.lane, webhook, before, now);
                    self.shared.journal.write(account, entry);
                }
                Effect::Removed {
                    webhook,
                    account,
                    what,
                } => self.note_removed((account, webhook), what),
                Effect::Expired { webhook, events } => self.note_expired(webhook, &events),
            }
        }
        self.send_appends();
    }

    fn on_live(&mut self, records: &mut Vec<Record>) {
        let now_ms = self.shared.clock.now_ms();
        for record in records.drain(..) {
            let offset = record.offset;
            if self.partition.goes_back(offset) {
                return self.log_was_cut();
            }
            match self.read(record) {
                Some(Read::Event(incoming)) => {
                    if self.sources.is_anew(&incoming.delivery) {
                        self.events_are_anew(&incoming.delivery);
                    }
                    self.partition.live(&incoming, now_ms);
                }
                Some(Read::Order { webhook, of, order }) => {
                    tracing::info!(lane = %self.shared.lane, %webhook, ?order, "a replay was ordered");
                    self.partition.ordered(webhook, of, order, now_ms);
                }
                None => self.partition.skip(offset),
            }
        }
    }

    fn events_are_anew(&self, event: &Delivery) {
        self.shared.metrics.log_was_cut(self.shared.lane);
        tracing::error!(
            lane = %self.shared.lane, partition = self.owned.partition(), event = %event.source,
            "the events topic was created anew: until its offsets are beyond the old ones, webhooks take its events for \
             repetitions and are not sent them. See docs/runbooks/topic-cut.md"
        );
    }

    /// Reads a record. One that cannot be read was not written by a fanout of ours: it is counted and passed over.
    fn read(&self, record: Record) -> Option<Read> {
        let offset = record.offset;
        record::read(record)
            .map_err(|error| {
                self.shared.metrics.poison(self.shared.lane);
                tracing::error!(
                    lane = %self.shared.lane, partition = self.owned.partition(), offset, error = error.as_ref(),
                    "a delivery record cannot be read and is passed over"
                );
            })
            .ok()
    }

    fn on_call_end(&mut self, ended: Ended) {
        let (lane, now_ms) = (self.shared.lane, self.shared.clock.now_ms());
        let end = match ended {
            Ended::Called(end) => end,
            Ended::NotSent(webhook, group) => return self.partition.not_sent(webhook, &group, now_ms),
        };
        let Some(verdict) = verdict(&end, now_ms) else {
            return self.partition.not_sent(end.webhook, &end.group, now_ms);
        };
        let class = verdict.error_class();
        self.shared
            .metrics
            .called(lane, class, end.duration.as_secs_f64());
        let answer = Answer {
            verdict,
            status: end.status(),
            took_ms: millis(end.duration),
            jitter: end.jitter,
        };
        let Some(settled) = self.partition.answered(end.webhook, &end.group, answer, now_ms) else {
            return;
        };
        if class.is_none() {
            let items = settled.group.items.iter();
            let ages = items.map(|item| item.delivery.accepted_at.age(now_ms));
            self.shared.metrics.delivered(lane, end.class, ages);
        }
        self.tell_call(&end, &settled, class, now_ms);
    }

    fn until_due(&self) -> Duration {
        /// Far enough away: the loop comes round at every checkpoint.
        const NEVER: Duration = Duration::from_secs(60);
        let wait = |due: i64| u64::try_from(due.saturating_sub(self.shared.clock.now_ms())).unwrap_or(0);
        self.partition
            .next_due()
            .map_or(NEVER, |due| Duration::from_millis(wait(due)).min(NEVER))
    }

    fn tell_lost(&self) {
        let (lane, partition) = (self.shared.lane, self.owned.partition());
        tracing::warn!(%lane, partition, "a partition was lost; another worker has it");
    }

    /// Finishes the calls under way, puts on record what is done, and gives the partition back.
    async fn hand_back(mut self) -> Owned {
        if self.owned.is_lost() {
            self.tell_lost();
            return self.owned;
        }
        // No call begins any more: nobody waits for a place that others could have.
        self.waits = Waits::default();
        let deadline = Instant::now() + Patience::D1.total();
        while let Ok(Some(ended)) = timeout_at(deadline, self.calls.next()).await {
            // What could be sent next is the next owner's.
            if let Ended::Called(_) = ended {
                self.on_call_end(ended);
                self.perform();
            }
        }
        let deadline = Instant::now() + LAST_WORDS;
        self.write_all(deadline).await;
        // Behind the cursors: it may pass what they lead to.
        self.append_place();
        self.write_all(deadline).await;
        if let Some(saving) = self.saving.take() {
            let saved = saving.await;
            self.on_saved(saved);
        }
        let checkpoint = self.partition.take_checkpoint();
        self.tell_losses();
        if !checkpoint.is_empty() {
            let (_, saved) = self.save(checkpoint).await;
            if let Err(error) = saved {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(lane = %self.shared.lane, error, "the last checkpoint was not taken: the next owner repeats");
            }
        }
        self.owned
    }

    /// Waits until all that is to be appended is acknowledged.
    async fn write_all(&mut self, deadline: Instant) {
        self.perform();
        while !self.appends.is_empty()
            && let Ok(appended) = timeout_at(deadline, self.appends.next()).await
        {
            self.on_appended(appended);
            self.perform();
        }
    }
}

/// What an answer means; `None` when the call was not sent.
fn verdict(end: &CallEnd, now_ms: i64) -> Option<angarium_policy::Verdict> {
    let answer = match &end.result {
        Ok(answered) => Answered::Status {
            code: answered.status.as_u16(),
            retry_after: answered.retry_after.as_deref(),
        },
        Err(error) => Answered::NoAnswer(error.failure()?),
    };
    Some(classify(answer, now_ms))
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The end of the work under way, which is then over; never, when there is none.
async fn pending<T>(work: &mut Work<T>) -> T {
    match work {
        Some(future) => {
            let output = future.await;
            *work = None;
            output
        }
        None => std::future::pending().await,
    }
}
