//! Reads the journal and hears the receiver, and tells it on the screen.

use std::time::Duration;

use angarium_kafka::{From, Tail, TailEvent};
use angarium_proto::journal::v1::JournalRecord;
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_runtime::{Shutdown, Tasks};
use anyhow::{Context, bail};
use bytes::Bytes;
use prost::Message;
use tokio::sync::{mpsc, watch};

use super::screen::Screen;
use super::services::Kafka;
use super::story::{Happening, Story};
use super::table;
use super::tally::Tally;

/// How Kafka's logs name us.
const CLIENT_ID: &str = "angarium-dev";

/// Both topics of the journal, from now on.
#[derive(Debug)]
pub(super) struct Journal {
    all_but_successes: mpsc::Receiver<TailEvent>,
    successes: mpsc::Receiver<TailEvent>,
}

/// Opens the journal. When this returns, whatever is written from now on will be read.
///
/// # Errors
/// If Kafka does not answer in time.
pub(super) async fn open_journal(kafka: &Kafka, tasks: &Tasks, within: Duration) -> anyhow::Result<Journal> {
    let (connection, topics) = (&kafka.connection, &kafka.topics);
    // They end with the shutdown; the handles would only end them earlier.
    let (_tail, mut all_but_successes) =
        Tail::open(connection, topics.journal(), From::End, CLIENT_ID, tasks)?;
    let (_tail, mut successes) = Tail::open(connection, topics.journal_ok(), From::End, CLIENT_ID, tasks)?;
    for events in [&mut all_but_successes, &mut successes] {
        let reached = tokio::time::timeout(within, caught_up(events));
        reached
            .await
            .context("Kafka did not tell the journal's end in time")??;
    }
    Ok(Journal {
        all_but_successes,
        successes,
    })
}

/// What is written meanwhile is about deliveries that an earlier run left behind: of no interest.
async fn caught_up(events: &mut mpsc::Receiver<TailEvent>) -> anyhow::Result<()> {
    while let Some(event) = events.recv().await {
        if event == TailEvent::CaughtUp {
            return Ok(());
        }
    }
    bail!("the journal cannot be read")
}

/// Tells what happens.
#[derive(Debug)]
pub(super) struct Narrator {
    screen: Screen,
    story: Story,
    tally: watch::Sender<Tally>,
}

impl Narrator {
    /// `timetables`: the webhooks that have one, and how often it is.
    pub(super) fn new(
        screen: Screen,
        timetables: Vec<(String, &'static str)>,
        tally: watch::Sender<Tally>,
    ) -> Self {
        Self {
            screen,
            story: Story::new(timetables),
            tally,
        }
    }

    /// Until the shutdown begins.
    pub(super) async fn run(
        mut self,
        mut journal: Journal,
        mut happenings: mpsc::Receiver<Happening>,
        shutdown: Shutdown,
    ) {
        loop {
            // A receipt comes before the journal's word of its attempt, and must be known by then.
            let happening = tokio::select! {
                biased;
                () = shutdown.begun() => return,
                Some(happening) = happenings.recv() => Some(happening),
                Some(event) = journal.all_but_successes.recv() => read(event),
                Some(event) = journal.successes.recv() => read(event),
                else => return,
            };
            let rows = happening
                .map(|happening| self.story.hear(happening))
                .unwrap_or_default();
            // Shown first: who waits for the counts goes on below.
            if !rows.is_empty() {
                self.screen
                    .show(&rows.iter().map(table::render).collect::<String>());
            }
            if let Some(tally) = self.story.recount() {
                self.tally.send_replace(tally);
            }
        }
    }
}

fn read(event: TailEvent) -> Option<Happening> {
    let TailEvent::Record(record) = event else {
        return None;
    };
    let decoded = JournalRecord::decode(record.value.unwrap_or_else(Bytes::new));
    let JournalRecord {
        at_ms,
        entry,
        account_id: _,
    } = match decoded {
        Ok(record) => record,
        Err(error) => {
            let (partition, offset) = (record.partition, record.offset);
            tracing::warn!(partition, offset, %error, "a record of the journal cannot be read");
            return None;
        }
    };
    Some(match entry? {
        Entry::Matched(matched) => Happening::Matched(matched),
        Entry::Attempt(attempt) => Happening::Attempted(attempt, at_ms),
        Entry::Expired(expired) => Happening::Expired(expired),
        // Attempts say the same.
        Entry::StateChanged(_) | Entry::PutAside(_) => return None,
    })
}
