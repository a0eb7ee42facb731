//! One partition of the events topic, from assignment to release.
//!
//! A source actor forwards its partition's events in order and keeps the promises that make fanout safe
//! (DESIGN §3): all records of an event are produced before any of the next one; the offset is committed only
//! behind every delivery report; and after a failure everything from the last acknowledged event on is produced
//! again, by a new producer. So what delivery reads may repeat, and never skips.
//!
//! The producer is the actor's own: a failure is fatal to a gapless producer, and must not reach other partitions.
//!
//! It ends when Kafka takes the partition back (it then waits for the reports under way, for a bounded time), when
//! the partition is lost, and at shutdown. Dropped in the middle it leaves what a crash leaves: records that the next
//! owner produces again.

use std::sync::Arc;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_journal::Journal;
use angarium_kafka::topics::Names;
use angarium_kafka::{
    Ack, Connection, Outgoing, Owned, ProduceError, Producer, ProducerConfig, Record, SendError, Watermarks,
};
use angarium_runtime::{Tasks, chain};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};

use crate::config::Config;
use crate::journal::entry;
use crate::matching::{Delivery, Fanned, Matcher};
use crate::metrics::Metrics;
use crate::reports::Reports;

/// Events taken from the consumer at once; between two batches the actor commits.
const BATCH: usize = 256;

/// How long reports may take to come once Kafka wants the partition back; below the consumer's own limit of 20 s.
const DRAIN: Duration = Duration::from_secs(10);

/// How long a record waits for others: short, as it is part of every delivery's latency.
const LINGER: Duration = Duration::from_millis(1);

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
    pub(crate) connection: Connection,
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
    Open(#[from] angarium_kafka::Error),
    #[error("the producer did not take a delivery record")]
    Send(#[from] SendError),
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
    let mut pause = FIRST_PAUSE;
    loop {
        let mut reports = Reports::new(next);
        let Err(failure) = forward(&mut owned, &shared, &mut reports).await else {
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

/// One producer's life: forwards from where `reports` begins until the partition is handed back or lost.
async fn forward(owned: &mut Owned, shared: &Shared, reports: &mut Reports<Ack>) -> Result<(), Failure> {
    let producer = Producer::open(&shared.connection, &producer_config(&shared.config))?;
    let revoked = owned.revoked();
    owned.start(reports.acknowledged());
    let mut actor = Actor {
        committed: reports.acknowledged(),
        owned,
        shared,
        producer,
        reports,
    };
    let mut outcome = tokio::select! {
        outcome = actor.forward() => outcome,
        () = revoked => actor.drain().await,
    };
    if let Err(Failure::Send(_)) = outcome {
        // What stands before the refused record is good: without this it would be purged at each new start, and
        // an event behind which Kafka takes nothing would hold up those before it too.
        outcome = actor.drain().await.and(outcome);
    }
    actor.commit();
    // What is under way may still be written: it repeats what the next producer sends, and delivery drops it.
    let producer = actor.producer;
    producer.purge();
    // Closing a client joins its threads, which takes a while: not on a thread that serves other partitions.
    shared
        .tasks
        .spawn_thread("fanout producer's end", move || drop(producer));
    outcome
}

fn producer_config(config: &Config) -> ProducerConfig {
    /// An event becomes few records as a rule; while it becomes more, the actor waits for room.
    const RECORDS_PER_EVENT: usize = 4;
    /// Room for one record of the largest size whatever the setting, in KiB.
    const ONE_RECORD_KIB: usize = 2_048;
    ProducerConfig {
        client_id: config.client_id.clone(),
        max_queued: config.max_pending_events.get().saturating_mul(RECORDS_PER_EVENT),
        max_queued_kib: (config.max_pending_bytes.get() / 1_024).saturating_add(ONE_RECORD_KIB),
        delivery_timeout: None,
        gapless: true,
        linger: LINGER,
    }
}

struct Actor<'a> {
    owned: &'a mut Owned,
    shared: &'a Shared,
    producer: Producer,
    reports: &'a mut Reports<Ack>,
    committed: i64,
}

impl Actor<'_> {
    /// Forwards until the partition is lost.
    async fn forward(&mut self) -> Result<(), Failure> {
        let mut commits = ticks(self.shared.config.commit_interval);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let (has_room, is_idle) = (self.has_room(), self.reports.is_empty());
            tokio::select! {
                settled = self.reports.settle(), if !is_idle => settled?,
                _ = commits.tick() => self.commit(),
                count = self.owned.recv_many(&mut batch, BATCH), if has_room => {
                    if count == 0 {
                        return Ok(());
                    }
                    for record in batch.drain(..) {
                        self.forward_record(&record).await?;
                    }
                }
            }
        }
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
        } = match self.shared.matcher.fan_out(record) {
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
            let sent = self.producer.send(Outgoing {
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
                Err(SendError::QueueFull) => {
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
