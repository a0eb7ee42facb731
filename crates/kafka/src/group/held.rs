//! A partition in the hands of an owner, as the worker sees it.

use super::client::Client;
use super::owned::{Queue, Queued, Start};
use crate::record::Record;

/// A partition in the hands of an owner.
pub(super) struct Held {
    pub(super) queue: Queue,
    pub(super) reading: Reading,
    /// It is in librdkafka's assignment.
    pub(super) assigned: bool,
    /// What its owner asked last to be committed.
    pub(super) committed: Option<i64>,
}

pub(super) enum Reading {
    NotStarted,
    Running {
        epoch: u64,
        /// The next offset that the owner lacks.
        next: i64,
    },
    /// The queue is full: paused, with the record that found no room.
    Full(Queued),
    /// Revoked or released.
    Over,
}

impl Held {
    pub(super) fn start(&mut self, client: &Client, start: Start) {
        let partition = self.queue.place.partition;
        if self.assigned {
            self.unpause(client);
        }
        // A seek keeps the assignment. It is refused where reading has stopped at a place that is gone.
        if !(self.assigned && client.seek(partition, start.offset)) {
            if self.assigned {
                client.unassign(&[partition]);
            }
            client.assign(partition, start.offset);
        }
        self.assigned = true;
        self.reading = Reading::Running {
            epoch: start.epoch,
            next: start.offset,
        };
    }

    pub(super) fn route(&mut self, client: &Client, record: Record) {
        // Whatever else still comes was fetched before a pause or a revocation.
        let Reading::Running { epoch, next } = self.reading else {
            return;
        };
        let offset = record.offset;
        if offset < next {
            return;
        }
        self.reading = match self.queue.push(Queued { epoch, record }) {
            Ok(()) => Reading::Running {
                epoch,
                next: offset + 1,
            },
            Err(refused) => {
                client.pause(self.queue.place.partition);
                Reading::Full(refused)
            }
        };
    }

    pub(super) fn resume_below_half(&mut self, client: &Client) {
        if !self.queue.is_below_half() {
            return;
        }
        if let Reading::Full(kept) = std::mem::replace(&mut self.reading, Reading::Over) {
            let (epoch, next) = (kept.epoch, kept.record.offset + 1);
            self.reading = match self.queue.push(kept) {
                Ok(()) => {
                    client.resume_at(self.queue.place.partition, next);
                    Reading::Running { epoch, next }
                }
                Err(kept) => Reading::Full(kept),
            };
        }
    }

    pub(super) fn stop(&mut self, client: &Client) {
        self.unpause(client);
        self.reading = Reading::Over;
    }

    /// A pause outlives the assignment: the partition would come back paused.
    fn unpause(&self, client: &Client) {
        if matches!(self.reading, Reading::Full(_)) {
            client.resume(self.queue.place.partition);
        }
    }
}
