//! A thousand webhooks of one partition that were failing come back together, ten of them answering slowly, beside a
//! hundred that were well all the time.
//!
//! One owner, nothing fails but the receivers, and time is virtual: so what is received must be exactly what was owed,
//! once and in order. What it costs is measured: what is read back, and how long those that are well wait meanwhile.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use angarium_directory::Directory;
use angarium_kafka::Watermarks;
use angarium_model::{Lane, Revision, Webhook, WebhookId};
use angarium_policy::{Backoff, ErrorClass, Failure, Reminders, Verdict};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::fixtures;
use crate::checkpoint::Memories;
use crate::clocks::Clocks;
use crate::group::{Group, GroupLimit};
use crate::hook::Class;
use crate::partition::{Answer, Effect, Incoming, Partition, Rules, Start};

/// Webhooks whose receivers were away.
const AWAY: u16 = 1_000;
/// Of them, those that answer slowly when they are back.
const SLOW: u16 = 10;
/// Webhooks that are well.
const WELL: u16 = 100;
/// As DESIGN §7 has it.
const MAX_QUEUED_BYTES: usize = 8 * 1024 * 1024;
/// Calls of each class that may be under way, as a worker has it by default.
const ROOM: [(Class, usize); 3] = [(Class::Live, 1_024), (Class::CatchUp, 256), (Class::Retry, 256)];
/// How long things take, in milliseconds.
const ANSWER_MS: i64 = 20;
const SLOW_ANSWER_MS: i64 = 4_000;
const APPEND_MS: i64 = 5;
const READ_MS: i64 = 15;
/// Between two events, each for a tenth of the webhooks.
const EVENT_MS: i64 = 50;
/// An event's data, in bytes.
const SIZE: usize = 200;
const START_MS: i64 = 1_727_414_643_000;
/// How long receivers are away.
const OUTAGE_MS: i64 = 100_000;
/// By then all must have caught up.
const LIMIT_MS: i64 = 60 * 60 * 1_000;

/// What catching up took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records that waited in Kafka when the receivers came back.
    pub backlog: usize,
    /// Records that were read back from then on.
    pub read_back: usize,
    /// How often something was read back.
    pub reads: usize,
    /// What all queues together held at most, in bytes.
    pub most_queued_bytes: usize,
    /// The longest that an event of a webhook that was well waited for its receipt, in milliseconds.
    pub longest_wait_ms: i64,
    /// How long it took until all but the slow ones had caught up, in milliseconds.
    pub caught_up_ms: i64,
    /// The same, all of them.
    pub all_caught_up_ms: i64,
    /// Events that were received.
    pub received: usize,
    /// POSTs under way at most.
    pub most_calls: usize,
}

/// Something that ends.
enum Ends {
    Call(Class, WebhookId, Arc<Group>),
    Append(WebhookId),
    Read(i64),
    Event,
}

struct Crowd {
    rng: SmallRng,
    now_ms: i64,
    partition: Partition,
    log: Vec<Incoming>,
    agenda: BinaryHeap<Reverse<(i64, u64)>>,
    /// What ends, by its number: in the order in which it began.
    under_way: HashMap<u64, Ends>,
    begun: u64,
    calls: Vec<Class>,
    is_reading: bool,
    /// When somebody looks what is due.
    ticks_at_ms: Option<i64>,
    /// How many of the events that it was owed each has received.
    received: BTreeMap<WebhookId, usize>,
    owed: BTreeMap<WebhookId, Vec<i64>>,
    webhooks: Vec<WebhookId>,
    measured: Recovery,
}

/// Runs it.
///
/// # Errors
/// What was lost, out of order, or held too long.
pub fn recover(seed: u64) -> Result<Recovery, String> {
    Crowd::new(seed).run()
}

fn id(number: u16) -> WebhookId {
    let [high, low] = number.to_be_bytes();
    let mut bytes = [0; 16];
    (bytes[14], bytes[15]) = (high, low);
    WebhookId::from_bytes(bytes)
}

fn number(id: WebhookId) -> u16 {
    let bytes = id.as_bytes();
    u16::from_be_bytes([bytes[14], bytes[15]])
}

fn is_away(id: WebhookId) -> bool {
    number(id) < AWAY
}

fn is_slow(id: WebhookId) -> bool {
    number(id) < SLOW
}

