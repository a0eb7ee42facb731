//! Puts together what becomes of an event from what is heard of it, in whatever order that comes.
//!
//! The journal's two topics and the receiver know nothing of each other: an attempt may be read before the match
//! that led to it. An event is known by its position in the events topic; what the receiver got belongs to an
//! attempt by the group's id. A row is made when all of it is known.

use std::collections::HashMap;

use angarium_model::Position;
use angarium_proto::convert::position_from_wire;
use angarium_proto::journal::v1::{Attempt, EventReference, Expired, Lane, Matched};

use super::publisher::{Accepted, Answer, Refusal};
use super::receiver::Receipt;
use super::recent::Recent;
use super::table::{Confirmed, Row, Signature};
use super::tally::{Fate, Progress, Stage, Tally};

/// Events and groups that are kept in mind: far more than are under way.
const REMEMBERED: usize = 10_000;

/// What is heard.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// A sample is about to be published whose `eventName` is not its title.
    Announced {
        title: &'static str,
    },
    Published(Published),
    Received(Receipt),
    Matched(Matched),
    /// With the time at which it was written, in Unix milliseconds.
    Attempted(Attempt, i64),
    Expired(Expired),
}

/// What ingest said to a sample.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) number: usize,
    pub(super) title: &'static str,
    pub(super) answer: Answer,
}

/// What is known of an event.
#[derive(Debug)]
struct Course {
    name: String,
    position: Position,
    matched: Option<Match>,
    /// Attempts that wait for the match to be known.
    untold: Vec<Delivery>,
    progress: Progress,
}

#[derive(Debug)]
struct Match {
    webhooks: usize,
    accepted_at_ms: i64,
    lane: Lane,
}

#[derive(Clone, Debug)]
struct Delivery {
    status: u32,
    duration_us: u64,
    signature: Signature,
    received_at_ms: Option<i64>,
}

