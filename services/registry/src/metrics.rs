//! What the registry measures.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use angarium_runtime::metrics::{Definition, SHORT, figure_of};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};
use tokio::time::Instant;

use crate::refusal::Refusal;
use crate::sessions::{Kind, Sessions};
use crate::state::Holdings;
use crate::store::Store;

const ACCOUNTS: Definition = Definition::gauge(
    "angarium.registry.accounts",
    "{account}",
    &[],
    "Accounts; each registry knows all, so do not sum over them",
);
const WEBHOOKS: Definition = Definition::gauge(
    "angarium.registry.webhooks",
    "{webhook}",
    &["angarium.state"],
    "Webhooks: those that are on (`active`), switched off by their administrator (`inactive`), or by delivery (`disabled`: D3, 410); each \
     registry knows all, so do not sum over them",
);
const FOLLOWERS: Definition = Definition::gauge(
    "angarium.registry.followers",
    "{follower}",
    &["angarium.follower"],
    "Who follows this registry: a `service`, or another `registry`",
);
const BEHIND: Definition = Definition::gauge(
    "angarium.registry.followers.behind",
    "{follower}",
    &["angarium.follower"],
    "Of those, how many have not confirmed all there is: they hold up writes for a moment, and then do not act until they have",
);
const WRITES: Definition = Definition::seconds(
    "angarium.registry.write.duration",
    SHORT,
    &[],
    "From handing a change to the writer of its partition to its being in force everywhere",
);
const REFUSED: Definition = Definition::counter(
    "angarium.registry.writes.failed",
    "{write}",
    &["error.type"],
    "Changes that the writer did not make: it had too many to do (`busy`), Kafka did not say what became of them (`unknown`), or a rule \
     does not allow them (`refused`)",
);

const BUSY: &str = "busy";
const UNKNOWN: &str = "unknown";

/// All of it.
pub const METRICS: &[Definition] = &[ACCOUNTS, WEBHOOKS, FOLLOWERS, BEHIND, WRITES, REFUSED];

/// The instruments of writes; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Writes {
    took: Histogram<f64>,
    failed: Counter<u64>,
}

impl Writes {
    pub(crate) fn new() -> Self {
        let writes = Self {
            took: WRITES.measure(),
            failed: REFUSED.count(),
        };
        // There from the start: a rise from nothing is seen by no alert.
        for class in [BUSY, UNKNOWN] {
            writes.failed.add(0, &[KeyValue::new("error.type", class)]);
        }
        writes
    }

    pub(crate) fn ended<T>(&self, result: &Result<T, Refusal>, seconds: f64) {
        let class = match result {
            Ok(_) => return self.took.record(seconds, &[]),
            Err(Refusal::Busy) => BUSY,
            Err(Refusal::Unknown) => UNKNOWN,
            Err(_) => "refused",
        };
        self.failed.add(1, &[KeyValue::new("error.type", class)]);
    }
}

/// Counting looks at every webhook: whoever asks oftener gets what was counted last.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// How many there are.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    accounts: usize,
    active: usize,
    inactive: usize,
    disabled: usize,
}

/// What was counted last, and when.
type Counted = Arc<Mutex<Option<(Instant, Counts)>>>;

/// What is known, and who follows, is measured from now on.
pub(crate) fn observe(store: &Arc<Store>, sessions: &Arc<Sessions>) {
    let counted = Counted::default();
    let (known, last) = (Arc::clone(store), Arc::clone(&counted));
    ACCOUNTS.observe(move |tell| tell(figure_of(counts(&known, &last).accounts), &[]));
    let known = Arc::clone(store);
    WEBHOOKS.observe(move |tell| {
        let counts = counts(&known, &counted);
        for (state, count) in [
            ("active", counts.active),
            ("inactive", counts.inactive),
            ("disabled", counts.disabled),
        ] {
            tell(figure_of(count), &[KeyValue::new("angarium.state", state)]);
        }
    });
    for (definition, only_behind) in [(FOLLOWERS, false), (BEHIND, true)] {
        let sessions = Arc::clone(sessions);
        definition.observe(move |tell| {
            for (kind, name) in [(Kind::Service, "service"), (Kind::Registry, "registry")] {
                tell(
                    figure_of(sessions.count(kind, only_behind)),
                    &[KeyValue::new("angarium.follower", name)],
                );
            }
        });
    }
}

fn counts(store: &Store, counted: &Counted) -> Counts {
    let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, counts)) = *counted
        && at.elapsed() < COUNT_EVERY
    {
        return counts;
    }
    let mut counts = Counts::default();
    // Shared, so that they are counted without the store's lock.
    let homes: Vec<Arc<Holdings>> = store.read(|state| state.holdings().cloned().collect());
    for holdings in homes {
        counts.accounts += usize::from(holdings.account().is_some());
        for webhook in holdings.webhooks() {
            *match (webhook.active, &webhook.disabled) {
                (true, _) => &mut counts.active,
                (false, None) => &mut counts.inactive,
                (false, Some(_)) => &mut counts.disabled,
            } += 1;
        }
    }
    *counted = Some((Instant::now(), counts));
    counts
}
