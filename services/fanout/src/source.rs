//! One partition of the events topic, from assignment to release.
//!
//! A source actor forwards its partition's events in order and keeps the promises that make fanout safe
//! (DESIGN §3): all records of an event are produced before any of the next one; the offset is committed only
//! behind every delivery report; and after a failure everything from the last acknowledged event on is produced
//! again, by another producer. So what delivery reads may repeat, and never skips. `producers` tells who shares a
//! producer with whom, and why that is safe.
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
use angarium_runtime::{Tasks, chain};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};

use crate::config::Config;
use crate::journal::entry;
use crate::matching::{Delivery, Fanned, Matcher};
use crate::metrics::Metrics;
use crate::producers::{Producers, Refusal, Seat};
use crate::reports::Reports;
use crate::sight::Sight;

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

/// The header that carries the trace (W3C Trace Context).
const TRACEPARENT: &str = "traceparent";

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
    let mut next = first_offset(owned.partition(), owned.committed(), owned.watermarks());
    tracing::debug!(
        partition = owned.partition(),
        next,
        "fanout begins with an events partition"
    );
    let mut seat = Seat::new(Arc::clone(&shared.producers));
    // Kept over failures: what is not committed was decided under it.
    let mut sight = Sight::of(shared.directory.clone());
    let mut pause = FIRST_PAUSE;
    loop {
        let mut reports = Reports::new(next);
        let Err(failure) = forward(&mut owned, &shared, &mut seat, &mut sight, &mut reports).await else {
            let next = reports.acknowledged();
            tracing::debug!(
                partition = owned.partition(),
                next,
                "fanout hands an events partition back"
            );
            break;
        };
        pause = if reports.acknowledged() > next {
            FIRST_PAUSE
        } else {
            (pause * 2).min(LONGEST_PAUSE)
        };
        next = reports.acknowledged();
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
fn first_offset(partition: i32, committed: Option<i64>, log: Watermarks) -> i64 {
    match committed {
        None => log.low,
        Some(committed) if committed < log.low => {
            let lost = log.low - committed;
            tracing::error!(
                partition,
                committed,
                low = log.low,
                lost,
                "events were removed from the events topic before fanout had read them: they are lost"
            );
            log.low
        }
        Some(committed) if committed > log.high => {
            tracing::error!(
                partition,
                committed,
                high = log.high,
                "the events topic ends before the committed place: it was created anew or has lost records; \
                 fanout starts at its beginning"
            );
            log.low
        }
        Some(committed) => committed,
    }
}

/// Forwards from where `reports` begins until the partition is handed back or lost.
async fn forward(
    owned: &mut Owned,
    shared: &Shared,
    seat: &mut Seat,
    sight: &mut Sight,
    reports: &mut Reports<Ack>,
) -> Result<(), Failure> {
    let revoked = owned.revoked();
    owned.start(reports.acknowledged());
    let mut actor = Actor {
        began: reports.acknowledged(),
        committed: reports.acknowledged(),
        owned,
        shared,
        seat,
        sight,
        reports,
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
    sight: &'a mut Sight,
    reports: &'a mut Reports<Ack>,
    began: i64,
    committed: i64,
}

impl Actor<'_> {
    /// Forwards until the partition is lost.
    async fn forward(&mut self) -> Result<(), Failure> {
        let mut commits = ticks(self.shared.config.commit_interval);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let is_idle = self.reports.is_empty();
            let takes_more = is_idle || (self.has_room() && !self.seat.is_returning());
            tokio::select! {
                settled = self.reports.settle(), if !is_idle => {
                    settled?;
                    self.tell_seat(None);
                }
                _ = commits.tick() => self.commit(),
                () = self.sight.outdated() => self.renew_sight().await?,
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

    /// Goes over to the newest view, if there is one, behind the accepted commit of all that was decided before.
    async fn renew_sight(&mut self) -> Result<(), Failure> {
        if self.sight.is_current() {
            return Ok(());
        }
        while !self.reports.is_empty() {
            self.reports.settle().await?;
        }
        self.owned.commit_accepted(self.reports.acknowledged()).await;
        self.sight.renew();
        Ok(())
    }

    fn has_room(&self) -> bool {
        let Config {
            max_pending_events,
            max_pending_bytes,
            ..
        } = self.shared.config;
        self.reports.has_room(max_pending_events, max_pending_bytes)
    }

    async fn forward_record(&mut self, record: &Record) -> Result<(), Failure> {
        while !self.has_room() {
            self.reports.settle().await?;
        }
        let next_offset = record.offset + 1;
        let Fanned {
            summary,
            deliveries,
            known_type,
        } = match self.shared.matcher.fan_out(record, self.sight.view()) {
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
                self.reports.end_event(next_offset, 0);
                return Ok(());
            }
        };
        if !known_type {
            self.shared.metrics.unknown_type();
            tracing::warn!(position = %summary.position, event_name = %summary.name,
                "an event's type is not in the catalogue of this version; it is sent as real-time");
        }
        let headers = trace_headers(record);
        let topic = self.shared.names.deliveries(summary.lane);
        let mut bytes = 0;
        for delivery in &deliveries {
            self.produce(topic, delivery, headers.as_slice()).await?;
            bytes += delivery.value.len();
        }
        self.reports.end_event(next_offset, bytes);
        self.shared.metrics.matched(summary.lane, deliveries.len());
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
                    self.reports.push(report);
                    return Ok(());
                }
                Err(Refusal::Full) => {
                    let is_idle = self.reports.is_empty();
                    tokio::select! {
                        settled = self.reports.settle(), if !is_idle => settled?,
                        () = sleep(QUEUE_FULL_PAUSE) => {}
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for the reports under way. An event of which not all records were handed over does not count.
    async fn drain(&mut self) -> Result<(), Failure> {
        let reports = &mut *self.reports;
        let settled = timeout(DRAIN, async {
            while !reports.is_empty() {
                reports.settle().await?;
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
        if self.reports.acknowledged() > self.began {
            self.seat.progress();
        }
        match failure {
            Some(Failure::Report(_)) => self.seat.fail(),
            Some(Failure::Send(refusal)) if refusal.is_of_producer() => self.seat.fail(),
            Some(Failure::Send(_) | Failure::Open(_)) | None => {}
        }
    }

    fn commit(&mut self) {
        let acknowledged = self.reports.acknowledged();
        if acknowledged > self.committed {
            self.owned.commit(acknowledged);
            self.committed = acknowledged;
        }
    }
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn trace_headers(record: &Record) -> Option<(&str, &[u8])> {
    let (name, value) = record.headers.iter().find(|(name, _)| name == TRACEPARENT)?;
    Some((name.as_str(), value.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_owner_starts_where_the_last_one_committed_and_never_beyond_what_is_there() {
        let log = Watermarks { low: 10, high: 20 };
        assert_eq!(first_offset(0, None, log), 10);
        assert_eq!(first_offset(0, Some(15), log), 15);
        assert_eq!(first_offset(0, Some(20), log), 20);
        assert_eq!(first_offset(0, Some(3), log), 10, "truncated");
        assert_eq!(first_offset(0, Some(21), log), 10, "created anew");
    }
}
