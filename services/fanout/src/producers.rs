//! The producers that source actors write deliveries with: one for all of them while all is well.
//!
//! A producer for each partition would send as many requests as there are partitions, and its idle threads alone cost
//! more than all of fanout's work. But a gapless producer that fails, fails with everything in its queue, whichever
//! partition it came from. So producers come in *generations*. An actor that sees a failure retires the generation and
//! goes back to its last acknowledged event; everyone else who used it does so too, each to its own place. The first
//! who then asks for a producer opens the next generation.
//!
//! One partition whose record Kafka refuses again and again must not throw back the others for ever: from its
//! [`ALONE_AFTER`]th failure in a row an actor gets a producer of its own, until an event of its partition has got
//! through. It then returns to the shared one, at a moment when nothing of its own is under way.
//!
//! **Why nothing is skipped.** Delivery drops, per webhook, what lies below the highest source position that it has
//! seen (DESIGN §3). An event k would be lost if a later one were written and k only after it. What one actor writes
//! to one deliveries partition with one producer is a run of its source without a gap (gapless: nothing behind a
//! failed record is written), and every run begins at or below the first event that is not acknowledged. However the
//! runs of several producers interleave, a later event is always behind an earlier one of its own run, so the first
//! appearances rise. For that it takes care of two races:
//! - Purging fails records that wait. A record sent after it by an actor that has not yet heard of the failure would be
//!   written behind that gap. So [`Generation::retire`] first takes the producer away from everybody, then purges. And
//!   whoever goes back retires it, whatever the failure was: what it had still waiting there would be such a record.
//! - An actor that changes its producer in the middle could have k fail on the old one and k+1 written by the new one.
//!   So it changes only while nothing that it must hear of is under way, or together with going back.
//!
//! A partition that is handed back simply sends no more. What it had under way may still be written, and is a run as
//! any other: it repeats what the next owner sends.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use angarium_kafka::{Ack, Connection, Outgoing, Producer, ProducerConfig, SendError};
use angarium_runtime::Tasks;

/// With the second failure in a row without progress it is most likely this partition's own record that fails: one
/// that was only thrown back by another's has its way free by then.
const ALONE_AFTER: u32 = 2;

/// How long a record waits for others: short, as it is part of every delivery's latency.
const LINGER: Duration = Duration::from_millis(1);

/// Opens producers and keeps the one that is shared.
#[derive(Debug)]
pub(crate) struct Producers {
    connection: Connection,
    /// Of one partition's own producer.
    own: ProducerConfig,
    /// Of the shared one: with room for all partitions.
    shared: ProducerConfig,
    tasks: Tasks,
    newest: Mutex<Option<Arc<Generation>>>,
}

/// What the producer's queue must hold for one partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) records: usize,
    pub(crate) kib: usize,
}

impl Producers {
    /// Opens nothing yet. `partitions` is how many source partitions there may be.
    pub(crate) fn new(
        connection: Connection,
        client_id: &str,
        room: Room,
        partitions: usize,
        tasks: Tasks,
    ) -> Self {
        let config = |times: usize| ProducerConfig {
            client_id: client_id.to_owned(),
            max_queued: room.records.saturating_mul(times).min(MOST),
            max_queued_kib: room.kib.saturating_mul(times).min(MOST),
            delivery_timeout: None,
            gapless: true,
            linger: LINGER,
        };
        Self {
            connection,
            own: config(1),
            shared: config(partitions.max(1)),
            tasks,
            newest: Mutex::default(),
        }
    }

    /// The newest generation, opened if nobody has done so since the last one failed.
    fn shared(&self) -> Result<Arc<Generation>, Box<angarium_kafka::Error>> {
        // Whole at any time, so a panic elsewhere does not matter.
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(generation) = newest.as_ref().filter(|generation| !generation.has_failed()) {
            return Ok(Arc::clone(generation));
        }
        let opened = Arc::new(self.open(&self.shared)?);
        if let Some(old) = newest.replace(Arc::clone(&opened)) {
            old.retire();
        }
        Ok(opened)
    }

