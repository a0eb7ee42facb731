//! The world: what happens next, and what must hold.

mod calls;
mod calm;
mod cut;
mod deleting;
mod fanout;
mod faults;
mod few;
mod orders;
mod reading;
mod removed;
mod scale;
mod settling;
mod unordered;
mod writing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use angarium_model::{
    DeadLetter, Lane, Limits, MaxAttempts, MaxGroupEvents, MaxRequestsPerSecond, PayloadFormat, Webhook,
    WebhookId,
};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use self::calm::Calm;
use self::cut::Cut;
use self::deleting::Deleting;
use self::few::Few;
use self::removed::Told;
use self::scale::Scale;
use self::unordered::Unordered;
use super::cursors::Topic;
use super::fanout::{self as events, Fanout};
use super::fixtures::{Change, webhook};
use super::happened::What;
use super::owner::{Owner, Stage};
use super::receivers::Receivers;
use super::{Breach, Summary};
use crate::checkpoint::Stored;
use crate::hook::Order;
use crate::partition::Incoming;

const START_MS: i64 = 1_727_414_643_000;
/// Steps with faults.
const STEPS: usize = 600;

pub(super) struct World {
    seed: u64,
    rng: SmallRng,
    lane: Lane,
    scale: Scale,
    /// Weeks may pass: what waits leaves Kafka.
    is_long: bool,
    step: usize,
    now_ms: i64,
    webhooks: Vec<Webhook>,
    /// Those that came later.
    created: BTreeSet<WebhookId>,
    /// Every change of a webhook, in order.
    changes: Vec<Change>,
    log: Vec<Incoming>,
    /// What stands in the log beside events.
    orders: BTreeMap<i64, (WebhookId, Order)>,
    /// When each record was appended.
    appended: Vec<i64>,
    fanout: Fanout,
    topic: Topic,
    redis: Stored,
    redis_before: VecDeque<Stored>,
    redis_is_away: bool,
    /// How likely it is that there is room for a call; `None`: always.
    has_room: Option<f64>,
    /// The last one owns the partition.
    owners: Vec<Owner>,
    receivers: Receivers,
    unordered: Unordered,
    few: Few,
    cut: Cut,
    deleting: Deleting,
    calm: Calm,
    /// Webhooks whose receivers are down.
    down: BTreeSet<WebhookId>,
    owed: BTreeMap<WebhookId, BTreeSet<i64>>,
    /// What was told to have left Kafka.
    told: Told,
    /// What was put aside on record, or was too old to be sent.
    given_up: BTreeMap<WebhookId, BTreeSet<i64>>,
    summary: Summary,
    /// What happened, for a person who looks into a breach.
    story: Option<Vec<String>>,
}

