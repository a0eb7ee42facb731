//! The world: what happens next, and what must hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use angarium_directory::Directory;
use angarium_kafka::Watermarks;
use angarium_model::{
    AcceptedAt, AccountId, Authentication, EventName, Generation, Lane, Limits, Ordering, PayloadFormat,
    Position, Revision, TargetUrl, TimetableSpec, TypePattern, Webhook, WebhookId,
};
use angarium_policy::{Backoff, ErrorClass, Failure, Verdict};
use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::cursors::{Append, Topic};
use super::owner::{Owner, Post, Stage};
use super::receivers::Receivers;
use super::{Breach, Summary};
use crate::checkpoint::{Memories, Stored};
use crate::cursor::Standing;
use crate::group::GroupLimit;
use crate::partition::{Answer, Incoming, Partition, Rules, Start};
use crate::record::Delivery;

const START_MS: i64 = 1_727_414_643_000;
const ACCOUNT: u64 = 1234;
/// Steps with faults.
const STEPS: usize = 600;
/// Rounds without faults in which all must be done.
const ROUNDS: usize = 20_000;
/// Owners that were followed and whose writes still land.
const MAX_FROZEN: usize = 2;
/// What all queues together may hold: little, so that it is reached.
const MAX_QUEUED_BYTES: usize = 3_000;

pub(super) struct World {
    seed: u64,
    rng: SmallRng,
    lane: Lane,
    step: usize,
    now_ms: i64,
    webhooks: Vec<Webhook>,
    /// Every change of a webhook, in order.
    changes: Vec<Webhook>,
    log: Vec<Incoming>,
    /// The next event's offset in the events topic.
    source: i64,
    topic: Topic,
    redis: Stored,
    redis_before: VecDeque<Stored>,
    redis_is_away: bool,
    /// The last one owns the partition.
    owners: Vec<Owner>,
    receivers: Receivers,
    /// Webhooks whose receivers are down.
    down: BTreeSet<WebhookId>,
    owed: BTreeMap<WebhookId, BTreeSet<i64>>,
    summary: Summary,
    /// What happened, for a person who looks into a breach.
    story: Option<Vec<String>>,
}