    fn open(&self, config: &ProducerConfig) -> Result<Generation, Box<angarium_kafka::Error>> {
        Ok(Generation {
            producer: RwLock::new(Some(Producer::open(&self.connection, config)?)),
            tasks: self.tasks.clone(),
        })
    }
}

/// The most that librdkafka takes for its queue: 2³¹ − 1.
const MOST: usize = 0x7fff_ffff;

/// One producer, until it is retired.
#[derive(Debug)]
struct Generation {
    /// `None` once it is retired. Sending holds it for reading, which blocks nobody and takes microseconds.
    producer: RwLock<Option<Producer>>,
    tasks: Tasks,
}

impl Generation {
    fn send(&self, outgoing: Outgoing<'_>) -> Result<Ack, Refusal> {
        let producer = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        let producer = producer.as_ref().ok_or(Refusal::Retired)?;
        producer.send(outgoing).map_err(|error| match error {
            SendError::QueueFull => Refusal::Full,
            SendError::Fatal(_) => Refusal::Failed(error),
            _ => Refusal::Record(error),
        })
    }

    /// Whether nothing can be sent with it any more.
    fn has_failed(&self) -> bool {
        let producer = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        producer.as_ref().is_none_or(Producer::is_fatal)
    }

    /// Takes it away from everybody and gives up on what waits. From here on nothing can be sent with it, so nothing
    /// is written behind what the purge leaves out.
    fn retire(&self) {
        let producer = self
            .producer
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(producer) = producer {
            // Purging waits for its threads and closing joins them: not on a thread that serves partitions.
            self.tasks.spawn_thread("fanout producer's end", move || {
                producer.purge();
                drop(producer);
            });
        }
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.retire();
    }
}

/// Why a record was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Try again soon.
    #[error("too many records wait for Kafka's acknowledgement")]
    Full,
    /// This record is at fault; the producer is fine.
    #[error("the producer did not take a delivery record")]
    Record(#[source] SendError),
    /// The producer is of no use any more: go back.
    #[error("the producer has failed")]
    Failed(#[source] SendError),
    /// The same, after another partition's failure.
    #[error("the producer was given up after the failure of another partition")]
    Retired,
}

impl Refusal {
    /// Whether the actor must go back, and to another producer.
    pub(crate) const fn is_of_producer(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Retired)
    }
}

/// The producer that one source actor writes with, and how it came to it.
#[derive(Debug)]
pub(crate) struct Seat {
    producers: Arc<Producers>,
    at: At,
    /// In a row, without progress.
    failures: u32,
}

#[derive(Debug)]
enum At {
    Nowhere,
    Shared(Arc<Generation>),
    Alone(Generation),
}

impl Seat {
    /// No producer yet.
    pub(crate) const fn new(producers: Arc<Producers>) -> Self {
        Self {
            producers,
            at: At::Nowhere,
            failures: 0,
        }
    }

    /// Makes sure that there is a producer, and the right one. Only while no report is awaited.
    pub(crate) fn take(&mut self) -> Result<(), Box<angarium_kafka::Error>> {
        let alone = self.failures >= ALONE_AFTER;
        match &self.at {
            At::Alone(_) if alone => {}
            // This comes before each batch of a quiet partition, so an idle actor follows the others by itself.
            At::Shared(generation) if !alone && !generation.has_failed() => {}
            _ if alone => self.at = At::Alone(self.producers.open(&self.producers.own)?),
            _ => self.at = At::Shared(self.producers.shared()?),
        }
        Ok(())
    }

    /// Sends with the producer that was taken.
    pub(crate) fn send(&self, outgoing: Outgoing<'_>) -> Result<Ack, Refusal> {
        match &self.at {
            At::Nowhere => Err(Refusal::Retired),
            At::Shared(generation) => generation.send(outgoing),
            At::Alone(generation) => generation.send(outgoing),
        }
    }

    /// A record of this actor was not acknowledged, or its producer takes none any more. The actor goes back.
    pub(crate) fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
        if let At::Shared(generation) = &self.at {
            generation.retire();
        }
        // One of its own is retired by being dropped.
        self.at = At::Nowhere;
    }

    /// An event has got through.
    pub(crate) const fn progress(&mut self) {
        self.failures = 0;
    }

    /// Whether it waits for nothing but the reports under way to return to the shared producer: send nothing more.
    pub(crate) const fn is_returning(&self) -> bool {
        matches!(self.at, At::Alone(_)) && self.failures < ALONE_AFTER
    }
}

