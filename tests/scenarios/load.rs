//! A stream at a steady rate while workers and servers come and go.

use std::cell::{Cell, Ref, RefCell};
use std::time::Duration;

use angarium_testkit::receiver::{Answer, Received, Receiver, Settings};
use angarium_testkit::stack::{Backends, Publisher, Stack};
use angarium_testkit::tracker::Count;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::senders::{Forgotten, Senders, Worker};
use crate::setup::assert_all_verified;
use crate::stream::{Stream, WEBHOOKS, hook};

/// Longer than anything may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// DESIGN §8: of a killed worker at most the last 200 ms of a partition come again, and the group in flight of each
/// webhook. The 200 ms are `delivery.checkpoint_interval`; Redis has 1 s to take a checkpoint. A group in flight that
/// has not arrived is no duplicate, and one that has is counted with its time.
pub(crate) const REMEMBERED_EVERY: Duration = Duration::from_millis(200 + 1_000);
/// Between two batches. With eight accounts and more there are webhooks in every partition, but for one run in 20,000.
const TICK: Duration = Duration::from_millis(100);
/// Events of a batch: one of each type of the catalogue, so that each of the account's webhooks gets some in both lanes.
const BATCH: usize = 27;
/// Which webhook of each account fails in scenarios where a fifth does.
const FAILING: usize = WEBHOOKS - 1;
/// A webhook that has failed for minutes is soon found to be back.
const SOON_AGAIN: [(&str, &str); 2] = [
    ("ANGARIUM_DELIVERY_RETRY_FIRST", "200ms"),
    ("ANGARIUM_DELIVERY_RETRY_CAP", "1s"),
];

/// A receiver, and a stack of this many delivery workers whose senders it tells apart.
pub(crate) async fn start(backends: &Backends, workers: usize) -> (Receiver, Stack) {
    let settings = Settings {
        senders: true,
        ..Settings::default()
    };
    let receiver = Receiver::with(settings).await.unwrap();
    let mut stack = Stack::start_with(backends, &SOON_AGAIN).await.unwrap();
    for _ in 1..workers {
        stack.add_delivery().unwrap();
    }
    (receiver, stack)
}

/// The workers that run, in the order in which they were started.
pub(crate) fn workers(stack: &Stack) -> Vec<Worker> {
    stack.delivery.iter().map(|process| process.id()).collect()
}

/// The stream: [`Load::run`] publishes while the scenario goes on beside it.
pub(crate) struct Load<'a> {
    receiver: &'a Receiver,
    publisher: Publisher,
    stream: RefCell<Stream>,
    /// How many batches.
    published: watch::Sender<usize>,
    is_paused: Cell<bool>,
    is_stopped: Cell<bool>,
    /// A batch that is refused for want of Kafka is published again, as producers do.
    bears_refusals: Cell<bool>,
    refused: watch::Sender<usize>,
}

impl<'a> Load<'a> {
    /// Creates accounts and their webhooks.
    pub(crate) async fn set_up(stack: &Stack, receiver: &'a Receiver, accounts: u64) -> Self {
        let stream = Stream::set_up(stack, receiver, accounts).await;
        Self {
            receiver,
            publisher: stack.publisher(),
            stream: RefCell::new(stream),
            published: watch::Sender::new(0),
            is_paused: Cell::new(false),
            is_stopped: Cell::new(false),
            bears_refusals: Cell::new(false),
            refused: watch::Sender::new(0),
        }
    }

    /// Publishes a batch to one account after the other, until it is stopped. The rate is the scenario's; nothing waits
    /// for time to pass.
    pub(crate) async fn run(&self) {
        let accounts = self.stream.borrow().accounts;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for account in (1..=accounts).cycle() {
            ticks.tick().await;
            if self.is_stopped.get() {
                return;
            }
            if self.is_paused.get() {
                continue;
            }
            let body = self.stream.borrow_mut().batch(account, BATCH);
            self.publish(account, &body).await;
            self.published.send_modify(|published| *published += 1);
        }
    }

    /// Publishes until it is accepted.
    async fn publish(&self, account: u64, body: &str) {
        loop {
            let reply = self
                .publisher
                .publish(account, "application/x-ndjson", body.to_owned())
                .await
                .unwrap();
            if reply.status != 503 || !self.bears_refusals.get() {
                assert_eq!(reply.status, 202, "{:?}", reply.json());
                return;
            }
            let events = u64::try_from(BATCH).unwrap();
            self.stream.borrow_mut().last_are_published_again(events);
            self.refused.send_modify(|refused| *refused += 1);
        }
    }

    /// From now on a refusal for want of Kafka is borne.
    pub(crate) fn bears_refusals(&self) {
        self.bears_refusals.set(true);
    }

    /// Waits until a batch is refused.
    pub(crate) async fn until_refused(&self) {
        let mut refused = self.refused.subscribe();
        let before = *refused.borrow();
        let waited = refused.wait_for(|refused| *refused > before);
        timeout(LIMIT, waited).await.expect("a refusal").unwrap();
    }

    /// Has a fifth of the webhooks answer like this from now on.
    pub(crate) fn a_fifth_answers(&self, status: u16) {
        for account in 1..=self.stream.borrow().accounts {
            self.receiver
                .always(&hook(account, FAILING), Answer::Status(status));
        }
    }

    /// Waits until the condition holds for what was received.
    pub(crate) async fn until(
        &self,
        stack: &Stack,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut(&Senders) -> bool,
    ) {
        let holds = |received: &[Received]| {
            self.stream.borrow_mut().look(received);
            condition(self.stream.borrow().senders())
        };
        let waited = self.receiver.wait_for(what, limit, holds).await;
        waited.unwrap_or_else(|error| panic!("{}; {error}\n{}", self.stream.borrow().count(), stack.logs()));
    }

