//! One partition of the events topic, from assignment to release.
//!
//! A source actor carries out what `forwarding` decides: it forwards its partition's events in order and keeps the
//! promises that make fanout safe (DESIGN §3): all records of an event are produced before any of the next one; the
//! offset is committed only behind every delivery report; and after a failure everything from the last acknowledged
//! event on is produced again, by another producer. So what delivery reads may repeat, and never skips. `producers`
//! tells who shares a producer with whom, and why that is safe.
//!
//! An event is matched only while the view is in force: so it goes to every webhook whose creation was acknowledged
//! before the event was published. A partition's events are matched against one view of the registry. A newer one is taken only when everything that
//! was decided under the old one is committed, and the commit accepted: else a fanout that freezes between two views,
//! or starts again there, would lose events of a webhook that was changed (docs/model-findings.md, 1).
//!
//! It ends when Kafka takes the partition back (it then waits for the reports under way, for a bounded time), when
//! the partition is lost, and at shutdown. Dropped in the middle it leaves what a crash leaves: records that the next
//! owner produces again.

use std::sync::Arc;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_journal::Journal;
use angarium_kafka::topics::Names;
use angarium_kafka::{Ack, Outgoing, Owned, ProduceError, Record, Watermarks};
use angarium_runtime::trace::TraceContext;
use angarium_runtime::{Clock, Tasks, chain};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};

use crate::config::Config;
use crate::forwarding::{Forwarding, Limits, Renewal};
use crate::journal::entry;
use crate::matching::{Delivery, Fanned, Matcher};
use crate::metrics::{Metrics, Mishap};
use crate::producers::{Producers, Refusal, Seat};
use crate::stage::Stage;

/// Events taken from the consumer at once; between two batches the actor commits.
const BATCH: usize = 256;

/// How long reports may take to come once Kafka wants the partition back; below the consumer's own limit of 20 s.
const DRAIN: Duration = Duration::from_secs(10);

/// A report resolves an instant before its place in the producer's queue is free.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(10);

/// The pause after a first failure; it doubles as long as no event gets through.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause between failures: who mends the cause does not wait long.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What all source actors of a worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) producers: Arc<Producers>,
    pub(crate) names: Names,
    pub(crate) directory: Directory,
    pub(crate) matcher: Matcher,
    pub(crate) journal: Journal,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) tasks: Tasks,
}