#[cfg(test)]
mod tests {
    use angarium_kafka::topics::Layout;
    use angarium_kafka::{MockBroker, ProduceError};
    use angarium_runtime::Shutdown;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(25);

    struct World {
        broker: MockBroker,
        topic: String,
        producers: Arc<Producers>,
        tasks: Tasks,
    }

    impl World {
        fn start() -> Self {
            let layout = Layout::default();
            let broker = MockBroker::start(&layout).unwrap();
            let tasks = Tasks::new(Shutdown::new());
            let room = Room {
                records: 100,
                kib: 10_000,
            };
            let producers = Producers::new(broker.connection(), "test", room, 12, tasks.clone());
            Self {
                broker,
                topic: layout.names().events().to_owned(),
                producers: Arc::new(producers),
                tasks,
            }
        }

        fn seat(&self) -> Seat {
            let mut seat = Seat::new(Arc::clone(&self.producers));
            seat.take().unwrap();
            seat
        }

        fn send(&self, seat: &Seat) -> Result<Ack, Refusal> {
            seat.send(Outgoing {
                topic: &self.topic,
                partition: 0,
                key: b"key",
                value: Some(b"x"),
                headers: &[],
            })
        }

        async fn end(self) {
            drop(self.producers);
            self.tasks.shutdown().begin();
            self.tasks.join(PATIENCE).await.unwrap();
        }
    }

    fn share(a: &Seat, b: &Seat) -> bool {
        match (&a.at, &b.at) {
            (At::Shared(a), At::Shared(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    async fn within<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(PATIENCE, future).await.unwrap()
    }

    #[tokio::test]
    async fn all_share_one_producer_and_after_a_failure_the_next() {
        let world = World::start();
        let (mut first, mut second) = (world.seat(), world.seat());
        assert!(share(&first, &second));
        first.fail();
        first.take().unwrap();
        assert!(!share(&first, &second));
        second.fail();
        second.take().unwrap();
        assert!(share(&first, &second), "the first to ask opened it for both");
        within(world.send(&first).unwrap()).await.unwrap();
        drop((first, second));
        world.end().await;
    }

    #[tokio::test]
    async fn nothing_is_sent_with_a_retired_producer_behind_what_its_end_left_out() {
        let world = World::start();
        let (mut failing, mut other) = (world.seat(), world.seat());
        world.broker.go_away().unwrap();
        let waiting = world.send(&other).unwrap();
        failing.fail();
        // The other has not heard of it.
        assert!(matches!(world.send(&other), Err(Refusal::Retired)));
        assert!(matches!(within(waiting).await, Err(ProduceError::Abandoned)));
        world.broker.come_back().unwrap();
        other.fail();
        other.take().unwrap();
        let written = within(world.send(&other).unwrap()).await.unwrap();
        assert_eq!(written.offset, 0, "nothing stands before it");
        drop((failing, other));
        world.end().await;
    }

    #[tokio::test]
    async fn one_that_keeps_failing_is_alone_until_it_gets_through_and_the_others_stay() {
        let world = World::start();
        let (mut failing, mut other) = (world.seat(), world.seat());
        failing.fail();
        failing.take().unwrap();
        other.take().unwrap();
        assert!(share(&failing, &other), "once may be another's fault");
        failing.fail();
        failing.take().unwrap();
        other.take().unwrap();
        let neighbour = world.seat();
        for _ in 0..3 {
            assert!(matches!(failing.at, At::Alone(_)));
            failing.fail();
            failing.take().unwrap();
            other.take().unwrap();
            assert!(share(&other, &neighbour), "thrown back no more");
        }
        assert!(!failing.is_returning());
        within(world.send(&failing).unwrap()).await.unwrap();
        failing.progress();
        assert!(failing.is_returning());
        failing.take().unwrap();
        assert!(share(&failing, &other));
        assert!(!failing.is_returning());
        drop((failing, other, neighbour));
        world.end().await;
    }
}