    /// Waits until each worker has its share of the partitions.
    pub(crate) async fn until_shared_out(&self, stack: &Stack) {
        let workers = workers(stack);
        let shared = |senders: &Senders| senders.are_shared_out(&workers);
        self.until(stack, "each worker with its share", LIMIT, shared)
            .await;
    }

    /// Waits until so many more batches were published.
    pub(crate) async fn until_published(&self, batches: usize) {
        let mut published = self.published.subscribe();
        let enough = *published.borrow() + batches;
        let waited = published.wait_for(|published| *published >= enough);
        timeout(LIMIT, waited).await.expect("the stream flows").unwrap();
    }

    /// Waits until each of these has taken an event that is published from now on.
    pub(crate) async fn until_served(&self, stack: &Stack, limit: Duration, hooks: &[String]) {
        let from = self.stream.borrow().next();
        let served = |senders: &Senders| {
            let mut newest = hooks.iter().map(|hook| senders.target(hook).newest);
            newest.all(|newest| newest >= Some(from))
        };
        self.until(stack, "new events at all other webhooks", limit, served)
            .await;
    }

    /// Those webhooks of the real-time lane that do not fail, by hook and lane. The batch lane waits for its timetable:
    /// it tells less of times.
    pub(crate) fn healthy(&self, of: impl Fn(Worker) -> bool) -> Vec<String> {
        let failing = format!("-{FAILING} ");
        let senders = self.senders();
        let healthy = senders.targets().filter(|(hook, target)| {
            hook.ends_with("realtime") && !hook.contains(&failing) && target.owner.is_some_and(&of)
        });
        healthy.map(|(hook, _)| hook.to_owned()).collect()
    }

    pub(crate) fn senders(&self) -> Ref<'_, Senders> {
        Ref::map(self.stream.borrow(), Stream::senders)
    }

    /// Silences are measured from now on.
    pub(crate) fn hush(&self) {
        self.stream.borrow_mut().hush();
    }

    /// Nothing is published until [`Load::resume`]. Waits until all that was has arrived.
    pub(crate) async fn pause_until_all_arrived(&self, stack: &Stack) {
        self.is_paused.set(true);
        self.until_all_arrived(stack).await;
    }

    pub(crate) fn resume(&self) {
        self.is_paused.set(false);
    }

    async fn until_all_arrived(&self, stack: &Stack) {
        let all = |received: &[Received]| self.stream.borrow_mut().look(received);
        let arrived = self.receiver.wait_for("every event", LIMIT, all).await;
        arrived.unwrap_or_else(|error| panic!("{}; {error}\n{}", self.stream.borrow().count(), stack.logs()));
    }

    /// Ends [`Load::run`].
    pub(crate) fn stop(&self) {
        self.is_stopped.set(true);
    }

    /// Waits until every event has come. None may be lost or out of order, and only what these workers have not had
    /// remembered may come again: what each has done is remembered at least so often.
    pub(crate) async fn assert_all_arrived(
        &self,
        stack: &Stack,
        victims: &[Victim],
        remembered_every: Duration,
    ) {
        self.until_all_arrived(stack).await;
        let forgotten = |victim: &Victim| Forgotten {
            by: victim.worker,
            since: victim.at - remembered_every,
        };
        let forgotten: Vec<Forgotten> = victims.iter().map(forgotten).collect();
        let stream = self.stream.borrow();
        let (count, most) = (stream.count(), stream.senders().may_repeat(&forgotten));
        println!(
            "{} deliveries: {count} (at most {most} duplicates)",
            stream.expected()
        );
        let none = Count {
            duplicates: 0,
            ..count
        };
        assert_eq!(none, Count::default(), "lost and disorder are none");
        let unexplained = stream.senders().unexplained(&forgotten);
        let shown = unexplained.get(..10).unwrap_or(&unexplained).join("\n");
        assert!(
            unexplained.is_empty() && count.duplicates <= most,
            "{count}, of at most {most} duplicates; {} are of events that were remembered:\n{shown}\n{}",
            unexplained.len(),
            stack.logs()
        );
        assert_all_verified(self.receiver);
    }
}

/// A worker that was killed or frozen.
pub(crate) struct Victim {
    pub(crate) worker: Worker,
    pub(crate) at: Instant,
}

impl Victim {
    /// Signals a worker.
    pub(crate) fn signal(stack: &mut Stack, index: usize, signal: Signal) -> Self {
        let process = &mut stack.delivery[index];
        let victim = Self {
            worker: process.id(),
            at: Instant::now(),
        };
        process.signal(signal).unwrap();
        victim
    }

    /// Kills a worker.
    pub(crate) fn kill(stack: &mut Stack, index: usize) -> Self {
        let victim = Self::signal(stack, index, Signal::KILL);
        // It has ended; this takes note.
        stack.delivery[index].kill().unwrap();
        victim
    }
}

/// From an instant to the first calls of new owners: the first and the last of these webhooks, in seconds.
pub(crate) fn taken_over_after(load: &Load<'_>, from: Instant, hooks: &[String]) -> (f64, f64) {
    let senders = load.senders();
    let since = |hook: &String| senders.target(hook).since.duration_since(from).as_secs_f64();
    let times = hooks.iter().map(since);
    times.fold((f64::INFINITY, 0.0), |(first, last), time| {
        (f64::min(first, time), f64::max(last, time))
    })
}