impl Crowd {
    fn new(seed: u64) -> Self {
        let webhooks: Vec<Webhook> = (0..AWAY + WELL)
            .map(|number| Webhook {
                id: id(number),
                ..fixtures::webhook(0, true, i64::from(number) + 1)
            })
            .collect();
        let ids = webhooks.iter().map(|webhook| webhook.id).collect();
        let mut clocks = Clocks::default();
        clocks.compare(START_MS, Some(START_MS));
        let start = Start {
            epoch: 1,
            found: None,
            memories: Memories::default(),
            is_anew: false,
            cut: None,
            ends: Watermarks { low: 0, high: 0 },
            clocks,
            now_ms: START_MS,
            dice: 0.5,
        };
        let directory = Directory::fixed([], webhooks);
        Self {
            rng: SmallRng::seed_from_u64(seed),
            now_ms: START_MS,
            partition: Partition::take_over(Lane::Realtime, rules(), directory, start),
            log: Vec::new(),
            agenda: BinaryHeap::new(),
            under_way: HashMap::new(),
            begun: 0,
            calls: Vec::new(),
            is_reading: false,
            ticks_at_ms: None,
            received: BTreeMap::new(),
            owed: BTreeMap::new(),
            webhooks: ids,
            measured: Recovery::default(),
        }
    }

    fn run(mut self) -> Result<Recovery, String> {
        self.begin(0, Ends::Event);
        while let Some(Reverse((at_ms, number))) = self.agenda.pop() {
            self.now_ms = at_ms.max(self.now_ms);
            match self.under_way.remove(&number) {
                Some(ends) => self.end(ends)?,
                None => {
                    self.ticks_at_ms.take_if(|at_ms| *at_ms <= self.now_ms);
                    self.partition.tick(self.now_ms);
                }
            }
            self.perform()?;
            if self.now_ms > START_MS + LIMIT_MS {
                return Err(format!("not all has come after an hour: {:?}", self.measured));
            }
        }
        for webhook in &self.webhooks {
            let (received, owed) = (self.received.get(webhook), self.owed.get(webhook).map(Vec::len));
            if received.copied() != owed {
                return Err(format!("{webhook} got {received:?} of {owed:?}"));
            }
        }
        Ok(self.measured)
    }

    fn begin(&mut self, after_ms: i64, ends: Ends) {
        self.begun += 1;
        self.agenda.push(Reverse((self.now_ms + after_ms, self.begun)));
        self.under_way.insert(self.begun, ends);
    }

    fn end(&mut self, ends: Ends) -> Result<(), String> {
        match ends {
            Ends::Call(class, webhook, group) => {
                let ended = self.calls.iter().position(|other| *other == class);
                ended.map(|index| self.calls.swap_remove(index));
                self.call_ends(webhook, &group)?;
            }
            Ends::Append(webhook) => self.partition.appended(webhook, self.now_ms),
            Ends::Read(from) => self.read_ends(from),
            Ends::Event => self.publish(),
        }
        Ok(())
    }

    /// Whether the receivers are back.
    fn is_back(&self) -> bool {
        self.now_ms >= START_MS + OUTAGE_MS
    }

    /// An event, for a tenth of all; until all have caught up.
    fn publish(&mut self) {
        self.look_who_is_behind();
        if self.measured.all_caught_up_ms > 0 {
            return;
        }
        let offset = i64::try_from(self.log.len()).unwrap_or(i64::MAX);
        let chosen = self.webhooks.iter().filter(|_| self.rng.random_bool(0.1));
        let webhooks: Vec<WebhookId> = chosen.copied().collect();
        for webhook in &webhooks {
            self.owed.entry(*webhook).or_default().push(offset);
        }
        let revision = Revision::from_offset(i64::from(AWAY + WELL));
        let record = Incoming {
            offset,
            delivery: fixtures::delivery(offset, self.now_ms, SIZE, revision).into(),
            webhooks,
        };
        self.partition.live(&record, self.now_ms);
        self.log.push(record);
        self.begin(EVENT_MS, Ends::Event);
    }

    fn look_who_is_behind(&mut self) {
        if !self.is_back() {
            return;
        }
        let took_ms = self.now_ms - START_MS - OUTAGE_MS;
        if self.measured.backlog == 0 {
            // Who fails is behind from its first event on.
            self.measured.backlog = self.log.len();
            (self.measured.read_back, self.measured.reads) = (0, 0);
        }
        let looks = self.partition.looks();
        let behind = looks.filter(|(_, look)| look.is_detached).map(|(id, _)| id);
        let behind: Vec<WebhookId> = behind.collect();
        let measured = &mut self.measured;
        if measured.caught_up_ms == 0 && behind.iter().all(|id| is_slow(*id)) {
            measured.caught_up_ms = took_ms;
        }
        if behind.is_empty() {
            measured.all_caught_up_ms = took_ms;
        }
    }

