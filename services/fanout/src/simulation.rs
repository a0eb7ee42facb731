//! A partition of the events topic for a simulation: what `forwarding` and `matching` decide, unchanged, a step at a time,
//! with a world in place of Kafka. Delivery's simulation has such a world (`cargo xtask sim`).

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use angarium_directory::Directory;
use angarium_kafka::Record;
use angarium_model::{AccountId, Revision};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;

use crate::config::Config;
use crate::forwarding::{Forwarding, Limits, Renewal};
use crate::matching::{Delivery, Matcher, Partitions};

/// The producer's end of a report: dropped unsent it stands for a failure.
pub type Promise = oneshot::Sender<()>;

/// A record of the deliveries topics that a producer has taken.
#[derive(Debug)]
pub struct Produced {
    /// Of the topic of its event's lane.
    pub partition: i32,
    /// The record.
    pub value: Vec<u8>,
    /// To tell that it is acknowledged.
    pub promise: Promise,
}

/// A record was not acknowledged: go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// What a newer view waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    /// Reports of what was decided under the old one.
    Reports,
    /// That the commit of this offset is accepted.
    Commit(i64),
}

/// An event of which records are still to be handed over.
#[derive(Debug)]
struct InHand {
    offset: i64,
    bytes: usize,
    left: VecDeque<Delivery>,
}

/// A partition, from assignment to release.
#[derive(Debug)]
pub struct Source {
    matcher: Matcher,
    forwarding: Forwarding<oneshot::Receiver<()>>,
    in_hand: Option<InHand>,
}

impl Source {
    /// Begins at an offset, under the view of this moment. Each lane has so many partitions.
    #[must_use]
    pub fn new(directory: Directory, config: &Config, partitions: NonZeroU32, next: i64) -> Self {
        let partitions = Partitions {
            realtime: partitions,
            batch: partitions,
        };
        Self {
            matcher: Matcher::new(partitions),
            forwarding: Forwarding::new(directory, Limits::of(config), next),
            in_hand: None,
        }
    }

    /// All events below are done.
    #[must_use]
    pub const fn done(&self) -> i64 {
        self.forwarding.done()
    }

    /// How far the view goes, for an account.
    #[must_use]
    pub fn revision(&self, account: AccountId) -> Revision {
        self.forwarding.view().revision(account)
    }

    /// What a newer view waits for, if there is one. The next batch of events waits for it too.
    #[must_use]
    pub fn awaits(&self) -> Option<Awaits> {
        self.forwarding.renewal().map(|renewal| match renewal {
            Renewal::Reports => Awaits::Reports,
            Renewal::Commit(offset) => Awaits::Commit(offset),
        })
    }

    /// Whether the next event of the batch need not wait for reports.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.forwarding.has_room()
    }

    /// Matches the event of a batch whose turn it is.
    ///
    /// # Errors
    /// When the record is none that ingest writes.
    pub fn forward(&mut self, record: &Record) -> Result<(), Box<dyn std::error::Error>> {
        let fanned = self.forwarding.fan_out(&self.matcher, record)?;
        self.in_hand = Some(InHand {
            offset: record.offset,
            bytes: 0,
            left: fanned.deliveries.into(),
        });
        Ok(())
    }

    /// Whether an event is being handed over.
    #[must_use]
    pub const fn is_in_event(&self) -> bool {
        self.in_hand.is_some()
    }

    /// Hands the next record of the event to the producer; `None` ends the event.
    pub fn hand_over(&mut self) -> Option<Produced> {
        let event = self.in_hand.as_mut()?;
        let Some(delivery) = event.left.pop_front() else {
            self.forwarding.end_event(event.offset, event.bytes);
            self.in_hand = None;
            return None;
        };
        event.bytes += delivery.value.len();
        let (promise, report) = oneshot::channel();
        self.forwarding.handed_over(report);
        Some(Produced {
            partition: delivery.partition,
            value: delivery.value,
            promise,
        })
    }

    /// Takes the reports that have come.
    ///
    /// # Errors
    /// When a record was not acknowledged.
    pub fn settle(&mut self) -> Result<(), Failed> {
        let settled = pin!(self.forwarding.settle());
        match settled.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(settled) => settled.map_err(|_dropped: RecvError| Failed),
            Poll::Pending => Ok(()),
        }
    }

    /// After a failure: events are to be forwarded again from this offset on.
    pub fn go_back(&mut self) -> i64 {
        self.in_hand = None;
        self.forwarding.go_back()
    }

    /// What is to be committed, if that has moved; nobody waits for it.
    pub fn commit(&mut self) -> Option<i64> {
        self.forwarding.commit()
    }

    /// A commit that was awaited is accepted.
    pub fn accepted(&mut self, offset: i64) {
        self.forwarding.accepted(offset);
    }
}