type Checked = Result<(), String>;

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let lane = Lane::ALL[usize::from(rng.random_bool(0.4))];
        let webhooks: Vec<Webhook> = (1..=rng.random_range(1..5)).map(webhook).collect();
        Self {
            seed,
            rng,
            lane,
            step: 0,
            now_ms: START_MS,
            changes: webhooks.clone(),
            webhooks,
            log: Vec::new(),
            source: 0,
            topic: Topic::new(lane),
            redis: Stored::default(),
            redis_before: VecDeque::new(),
            redis_is_away: false,
            owners: Vec::new(),
            receivers: Receivers::default(),
            down: BTreeSet::new(),
            owed: BTreeMap::new(),
            summary: Summary::default(),
            story: None,
        }
    }

    /// The same, and what happened.
    pub(super) fn told(seed: u64) -> (Result<Summary, Breach>, Vec<String>) {
        let mut world = Self::new(seed);
        world.story = Some(Vec::new());
        let ended = world.run();
        (ended, world.story.unwrap_or_default())
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        let step = self.step;
        if let Some(story) = &mut self.story {
            story.push(format!("{step:>4} {}", what()));
        }
    }

    pub(super) fn run(&mut self) -> Result<Summary, Breach> {
        let ran = self.run_steps().and_then(|()| self.settle());
        let checked = ran.and_then(|()| self.check_all_arrived());
        match checked {
            Ok(()) => Ok(Summary {
                owed: self.owed.values().map(BTreeSet::len).sum(),
                received: self.receivers.receipts,
                ..self.summary
            }),
            Err(what) => Err(Breach {
                seed: self.seed,
                lane: self.lane,
                step: self.step,
                what,
            }),
        }
    }

    fn run_steps(&mut self) -> Checked {
        self.take_over();
        for step in 0..STEPS {
            self.step = step;
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Checked {
        match self.rng.random_range(0..1_000) {
            0..170 => self.publish(),
            170..330 => self.read_live(),
            330..440 => return self.arrive(),
            440..560 => self.answer(true),
            560..640 => self.read_back(),
            640..720 => self.land(),
            720..800 => return self.acknowledge(),
            800..840 => {
                let owner = self.owner();
                if owner.stage == Stage::Acting {
                    owner.append_place()?;
                }
            }
            840..870 => self.save_begins(),
            870..900 => self.save_lands(),
            900..940 => self.time_passes(),
            940..950 => {
                let owner = self.owner();
                if owner.stage == Stage::Acting {
                    owner.partition.record_progress();
                }
            }
            950..965 => self.change_webhook(),
            965..975 => self.learn(),
            975..980 => self.receiver_fails_or_recovers(),
            980..986 => self.redis_fails(),
            986..993 => self.crash(),
            _ => self.freeze(),
        }
        self.perform()
    }

    fn owner(&mut self) -> &mut Owner {
        let last = self.owners.len() - 1;
        &mut self.owners[last]
    }

    /// Mostly the owner; sometimes one that it has followed.
    fn anyone(&mut self) -> usize {
        if self.rng.random_bool(0.3) {
            self.rng.random_range(0..self.owners.len())
        } else {
            self.owners.len() - 1
        }
    }

    // ---- fanout and the registry

    fn publish(&mut self) {
        let revision = self.changes.iter().map(|webhook| webhook.revision).max();
        let revision = revision.unwrap_or_default();
        if self.rng.random_bool(0.1) && !self.log.is_empty() {
            // Fanout has restarted: what it wrote last comes again, in order, under the newest view.
            let from = self.source - self.rng.random_range(0..8);
            let mut again: BTreeMap<i64, Vec<WebhookId>> = BTreeMap::new();
            for record in &self.log {
                let source = record.delivery.source.offset;
                if source >= from {
                    again.insert(source, record.webhooks.clone());
                }
            }
            for (source, webhooks) in again {
                self.append(source, webhooks, revision);
            }
            return;
        }
        self.source += 1;
        let active: Vec<WebhookId> = self.webhooks.iter().filter(|w| w.active).map(|w| w.id).collect();
        let webhooks: Vec<WebhookId> = active.into_iter().filter(|_| self.rng.random_bool(0.6)).collect();
        if !webhooks.is_empty() {
            self.append(self.source, webhooks, revision);
        }
    }

    fn append(&mut self, source: i64, webhooks: Vec<WebhookId>, revision: Revision) {
        for id in &webhooks {
            self.owed.entry(*id).or_default().insert(source);
        }
        let size = [2, 2, 2, 400][self.rng.random_range(0..4)];
        let offset = i64::try_from(self.log.len()).unwrap_or(i64::MAX);
        let delivery = Arc::new(delivery(source, self.now_ms, size, revision));
        self.tell(|| format!("record {offset}: event {source} for {webhooks:?} under {revision}"));
        self.log.push(Incoming {
            offset,
            delivery,
            webhooks,
        });
    }

    fn change_webhook(&mut self) {
        let number = self.rng.random_range(0..self.webhooks.len());
        let on = self.rng.random_bool(0.6);
        self.switch(number, on);
    }

    fn switch(&mut self, number: usize, active: bool) {
        let revision = i64::try_from(self.changes.len()).unwrap_or(i64::MAX) + 1;
        let webhook = &mut self.webhooks[number];
        webhook.active = active;
        webhook.revision = Revision::from_offset(revision);
        self.changes.push(webhook.clone());
        self.tell(|| format!("webhook {number} active: {active}, revision {revision}"));
    }

    fn learn(&mut self) {
        let now_ms = self.now_ms;
        let known = self.changes.len();
        let changes = self.changes.clone();
        let owner = self.owner();
        for webhook in &changes[owner.learnt..known] {
            owner.directory.put(webhook.clone());
        }
        if owner.learnt < known {
            owner.learnt = known;
            if owner.stage == Stage::Acting {
                owner.partition.refresh(now_ms);
            }
            self.tell(|| format!("the owner learns of {known} changes"));
        }
    }

    // ---- the owner's reading

    fn read_live(&mut self) {
        let now_ms = self.now_ms;
        let last = self.owners.len() - 1;
        for _ in 0..self.rng.random_range(1..5) {
            let owner = &mut self.owners[last];
            if owner.stage == Stage::Acting
                && let Some(record) = self.log.get(owner.live)
            {
                owner.partition.live(record, now_ms);
                owner.live += 1;
                let live = owner.live;
                self.tell(|| format!("the live position is {live}"));
            }
        }
    }

    fn read_back(&mut self) {
        let now_ms = self.now_ms;
        let count = self.rng.random_range(1..20);
        let last = self.owners.len() - 1;
        let owner = &mut self.owners[last];
        if owner.stage != Stage::Acting {
            return;
        }
        if let Some(from) = owner.partition.wanted_read(now_ms) {
            let start = usize::try_from(from).unwrap_or(0).min(self.log.len());
            let end = (start + count).min(self.log.len());
            let next = i64::try_from(end).unwrap_or(i64::MAX);
            owner
                .partition
                .read_back(from, next, &self.log[start..end], now_ms);
            self.tell(|| format!("{start}..{end} is read back"));
        }
    }

    // ---- calls

    /// Begins what the partition wants to send, if the owner may.
    fn perform(&mut self) -> Checked {
        for index in 0..self.owners.len() {
            let begun = self.owners[index].perform();
            for post in begun {
                let owner = &self.owners[index];
                if owner.is_frozen {
                    continue;
                }
                check_post(owner, &post, &self.topic)?;
                self.summary.calls += 1;
                let epoch = owner.epoch;
                self.tell(|| format!("[{epoch}] POST to {} begins: {:?}", post.webhook, post.offsets()));
                let owner = &mut self.owners[index];
                owner.heads.remove(&post.webhook);
                owner.posts.push(post);
            }
        }
        let queued = self.owner().partition.queued_bytes();
        // Every bound admits one event, and the group that is kept for its retry.
        if queued > MAX_QUEUED_BYTES + 1_000 {
            return Err(format!("{queued} bytes are queued"));
        }
        Ok(())
    }

    fn arrive(&mut self) -> Checked {
        let index = self.anyone();
        let refused = self.rng.random_bool(0.1);
        let owner = &mut self.owners[index];
        let Some(position) = owner.posts.iter().position(|post| !post.arrived) else {
            return Ok(());
        };
        let post = &mut owner.posts[position];
        if refused || self.down.contains(&post.webhook) {
            let post = owner.posts.remove(position);
            let verdict = self.failure();
            self.tell_answer(index, post.webhook, verdict);
        } else {
            post.arrived = true;
            let post = post.clone();
            self.tell(|| format!("{} gets {:?}", post.webhook, post.offsets()));
            self.receivers.receive(post.webhook, &post.group)?;
        }
        self.perform()
    }

    fn failure(&mut self) -> Verdict {
        match self.rng.random_range(0..6) {
            0 => Verdict::TooLarge,
            1 => Verdict::Refused,
            2 | 3 => Verdict::Retry {
                class: ErrorClass::NoAnswer(Failure::AnswerTimeout),
                not_before: None,
            },
            _ => Verdict::Retry {
                class: ErrorClass::ServerError,
                not_before: None,
            },
        }
    }

    fn answer(&mut self, faults: bool) {
        let index = self.anyone();
        let Some(position) = self.owners[index].posts.iter().position(|post| post.arrived) else {
            return;
        };
        let post = self.owners[index].posts.remove(position);
        // The receiver has it, but its answer may be lost (D6).
        let verdict = if faults && self.rng.random_bool(0.15) {
            self.failure()
        } else {
            Verdict::Delivered
        };
        self.tell_answer(index, post.webhook, verdict);
    }

    fn tell_answer(&mut self, index: usize, webhook: WebhookId, verdict: Verdict) {
        let answer = Answer {
            verdict,
            took_ms: self.rng.random_range(0..2_000),
            jitter: self.rng.random(),
        };
        let now_ms = self.now_ms;
        self.tell(|| format!("{webhook} answered {verdict:?}"));
        self.owners[index].partition.answered(webhook, answer, now_ms);
    }

    // ---- what is written

    fn land(&mut self) {
        let index = self.anyone();
        let owner = &mut self.owners[index];
        if let Some(append) = owner.appends.pop_front() {
            let epoch = owner.epoch;
            self.topic.write(epoch, &append);
            owner.landed.push_back(append.clone());
            self.tell(|| format!("[{epoch}] lands: {append:?}"));
        }
    }

    fn acknowledge(&mut self) -> Checked {
        let index = self.anyone();
        let now_ms = self.now_ms;
        let owner = &mut self.owners[index];
        let Some(append) = owner.landed.pop_front() else {
            return Ok(());
        };
        let told = format!("[{}] is acknowledged: {append:?}", owner.epoch);
        match append {
            Append::Cursor(webhook, Some(_)) => owner.partition.appended(webhook, now_ms),
            Append::Cursor(_, None) => {}
            Append::Place(place) => {
                owner.partition.place_is(place);
                if owner.stage == Stage::Completing {
                    owner.stage = Stage::Acting;
                    owner.live = usize::try_from(place).unwrap_or(0);
                    // What was learnt meanwhile.
                    owner.partition.refresh(now_ms);
                    self.topic.remove_below(owner.epoch);
                }
            }
        }
        self.tell(|| told);
        self.complete(index)?;
        self.perform()
    }

    /// The place is written when all that is to be asserted is acknowledged.
    fn complete(&mut self, index: usize) -> Checked {
        let owner = &mut self.owners[index];
        if owner.stage == Stage::Asserting && owner.appends.is_empty() && owner.landed.is_empty() {
            owner.stage = Stage::Completing;
            owner.append_place()?;
        }
        Ok(())
    }

    fn save_begins(&mut self) {
        let owner = self.owner();
        if owner.saving.is_none() && owner.stage == Stage::Acting {
            let checkpoint = owner.partition.take_checkpoint();
            owner.saving = Some(checkpoint).filter(|checkpoint| !checkpoint.is_empty());
        }
    }

    fn save_lands(&mut self) {
        let index = self.anyone();
        let away = self.redis_is_away;
        let owner = &mut self.owners[index];
        let Some(checkpoint) = owner.saving.take() else {
            return;
        };
        if away {
            return owner.partition.not_saved(checkpoint);
        }
        self.redis_before.push_back(self.redis.clone());
        if self.redis_before.len() > 5 {
            self.redis_before.pop_front();
        }
        let saved = self.redis.save(owner.epoch, &checkpoint);
        self.tell(|| format!("{saved:?} in Redis: {checkpoint:?}"));
        let owner = &mut self.owners[index];
        if saved != crate::checkpoint::Saved::Taken {
            owner.is_frozen = true;
        }
    }

    // ---- faults

    fn redis_fails(&mut self) {
        match self.rng.random_range(0..4) {
            0 => self.redis = Stored::default(),
            1 => {
                if let Some(before) = self.redis_before.pop_front() {
                    self.redis = before;
                    self.redis_before.clear();
                }
            }
            _ => self.redis_is_away = !self.redis_is_away,
        }
    }

    fn receiver_fails_or_recovers(&mut self) {
        let number = self.rng.random_range(0..self.webhooks.len());
        let id = self.webhooks[number].id;
        if !self.down.remove(&id) {
            self.down.insert(id);
        }
    }

    /// The owner dies, with all that it had under way but not written.
    fn crash(&mut self) {
        self.owners.pop();
        self.take_over();
    }

    /// The owner is frozen, and followed; what it had under way may still come.
    fn freeze(&mut self) {
        self.owner().is_frozen = true;
        if self.owners.len() > MAX_FROZEN {
            self.owners.remove(0);
        }
        self.take_over();
    }

    fn take_over(&mut self) {
        self.summary.takeovers += 1;
        let epoch = self.topic.claim();
        let found = self.topic.found();
        let memories = if self.redis_is_away {
            Memories::default()
        } else {
            self.redis.clone().into()
        };
        let learnt = self.rng.random_range(0..=self.changes.len());
        let mut newest: BTreeMap<WebhookId, Webhook> = BTreeMap::new();
        for webhook in &self.changes[..learnt] {
            newest.insert(webhook.id, webhook.clone());
        }
        let directory = Directory::fixed([], newest.into_values());
        let heads = heads(found.as_ref(), &memories);
        self.tell(|| format!("[{epoch}] takes over: {found:?}, {memories:?}"));
        let start = Start {
            epoch,
            found,
            memories,
            is_anew: false,
            ends: Watermarks {
                low: 0,
                high: i64::try_from(self.log.len()).unwrap_or(i64::MAX),
            },
            now_ms: self.now_ms,
            dice: self.rng.random(),
        };
        let mut owner = Owner {
            epoch,
            stage: Stage::Asserting,
            partition: Partition::take_over(self.lane, rules(), directory.clone(), start),
            directory,
            learnt,
            live: 0,
            appends: VecDeque::new(),
            landed: VecDeque::new(),
            place: -1,
            saving: None,
            posts: Vec::new(),
            heads,
            is_frozen: false,
        };
        owner.perform();
        self.owners.push(owner);
        let last = self.owners.len() - 1;
        // A place of its own: nothing has been written yet, so it cannot go back.
        if let Err(what) = self.complete(last) {
            unreachable!("{what}");
        }
    }

    // ---- the end

    fn time_passes(&mut self) {
        let by = self.rng.random_range(0..400);
        let due = self.owner().partition.next_due();
        let now_ms = match due {
            Some(due) if self.rng.random_bool(0.5) => due.max(self.now_ms),
            _ => self.now_ms + by,
        };
        self.now_ms = now_ms;
        if self.owner().stage == Stage::Acting {
            self.owner().partition.tick(now_ms);
        }
    }

    /// Without faults, until nothing is left to do.
    fn settle(&mut self) -> Checked {
        self.down.clear();
        self.redis_is_away = false;
        let last = self.owners.pop();
        self.owners.clear();
        self.owners.extend(last);
        for number in 0..self.webhooks.len() {
            self.switch(number, true);
        }
        if self.owner().is_frozen {
            self.crash();
        }
        for _ in 0..ROUNDS {
            self.learn();
            self.read_live();
            self.perform()?;
            for post in 0..self.owner().posts.len() {
                let post = &mut self.owner().posts[post];
                if !std::mem::replace(&mut post.arrived, true) {
                    let post = post.clone();
                    self.tell(|| format!("{} gets {:?}", post.webhook, post.offsets()));
                    self.receivers.receive(post.webhook, &post.group)?;
                }
            }
            self.answer(false);
            self.read_back();
            self.land();
            self.acknowledge()?;
            let due = self.owner().partition.next_due();
            self.now_ms = due.unwrap_or(self.now_ms).max(self.now_ms);
            if self.owner().stage == Stage::Acting {
                let now_ms = self.now_ms;
                self.owner().partition.tick(now_ms);
                self.owner().append_place()?;
            }
            self.perform()?;
            let all_live = self.owner().live == self.log.len();
            let end = i64::try_from(self.log.len()).unwrap_or(i64::MAX);
            let owner = self.owner();
            let idle = owner.posts.is_empty() && owner.appends.is_empty() && owner.landed.is_empty();
            if owner.stage == Stage::Acting && all_live && idle && owner.partition.is_at_rest(end) {
                return Ok(());
            }
        }
        let lacking = self.check_all_arrived();
        let waits = self.owner().partition.waits();
        Err(format!(
            "not all is done once the faults have stopped: {lacking:?}; {waits}"
        ))
    }

    fn check_all_arrived(&mut self) -> Checked {
        for (webhook, owed) in &self.owed {
            let lacks = self.receivers.lacks(*webhook, owed);
            if !lacks.is_empty() {
                return Err(format!("{webhook} never got {lacks:?}"));
            }
        }
        Ok(())
    }
}

/// What must hold of a POST that begins.
fn check_post(owner: &Owner, post: &Post, topic: &Topic) -> Checked {
    if owner.stage != Stage::Acting {
        return Err("a POST before the own set counts".to_owned());
    }
    if owner.posts.iter().any(|other| other.webhook == post.webhook) {
        return Err(format!("two POSTs of {} at once", post.webhook));
    }
    let offsets = post.offsets();
    let told = topic.told(post.webhook);
    if offsets.iter().any(|offset| *offset < told) {
        return Err(format!(
            "{} is sent {offsets:?} although a cursor says that all below {told} is done",
            post.webhook
        ));
    }
    if let Some(head) = owner.heads.get(&post.webhook)
        && offsets != head.offsets()
        && offsets.iter().any(|offset| head.contains(*offset))
    {
        return Err(format!(
            "{} failed with {:?} and is sent {offsets:?}",
            post.webhook,
            head.offsets()
        ));
    }
    Ok(())
}

/// The groups that failed, by the cursors that are found, but for those that Redis says were answered.
fn heads(
    found: Option<&crate::cursor::Found>,
    memories: &Memories,
) -> BTreeMap<WebhookId, crate::cursor::Head> {
    let Some(found) = found else {
        return BTreeMap::new();
    };
    let head = |(id, cursor): (&WebhookId, &crate::cursor::Cursor)| match &cursor.standing {
        Standing::Behind { head, .. } if !head.is_empty() => {
            let further = memories
                .webhooks
                .get(id)
                .is_some_and(|entry| entry.resume > cursor.resume);
            (!further).then(|| (*id, head.clone()))
        }
        _ => None,
    };
    found.cursors.iter().filter_map(head).collect()
}

fn rules() -> Rules {
    Rules {
        group: GroupLimit {
            events: 5,
            bytes: 2_000,
        },
        backoff: Backoff::default(),
        max_queued_bytes: MAX_QUEUED_BYTES,
    }
}

#[expect(clippy::expect_used, reason = "constants that are known to be right")]
fn webhook(number: u8) -> Webhook {
    Webhook {
        id: WebhookId::from_bytes([number; 16]),
        account: AccountId::new(ACCOUNT).expect("an account"),
        name: format!("hook {number}"),
        description: String::new(),
        target_url: TargetUrl::parse("http://127.0.0.1:1/").expect("a URL"),
        authentication: Authentication::None,
        event_types: vec![TypePattern::Exact(EventName::new("CI_STATS").expect("a name"))],
        active: true,
        timetable: Some(TimetableSpec {
            cron: "*/30 * * * * *".into(),
            time_zone: String::new(),
        }),
        ordering: Ordering::default(),
        payload_format: PayloadFormat::default(),
        limits: Limits::default(),
        dead_letter: None,
        disabled: None,
        generation: Generation::default(),
        revision: Revision::from_offset(i64::from(number)),
        created_at_ms: 0,
    }
}

#[expect(clippy::expect_used, reason = "a constant that is known to be right")]
fn delivery(source: i64, now_ms: i64, size: usize, revision: Revision) -> Delivery {
    Delivery {
        account: AccountId::new(ACCOUNT).expect("an account"),
        event_id: source.to_string(),
        event_name: "CI_STATS".into(),
        timestamp: 0,
        event_info: String::new(),
        data: Bytes::from(vec![b' '; size]),
        source: Position {
            partition: 0,
            offset: source,
        },
        accepted_at: AcceptedAt::from_unix_ms(now_ms),
        revision,
    }
}