    fn read_ends(&mut self, from: i64) {
        self.is_reading = false;
        let start = usize::try_from(from).unwrap_or(0).min(self.log.len());
        let end = (start + self.partition.read_limit()).min(self.log.len());
        let next = i64::try_from(end).unwrap_or(i64::MAX);
        self.measured.reads += 1;
        self.measured.read_back += end - start;
        let records = &self.log[start..end];
        self.partition.read_back(from, next, records, self.now_ms);
    }

    fn call_ends(&mut self, webhook: WebhookId, group: &Arc<Group>) -> Result<(), String> {
        let was_away = is_away(webhook) && !self.is_back();
        if !was_away {
            self.receive(webhook, group)?;
        }
        let answer = Answer {
            verdict: if was_away {
                Verdict::Retry {
                    class: ErrorClass::NoAnswer(Failure::AnswerTimeout),
                    not_before: None,
                }
            } else {
                Verdict::Delivered
            },
            status: 0,
            took_ms: answer_ms(webhook),
            // They failed together, and are tried again together.
            jitter: 0.0,
        };
        self.partition.answered(webhook, group, answer, self.now_ms);
        Ok(())
    }

    /// Exactly what is owed next.
    fn receive(&mut self, webhook: WebhookId, group: &Group) -> Result<(), String> {
        let owed = self.owed.entry(webhook).or_default();
        let received = self.received.entry(webhook).or_default();
        for item in &group.items {
            let source = item.delivery.source.offset;
            if owed.get(*received) != Some(&source) {
                return Err(format!(
                    "{webhook} got {source} where it was owed {:?}",
                    owed.get(*received)
                ));
            }
            *received += 1;
            self.measured.received += 1;
            if !is_away(webhook) {
                let waited_ms = self.now_ms - item.delivery.accepted_at.unix_ms();
                self.measured.longest_wait_ms = waited_ms.max(self.measured.longest_wait_ms);
            }
        }
        Ok(())
    }

    /// Does what the partition wants done.
    fn perform(&mut self) -> Result<(), String> {
        for effect in self.partition.take_effects() {
            match effect {
                Effect::Append { webhook, .. } => self.begin(APPEND_MS, Ends::Append(webhook)),
                Effect::Stands { .. } => {}
                other => return Err(format!("nobody expects {other:?}")),
            }
        }
        self.begin_calls();
        if !self.is_reading
            && let Some(from) = self.partition.wanted_read(self.now_ms)
        {
            self.is_reading = true;
            self.begin(READ_MS, Ends::Read(from));
        }
        let due_ms = self.partition.next_due();
        if let Some(due_ms) = due_ms.filter(|due_ms| self.ticks_at_ms.is_none_or(|at_ms| *due_ms < at_ms)) {
            // No number: it is but a time at which to look.
            self.agenda.push(Reverse((due_ms.max(self.now_ms), 0)));
            self.ticks_at_ms = Some(due_ms);
        }
        let queued = self.partition.queued_bytes();
        if queued > MAX_QUEUED_BYTES {
            return Err(format!("{queued} bytes are queued"));
        }
        self.measured.most_queued_bytes = queued.max(self.measured.most_queued_bytes);
        self.measured.most_calls = self.calls.len().max(self.measured.most_calls);
        Ok(())
    }

    /// As far as there is room.
    fn begin_calls(&mut self) {
        while let Some((class, call)) = ROOM.into_iter().find_map(|(class, most)| {
            let under_way = self.calls.iter().filter(|other| **other == class).count();
            let has_room = under_way < most;
            let call = has_room.then(|| self.partition.next_call(class, self.now_ms, |_| true));
            Some((class, call.flatten()?))
        }) {
            self.calls.push(class);
            self.begin(
                answer_ms(call.webhook),
                Ends::Call(class, call.webhook, call.group),
            );
        }
    }
}

fn answer_ms(webhook: WebhookId) -> i64 {
    if is_slow(webhook) {
        SLOW_ANSWER_MS
    } else {
        ANSWER_MS
    }
}

fn rules() -> Rules {
    Rules {
        group: GroupLimit {
            events: 100,
            bytes: 1024 * 1024,
            around: 0,
        },
        backoff: Backoff::default(),
        honours_retry_after: true,
        disables_gone: true,
        reminders: Reminders::default(),
        max_queued_bytes: MAX_QUEUED_BYTES,
    }
}
