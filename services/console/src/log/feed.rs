//! Follows the journal into the file.

use std::sync::Arc;
use std::time::Duration;

use angarium_kafka::topics::Names;
use angarium_kafka::{Connection, From, Record, Tail, TailEvent};
use angarium_model::{AccountId, WebhookId};
use angarium_proto::journal::v1::JournalRecord;
use angarium_runtime::{Clock, Shutdown, Tasks, chain};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::keys::{self, Topic};
use super::store::Incoming;
use super::{Log, State, Trouble};
use crate::error::Error;

const CLIENT_ID: &str = "angarium-console";
/// Records of one transaction: what Kafka hands over at once, so that catching up is not one transaction a record.
const BATCH: usize = 1_024;
/// How much a crash makes the console read again.
const DURABLE_EVERY: Duration = Duration::from_secs(2);
/// The pause after the disk refused.
const PAUSE: Duration = Duration::from_secs(5);

/// Something about a webhook was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) account: AccountId,
    /// None: an event was matched.
    pub(crate) webhook: Option<WebhookId>,
}

/// Both topics, and what is in work.
struct Feed {
    log: Log,
    clock: Clock,
    shutdown: Shutdown,
    journal: mpsc::Receiver<TailEvent>,
    ok: mpsc::Receiver<TailEvent>,
    /// Topics whose records of the time of the start have not all been read.
    behind: usize,
    durable_at: Instant,
}

impl Log {
    /// Begins to follow both topics from where the file has them.
    ///
    /// # Errors
    /// When the disk cannot be read, or the Kafka client refuses its settings.
    pub(crate) fn follow(
        &self,
        kafka: &Connection,
        names: &Names,
        clock: Clock,
        tasks: &Tasks,
    ) -> Result<(), Error> {
        let open = |topic: Topic, name: &str, client_id: &str| -> Result<_, Error> {
            let from = From::Places(self.store.places(topic)?);
            let (_tail, events) = Tail::open(kafka, name, from, client_id, tasks)?;
            Ok(events)
        };
        let feed = Feed {
            log: self.clone(),
            clock,
            shutdown: tasks.shutdown().clone(),
            journal: open(Topic::Journal, names.journal(), CLIENT_ID)?,
            ok: open(Topic::Ok, names.journal_ok(), &format!("{CLIENT_ID}-ok"))?,
            behind: 2,
            durable_at: Instant::now(),
        };
        tasks.spawn("console log", feed.run());
        Ok(())
    }
}

impl Feed {
    async fn run(mut self) {
        let (mut journal, mut ok) = (Vec::new(), Vec::new());
        loop {
            let room = BATCH;
            tokio::select! {
                () = self.shutdown.begun() => break,
                read = self.journal.recv_many(&mut journal, room) => if read == 0 { break },
                read = self.ok.recv_many(&mut ok, room) => if read == 0 { break },
            }
            let mut batch = Vec::new();
            self.sort(Topic::Journal, &mut journal, &mut batch);
            self.sort(Topic::Ok, &mut ok, &mut batch);
            self.keep(batch).await;
        }
        // So that the next start reads nothing again.
        if let Err(error) = self.write(Arc::default(), true).await {
            tracing::warn!(
                error = chain(&error),
                "the log could not be brought to disk at the end"
            );
        }
    }

    fn sort(&mut self, topic: Topic, events: &mut Vec<TailEvent>, batch: &mut Vec<Incoming>) {
        for event in events.drain(..) {
            match event {
                TailEvent::Record(record) => batch.push(incoming(topic, &record)),
                TailEvent::CaughtUp => self.behind = self.behind.saturating_sub(1),
            }
        }
    }

    /// Writes until the disk takes it; what comes meanwhile waits in Kafka.
    async fn keep(&mut self, batch: Vec<Incoming>) {
        let batch: Arc<[Incoming]> = batch.into();
        let durable = Instant::now() >= self.durable_at;
        while let Err(error) = self.write(Arc::clone(&batch), durable).await {
            tracing::error!(error = chain(&error), "the log cannot be written; trying again");
            self.log.state.send_replace(State::Stuck);
            tokio::select! {
                () = self.shutdown.begun() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        if durable {
            self.durable_at = Instant::now() + DURABLE_EVERY;
        }
        let state = if self.behind == 0 {
            State::Current
        } else {
            State::Reading
        };
        self.log
            .state
            .send_if_modified(|known| std::mem::replace(known, state) != state);
        let mut told = None;
        for touched in batch.iter().filter_map(touched) {
            // Nobody listening is no mistake.
            if told != Some(touched) {
                let _heard = self.log.changes.send(touched);
            }
            told = Some(touched);
        }
    }

    async fn write(&self, batch: Arc<[Incoming]>, durable: bool) -> Result<(), Trouble> {
        let now_ms = self.clock.now_ms();
        self.log
            .ask(move |store| store.take(&batch, now_ms, durable))
            .await
    }
}

fn incoming(topic: Topic, record: &Record) -> Incoming {
    let read = record
        .value
        .clone()
        .and_then(|value| JournalRecord::decode(value).ok());
    if read.is_none() {
        let (partition, offset) = (record.partition, record.offset);
        tracing::warn!(
            ?topic,
            partition,
            offset,
            "a record of the journal cannot be read; it is passed over"
        );
    }
    Incoming {
        topic,
        partition: record.partition,
        offset: record.offset,
        record: read,
    }
}

fn touched(incoming: &Incoming) -> Option<Touched> {
    let record = incoming.record.as_ref()?;
    Some(Touched {
        account: AccountId::new(record.account_id).ok()?,
        webhook: keys::webhook_id(record.entry.as_ref()?),
    })
}