/// Everything that has been heard, as far as it is still needed.
#[derive(Debug)]
pub(super) struct Story {
    courses: Recent<Position, Course>,
    receipts: Recent<String, Receipt>,
    /// Which events are samples, and which.
    ours: HashMap<Position, (usize, &'static str)>,
    /// Webhooks whose timetable is known, and how often it is.
    timetables: Vec<(String, &'static str)>,
    tally: Tally,
    /// Whether it has changed since it was last asked for.
    counted: bool,
}

impl Story {
    pub(super) fn new(timetables: Vec<(String, &'static str)>) -> Self {
        Self {
            courses: Recent::new(REMEMBERED),
            receipts: Recent::new(REMEMBERED),
            ours: HashMap::new(),
            timetables,
            tally: Tally::default(),
            counted: false,
        }
    }

    /// The counts, if they have changed since this was last asked.
    pub(super) fn recount(&mut self) -> Option<Tally> {
        std::mem::take(&mut self.counted).then(|| self.tally.clone())
    }

    fn count(&mut self, number: usize, title: &'static str, fate: Fate) {
        self.tally.set(number, title, fate);
        self.counted = true;
    }

    /// Takes something in; returns what is to be told now.
    pub(super) fn hear(&mut self, happening: Happening) -> Vec<Row> {
        match happening {
            Happening::Announced { title } => vec![Row::Renamed { title }],
            Happening::Published(published) => self.published(published),
            Happening::Received(receipt) => {
                self.receipts.insert(receipt.group.clone(), receipt);
                Vec::new()
            }
            Happening::Matched(matched) => self.matched(&matched),
            Happening::Attempted(attempt, _at_ms) if attempt.error_class.is_empty() => {
                self.delivered(&attempt)
            }
            Happening::Attempted(attempt, at_ms) => self.failed(&attempt, at_ms).into_iter().collect(),
            Happening::Expired(expired) if expired.removed.is_some() => vec![Row::Removed {
                webhook: expired.webhook_id,
                at_most: expired.count,
            }],
            Happening::Expired(expired) => vec![Row::Expired {
                webhook: expired.webhook_id,
                count: expired.count,
            }],
        }
    }

    fn published(
        &mut self,
        Published {
            number,
            title,
            answer,
        }: Published,
    ) -> Vec<Row> {
        let events = match answer {
            Answer::Accepted(events) => events,
            Answer::Refused(refusal) => return vec![self.refused(number, title, refusal)],
        };
        let mut rows = Vec::new();
        for Accepted {
            name,
            position,
            duplicate,
        } in events
        {
            if duplicate {
                self.count(number, title, Fate::Duplicate);
                rows.push(Row::Duplicate { name, position });
            } else {
                self.ours.insert(position, (number, title));
                self.course(&name, position, |_course| ());
            }
        }
        rows
    }

    fn refused(&mut self, number: usize, title: &'static str, refusal: Refusal) -> Row {
        let placed = refusal
            .errors
            .iter()
            .any(|error| error.line.is_some() && error.column.is_some());
        let fate = Fate::Refused {
            status: refusal.status,
            placed,
        };
        self.count(number, title, fate);
        Row::Refused { title, refusal }
    }

    fn matched(&mut self, matched: &Matched) -> Vec<Row> {
        let lane = matched.lane();
        let Some((event, position)) = matched.event.as_ref().and_then(placed) else {
            return Vec::new();
        };
        let every = matched.webhook_ids.iter().find_map(|id| self.every(id));
        let known = Match {
            webhooks: matched.webhook_ids.len(),
            accepted_at_ms: matched.accepted_at_ms,
            lane,
        };
        let inactive = matched.inactive_webhook_ids.len();
        self.course(&event.event_name, position, |course| {
            course.progress.stage = course.progress.stage.max(Stage::Matched);
            let webhooks = known.webhooks;
            course.matched = Some(known);
            if webhooks == 0 {
                course.progress.told = true;
                return vec![Row::Unmatched {
                    name: course.name.clone(),
                    position,
                    inactive,
                }];
            }
            if lane == Lane::Batch && course.untold.is_empty() {
                course.progress.told = true;
                return vec![Row::Waiting {
                    name: course.name.clone(),
                    position,
                    webhooks,
                    every,
                }];
            }
            course.tell()
        })
    }

    fn every(&self, webhook: &str) -> Option<&'static str> {
        self.timetables
            .iter()
            .find(|(id, _)| id == webhook)
            .map(|(_, every)| *every)
    }

    fn delivered(&mut self, attempt: &Attempt) -> Vec<Row> {
        let receipt = self.receipts.get(&attempt.group_id).cloned();
        let mut rows = Vec::new();
        for (event, position) in attempt.events.iter().filter_map(placed) {
            let delivery = Delivery {
                status: attempt.status,
                duration_us: attempt.duration_us,
                signature: signature(receipt.as_ref(), event),
                received_at_ms: receipt.as_ref().map(|receipt| receipt.at_ms),
            };
            let reached = if delivery.signature == Signature::Verified {
                Stage::Verified
            } else {
                Stage::Delivered
            };
            rows.extend(self.course(&event.event_name, position, |course| {
                course.progress.stage = course.progress.stage.max(reached);
                course.untold.push(delivery);
                course.tell()
            }));
        }
        rows
    }

    /// One row for the group, whatever its size.
    fn failed(&self, attempt: &Attempt, at_ms: i64) -> Option<Row> {
        let (event, position) = attempt.events.first().and_then(placed)?;
        let verdict = self
            .receipts
            .get(&attempt.group_id)
            .map(|receipt| receipt.verdict.clone());
        let why = match verdict {
            Some(Err(why)) => format!("{}: {why}", attempt.error_detail),
            Some(Ok(_)) | None => attempt.error_detail.clone(),
        };
        Some(Row::Failed {
            name: event.event_name.clone(),
            position,
            others: attempt.events.len() - 1,
            attempt: attempt.attempt,
            why,
            again_in_ms: (attempt.next_attempt_at_ms > 0)
                .then(|| (attempt.next_attempt_at_ms - at_ms).max(0)),
        })
    }

    /// Changes what is known of an event, and counts it if it is a sample.
    fn course<R>(&mut self, name: &str, position: Position, change: impl FnOnce(&mut Course) -> R) -> R {
        let begin = || Course {
            name: name.to_owned(),
            position,
            matched: None,
            untold: Vec::new(),
            progress: Progress::default(),
        };
        let (result, progress) = self
            .courses
            .change(&position, begin, |course| (change(course), course.progress));
        if let Some((number, title)) = self.ours.get(&position).copied() {
            self.count(number, title, Fate::Accepted(progress));
        }
        result
    }
}

impl Course {
    /// Rows of the deliveries that have none yet, once the match is known.
    fn tell(&mut self) -> Vec<Row> {
        let Some(matched) = &self.matched else {
            return Vec::new();
        };
        let mut rows = Vec::new();
        for delivery in self.untold.drain(..) {
            let took_ms = delivery
                .received_at_ms
                .map(|at_ms| (at_ms - matched.accepted_at_ms).max(0));
            self.progress.told = true;
            if matched.lane == Lane::Realtime {
                self.progress.realtime_ms = self.progress.realtime_ms.or(took_ms);
            }
            rows.push(Row::Confirmed(Confirmed {
                name: self.name.clone(),
                position: self.position,
                webhooks: matched.webhooks,
                status: delivery.status,
                duration_us: delivery.duration_us,
                signature: delivery.signature,
                took_ms,
            }));
        }
        rows
    }
}

/// The journal always says where the event is; a record that does not is no use.
fn placed(event: &EventReference) -> Option<(&EventReference, Position)> {
    Some((event, position_from_wire(event.position?)))
}

/// What our receiver says of this event; identity is name and id, within the account (E7).
fn signature(receipt: Option<&Receipt>, event: &EventReference) -> Signature {
    match receipt.map(|receipt| &receipt.verdict) {
        None => Signature::Elsewhere,
        Some(Err(_)) => Signature::Wrong,
        Some(Ok(events)) => {
            let is_it = |(name, id): &(String, String)| *name == event.event_name && *id == event.event_id;
            if events.iter().any(is_it) {
                Signature::Verified
            } else {
                Signature::Wrong
            }
        }
    }
}

#[cfg(test)]
mod tests;