/// Why a partition goes back to its last acknowledged event.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot open a producer")]
    Open(#[from] Box<angarium_kafka::Error>),
    #[error("a delivery record was not sent")]
    Send(#[from] Refusal),
    #[error("a delivery record was not acknowledged")]
    Report(#[from] ProduceError),
}

/// Owns a partition until Kafka wants it back.
pub(crate) async fn run(mut owned: Owned, shared: Arc<Shared>) {
    let revoked = owned.revoked();
    tokio::select! {
        () = shared.directory.ready() => {}
        () = revoked => return owned.release(),
    }
    let (next, mishap) = first_offset(owned.partition(), owned.committed(), owned.watermarks());
    if let Some(mishap) = mishap {
        shared.metrics.began(&mishap);
    }
    tracing::debug!(
        partition = owned.partition(),
        next,
        "fanout begins with an events partition"
    );
    let mut seat = Seat::new(Arc::clone(&shared.producers));
    let mut forwarding = Forwarding::new(shared.directory.clone(), Limits::of(&shared.config), next);
    let mut pause = FIRST_PAUSE;
    loop {
        let Err(failure) = forward(&mut owned, &shared, &mut seat, &mut forwarding).await else {
            let next = forwarding.done();
            tracing::debug!(
                partition = owned.partition(),
                next,
                "fanout hands an events partition back"
            );
            break;
        };
        pause = if forwarding.has_got_on() {
            FIRST_PAUSE
        } else {
            (pause * 2).min(LONGEST_PAUSE)
        };
        let next = forwarding.go_back();
        shared.metrics.restarted();
        tracing::error!(
            partition = owned.partition(),
            from_offset = next,
            ?pause,
            error = chain(&failure),
            "fanout of an events partition failed; it starts again behind the last event that is done"
        );
        let revoked = owned.revoked();
        tokio::select! {
            () = sleep(pause) => {}
            () = revoked => break,
        }
    }
    owned.release();
}

/// Where to begin. Both mishaps are told loudly; neither may skip an event that is still there.
fn first_offset(partition: i32, committed: Option<i64>, log: Watermarks) -> (i64, Option<Mishap>) {
    match committed {
        None => (log.low, None),
        Some(committed) if committed < log.low => {
            let lost = log.low - committed;
            tracing::error!(
                partition,
                committed,
                low = log.low,
                lost,
                "events were removed from the events topic before fanout had read them: they are lost"
            );
            (log.low, Some(Mishap::Lost(u64::try_from(lost).unwrap_or(0))))
        }
        Some(committed) if committed > log.high => {
            tracing::error!(
                partition,
                committed,
                high = log.high,
                "the events topic ends before the committed place: it was created anew or has lost records; \
                 fanout starts at its beginning"
            );
            (log.low, Some(Mishap::Cut))
        }
        Some(committed) => (committed, None),
    }
}

/// Forwards from where `forwarding` stands until the partition is handed back or lost.
async fn forward(
    owned: &mut Owned,
    shared: &Shared,
    seat: &mut Seat,
    forwarding: &mut Forwarding<Ack>,
) -> Result<(), Failure> {
    let revoked = owned.revoked();
    owned.start(forwarding.done());
    let mut actor = Actor {
        owned,
        shared,
        seat,
        forwarding,
    };
    let mut outcome = tokio::select! {
        outcome = actor.forward() => outcome,
        () = revoked => actor.drain().await,
    };
    if matches!(&outcome, Err(Failure::Send(refusal)) if !refusal.is_of_producer()) {
        // What stands before the refused record is good: an event behind which Kafka takes nothing must not hold up
        // those before it too.
        outcome = actor.drain().await.and(outcome);
    }
    actor.commit();
    actor.tell_seat(outcome.as_ref().err());
    outcome
}

struct Actor<'a> {
    owned: &'a mut Owned,
    shared: &'a Shared,
    seat: &'a mut Seat,
    forwarding: &'a mut Forwarding<Ack>,
}

impl Actor<'_> {
    /// Forwards until the partition is lost.
    async fn forward(&mut self) -> Result<(), Failure> {
        let mut commits = ticks(self.shared.config.commit_interval);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let is_idle = self.forwarding.is_idle();
            let takes_more = is_idle || (self.forwarding.has_room() && !self.seat.is_returning());
            let outdated = self.forwarding.outdated();
            tokio::select! {
                settled = self.forwarding.settle(), if !is_idle => {
                    settled?;
                    self.tell_seat(None);
                }
                _ = commits.tick() => self.commit(),
                () = outdated => self.renew_sight().await?,
                count = self.owned.recv_many(&mut batch, BATCH), if takes_more => {
                    if count == 0 {
                        return Ok(());
                    }
                    // Asked behind what was received: every write that was answered before is in the view then.
                    self.shared.directory.in_force().await;
                    self.renew_sight().await?;
                    if is_idle {
                        self.seat.take()?;
                    }
                    for record in batch.drain(..) {
                        self.forward_record(&record).await?;
                    }
                }
            }
        }
    }

    /// Goes over to the newest view, if there is one and when it may be.
    async fn renew_sight(&mut self) -> Result<(), Failure> {
        while let Some(renewal) = self.forwarding.renewal() {
            match renewal {
                Renewal::Reports => self.forwarding.settle().await?,
                Renewal::Commit(offset) => {
                    self.owned.commit_accepted(offset).await;
                    self.forwarding.accepted(offset);
                }
            }
        }
        Ok(())
    }

    async fn forward_record(&mut self, record: &Record) -> Result<(), Failure> {
        while !self.forwarding.has_room() {
            self.forwarding.settle().await?;
        }
        let Fanned {
            summary,
            deliveries,
            known_type,
        } = match self.forwarding.fan_out(&self.shared.matcher, record) {
            Ok(fanned) => fanned,
            Err(poison) => {
                // No producer of ours wrote it, and no later version of fanout could read it.
                self.shared.metrics.poison();
                tracing::error!(
                    partition = record.partition,
                    offset = record.offset,
                    error = chain(&poison),
                    "a record of the events topic cannot be read; it is passed over"
                );
                return Ok(());
            }
        };
        if !known_type {
            self.shared.metrics.unknown_type();
            tracing::debug!(position = %summary.position, event_name = %summary.name,
                "an event's type is not known; it is sent as it happens");
        }
        let stage = Stage::of(record, &summary, deliveries.len());
        let trace = stage.header();
        let headers = trace
            .as_deref()
            .map(|trace| (TraceContext::HEADER, trace.as_bytes()));
        let topic = self.shared.names.deliveries(summary.lane);
        let mut bytes = 0;
        for delivery in &deliveries {
            self.produce(topic, delivery, headers.as_slice()).await?;
            bytes += delivery.value.len();
        }
        self.forwarding.end_event(record.offset, bytes);
        let age = summary.accepted_at.age(self.shared.clock.now_ms());
        self.shared.metrics.matched(summary.lane, deliveries.len(), age);
        let matched = &summary.matched;
        self.shared
            .metrics
            .filtered(matched.filtered.len(), matched.undecided.len());
        self.shared.journal.write(summary.account, entry(&summary));
        Ok(())
    }

    /// Hands a record to the producer, waiting for room as long as it takes.
    async fn produce(
        &mut self,
        topic: &str,
        delivery: &Delivery,
        headers: &[(&str, &[u8])],
    ) -> Result<(), Failure> {
        loop {
            let sent = self.seat.send(Outgoing {
                topic,
                partition: delivery.partition,
                key: delivery.key.as_bytes(),
                value: Some(&delivery.value),
                headers,
            });
            match sent {
                Ok(report) => {
                    self.forwarding.handed_over(report);
                    return Ok(());
                }
                Err(Refusal::Full) => {
                    let is_idle = self.forwarding.is_idle();
                    tokio::select! {
                        settled = self.forwarding.settle(), if !is_idle => settled?,
                        () = sleep(QUEUE_FULL_PAUSE) => {}
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for the reports under way. An event of which not all records were handed over does not count.
    async fn drain(&mut self) -> Result<(), Failure> {
        let forwarding = &mut *self.forwarding;
        let settled = timeout(DRAIN, async {
            while !forwarding.is_idle() {
                forwarding.settle().await?;
            }
            Ok::<_, ProduceError>(())
        });
        match settled.await {
            Ok(settled) => Ok(settled?),
            Err(_elapsed) => {
                tracing::warn!(
                    partition = self.owned.partition(),
                    "Kafka did not acknowledge all deliveries before the partition is handed back; \
                     its next owner repeats them"
                );
                Ok(())
            }
        }
    }

    /// Whether the actor gets on decides which producer it is to use.
    fn tell_seat(&mut self, failure: Option<&Failure>) {
        if self.forwarding.has_got_on() {
            self.seat.progress();
        }
        match failure {
            Some(Failure::Report(_)) => self.seat.fail(),
            Some(Failure::Send(refusal)) if refusal.is_of_producer() => self.seat.fail(),
            Some(Failure::Send(_) | Failure::Open(_)) | None => {}
        }
    }

    fn commit(&mut self) {
        if let Some(offset) = self.forwarding.commit() {
            self.owned.commit(offset);
        }
    }
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_owner_starts_where_the_last_one_committed_and_never_beyond_what_is_there() {
        let log = Watermarks { low: 10, high: 20 };
        assert_eq!(first_offset(0, None, log), (10, None));
        assert_eq!(first_offset(0, Some(15), log), (15, None));
        assert_eq!(first_offset(0, Some(20), log), (20, None));
        let truncated = first_offset(0, Some(3), log);
        assert_eq!(truncated, (10, Some(Mishap::Lost(7))));
        let created_anew = first_offset(0, Some(21), log);
        assert_eq!(created_anew, (10, Some(Mishap::Cut)));
    }
}