type Checked = Result<(), String>;

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let lane = Lane::ALL[usize::from(rng.random_bool(0.4))];
        let mut fanout = Fanout::new(seed, lane);
        let mut webhooks: Vec<Webhook> = (0..rng.random_range(1..5))
            .filter_map(events::number)
            .zip(1..)
            .map(|(number, revision)| settings(webhook(number, true, revision), &mut rng))
            .collect();
        for webhook in &mut webhooks {
            webhook.event_types = fanout.taste();
        }
        let unordered = Unordered::new(seed, &mut webhooks);
        let has_room = rng.random_bool(0.5).then(|| rng.random_range(0.1..1.0));
        let scale = Scale::any(&mut rng);
        let is_long = rng.random_bool(0.08);
        let few = Few::new(&webhooks, &mut rng);
        let changes: Vec<Change> = webhooks.iter().map(Change::put).collect();
        fanout.begin(&changes);
        Self {
            seed,
            rng,
            lane,
            scale,
            is_long,
            step: 0,
            now_ms: START_MS,
            changes,
            fanout,
            webhooks,
            created: BTreeSet::new(),
            log: Vec::new(),
            orders: BTreeMap::new(),
            appended: Vec::new(),
            topic: Topic::new(lane),
            redis: Stored::default(),
            redis_before: VecDeque::new(),
            redis_is_away: false,
            has_room,
            owners: Vec::new(),
            receivers: Receivers::default(),
            unordered,
            few,
            cut: Cut::new(seed),
            deleting: Deleting::new(seed),
            calm: Calm::new(seed),
            down: BTreeSet::new(),
            owed: BTreeMap::new(),
            told: Told::default(),
            given_up: BTreeMap::new(),
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
        let checked = ran
            .and_then(|()| self.check_all_arrived())
            .and_then(|()| self.check_removed_is_told())
            .and_then(|()| self.check_replays());
        match checked {
            Ok(()) => Ok(Summary {
                owed: self.owed.values().map(BTreeSet::len).sum(),
                given_up: self.given_up.values().map(BTreeSet::len).sum(),
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
        self.take_over(None);
        for step in 0..STEPS {
            self.step = step;
            if self.cut.is_due(step) {
                self.cut_log()?;
            }
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Checked {
        match self.rng.random_range(0..1_000) {
            0..100 => self.publish(),
            100..160 if self.cut.is_unseen => self.cut_log_grows()?,
            100..170 if self.cut.is_open => {}
            100..160 => self.fan_out()?,
            160..165 => self.order(),
            165..170 => self.resend(),
            170..330 => {
                let index = self.anyone_reading();
                self.read_live(index)?;
            }
            330..440 => return self.arrive(),
            440..560 => self.answer(true),
            560..640 => {
                let index = self.anyone_reading();
                self.read_back(index)?;
            }
            640..720 => self.land(),
            720..800 => return self.acknowledge(),
            800..840 => {
                let index = self.anyone_reading();
                let owner = &mut self.owners[index];
                if owner.stage == Stage::Acting {
                    owner.append_place()?;
                }
            }
            840..870 => self.save_begins(),
            870..900 => self.save_lands(),
            900..935 => self.time_passes(),
            935..943 => self.put_aside_lands(),
            943..950 => {
                let index = self.anyone_reading();
                let owner = &mut self.owners[index];
                if owner.stage == Stage::Acting {
                    owner.partition.record_progress();
                }
            }
            950..964 => self.change_webhook(),
            964 => self.create_webhook(),
            965..975 => self.learn(),
            975..980 => self.receiver_fails_or_recovers(),
            980..1_000 if self.calm.holds() => {}
            980..986 => self.redis_fails(),
            986..993 => self.crash(),
            993..995 => self.rejoin(),
            _ => self.freeze(),
        }
        self.perform()
    }

    fn note(&mut self, what: What) {
        self.summary.happened.note(what);
    }

    fn note_if(&mut self, happened: bool, what: What) {
        if happened {
            self.note(what);
        }
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

    /// Mostly the owner; sometimes one that it has followed, and that does not know: it does all but send.
    fn anyone_reading(&mut self) -> usize {
        let index = if self.rng.random_bool(0.1) {
            self.rng.random_range(0..self.owners.len())
        } else {
            self.owners.len() - 1
        };
        if self.owners[index].is_superseded {
            return self.owners.len() - 1;
        }
        self.note_if(index + 1 < self.owners.len(), What::ZombieReads);
        index
    }
}

/// What a webhook asks for, at random.
fn settings(webhook: Webhook, rng: &mut SmallRng) -> Webhook {
    let limits = Limits {
        max_group_events: MaxGroupEvents::new(rng.random_range(0..6)).ok(),
        max_requests_per_second: MaxRequestsPerSecond::new(rng.random_range(0..8)).ok(),
        ..Limits::default()
    };
    let dead_letter = MaxAttempts::new(rng.random_range(0..4)).ok();
    Webhook {
        limits: if rng.random_bool(0.3) {
            limits
        } else {
            Limits::default()
        },
        payload_format: if rng.random_bool(0.1) {
            PayloadFormat::Single
        } else {
            PayloadFormat::Envelope
        },
        dead_letter: dead_letter
            .filter(|_| rng.random_bool(0.4))
            .map(|after_attempts| DeadLetter { after_attempts }),
        ..webhook
    }
}
