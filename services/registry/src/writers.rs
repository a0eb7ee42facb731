//! Who writes an account: a writer here, or another registry.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use angarium_kafka::{Connection, Lease, partition_of};
use angarium_proto::convert::{
    Secrets, account_to_wire, api_key_to_wire, event_type_to_wire, webhook_to_wire,
};
use angarium_proto::registry::v1;
use angarium_runtime::{Clock, Tasks};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use uuid::Uuid;

use crate::Config;
use crate::election::Mandate;
use crate::home::Home;
use crate::plan::{Rules, Shown};
use crate::queue::Queue;
use crate::record::{Claim, Entity};
use crate::sessions::Sessions;
use crate::store::Store;
use crate::writer::Writer;

/// Cheap handle to the writers.
#[derive(Clone, Debug)]
pub(crate) struct Writers {
    /// By partition.
    doors: Arc<[Door]>,
    store: Arc<Store>,
    /// What this registry says of itself where it writes.
    claim: Claim,
    partitions: NonZeroU32,
}

/// Where writes of a partition are taken, if here.
#[derive(Clone, Debug)]
pub(crate) struct Door(Arc<watch::Sender<Option<Open>>>);

/// Writes are taken here.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) queue: Queue,
    /// As long as it lasts nobody else can be the writer.
    pub(crate) lease: Lease,
}

/// Who writes a partition, as far as this registry knows.
#[derive(Debug)]
pub(crate) enum Author {
    /// It was never written, or by one that has ended.
    Nobody,
    This(Open),
    /// Another registry, reached there.
    Other(String),
    /// This registry did, and does not now.
    Unknown,
}

/// Watches where writes of a partition are taken.
#[derive(Debug)]
pub(crate) struct Moves {
    door: Option<watch::Receiver<Option<Open>>>,
}

/// Before another registry is asked again whether it takes writes.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What a write left behind; nothing after a deletion.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) entity: Option<Entity>,
    /// What the answer shows this once.
    pub(crate) shown: Shown,
    /// Whether anything was written.
    pub(crate) is_new: bool,
    /// The partition and offset from which on it can be read.
    pub(crate) place: (i32, i64),
}

impl Stored {
    pub(crate) fn account(&self) -> Option<v1::Account> {
        match &self.entity {
            Some(Entity::Account(account)) => Some(account_to_wire(account)),
            _ => None,
        }
    }

    /// The webhook, with its secret if this write set it.
    pub(crate) fn webhook(&self) -> Option<v1::Webhook> {
        let secrets = match self.shown {
            Shown::Secret => Secrets::Current,
            Shown::Nothing | Shown::Token(_) => Secrets::Omit,
        };
        match &self.entity {
            Some(Entity::Webhook(webhook)) => Some(webhook_to_wire(webhook, secrets)),
            _ => None,
        }
    }

    /// Until when what was deleted may be brought back, Unix milliseconds; 0: it is gone.
    pub(crate) fn deleted_until_ms(&self) -> i64 {
        match &self.entity {
            Some(Entity::Deleted(deleted)) => deleted.until_ms,
            _ => 0,
        }
    }

    /// The webhook's secret as a document, if this write set it; else empty.
    pub(crate) fn secret_json(&self) -> String {
        match (&self.entity, &self.shown) {
            (Some(Entity::Webhook(webhook)), Shown::Secret) => angarium_webhooks::secret_json(webhook),
            _ => String::new(),
        }
    }

    pub(crate) fn api_key(&self) -> Option<v1::ApiKey> {
        match &self.entity {
            Some(Entity::ApiKey(key)) => Some(api_key_to_wire(key, Secrets::Omit)),
            _ => None,
        }
    }

    pub(crate) fn event_type(&self) -> Option<v1::EventType> {
        match &self.entity {
            Some(Entity::EventType(own)) => Some(event_type_to_wire(own)),
            _ => None,
        }
    }

    /// What the bearer of the API key presents, if this write made it; else empty.
    pub(crate) fn token(&self) -> String {
        match &self.shown {
            Shown::Token(token) => token.expose(),
            Shown::Nothing | Shown::Secret => String::new(),
        }
    }
}

impl Door {
    fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    pub(crate) fn open(&self, queue: Queue, lease: Lease) {
        self.0.send_replace(Some(Open { queue, lease }));
    }

    pub(crate) fn close(&self) {
        self.0.send_replace(None);
    }
}

impl Writers {
    /// Starts a writer for each mandate that comes.
    pub(crate) fn start(
        config: &Config,
        endpoint: &str,
        (connection, (topic, audit), partitions): (&Connection, (&str, &str), NonZeroU32),
        mut mandates: mpsc::Receiver<Mandate>,
        (store, sessions, clock): (&Arc<Store>, &Arc<Sessions>, &Clock),
        tasks: &Tasks,
    ) -> Self {
        let doors: Arc<[Door]> = (0..partitions.get()).map(|_| Door::new()).collect();
        let writers = Self {
            doors,
            store: Arc::clone(store),
            claim: Claim {
                endpoint: endpoint.to_owned(),
                incarnation: Uuid::new_v4().simple().to_string(),
            },
            partitions,
        };
        let (config, connection) = (config.clone(), connection.clone());
        let (topic, audit) = (topic.to_owned(), audit.to_owned());
        let clock = clock.clone();
        let (this, sessions, writing) = (writers.clone(), Arc::clone(sessions), tasks.clone());
        // Its end is the end of the membership: reads and followers are served all the same, and others write.
        tasks.spawn("registry mandates", async move {
            while let Some(mandate) = mandates.recv().await {
                let Some(door) = this.door(mandate.partition) else {
                    tracing::error!(
                        partition = mandate.partition,
                        "the registry topic has got more partitions: start the registry again"
                    );
                    continue;
                };
                let writer = Writer {
                    connection: connection.clone(),
                    topic: topic.clone(),
                    audit: audit.clone(),
                    client_id: format!("{}-writer", crate::CLIENT_ID),
                    claim: this.claim.clone(),
                    timeout: config.write_timeout,
                    max_waiting: config.max_waiting.get(),
                    rules: Rules {
                        webhooks_per_account: config.webhooks_per_account,
                        deleted_webhooks_kept: config.deleted_webhooks_kept,
                    },
                    clock: clock.clone(),
                    keys: config.seal_keys.clone(),
                    store: Arc::clone(&this.store),
                    sessions: Arc::clone(&sessions),
                    door: door.clone(),
                };
                writing.spawn("registry writer", writer.run(mandate));
            }
        });
        writers
    }

    fn door(&self, partition: i32) -> Option<&Door> {
        self.doors.get(usize::try_from(partition).ok()?)
    }

    /// The partition that holds what belongs there.
    pub(crate) fn partition_of(&self, home: Home) -> i32 {
        partition_of(home.partition_key().as_bytes(), self.partitions)
    }

    /// Who writes a partition.
    pub(crate) fn author(&self, partition: i32) -> Author {
        let open = self.door(partition).and_then(|door| door.0.borrow().clone());
        if let Some(open) = open {
            return Author::This(open);
        }
        match self.store.read(|state| state.writer(partition).cloned()) {
            None => Author::Nobody,
            Some(claim) if claim.incarnation == self.claim.incarnation => Author::Unknown,
            // What this registry was before it was started again is no more.
            Some(claim) if claim.endpoint == self.claim.endpoint => Author::Nobody,
            Some(claim) => Author::Other(claim.endpoint),
        }
    }

    /// Who writes, by partition.
    pub(crate) fn authors(&self) -> impl Iterator<Item = Author> {
        (0_i32..)
            .zip(self.doors.iter())
            .map(|(partition, _)| self.author(partition))
    }

    /// Tells of changes of the author of a partition from now on.
    pub(crate) fn moves(&self, partition: i32) -> Moves {
        Moves {
            door: self.door(partition).map(|door| door.0.subscribe()),
        }
    }
}

impl Moves {
    /// Resolves once writes are taken here, or it is time to look again: of another registry's door there is no sign
    /// here.
    pub(crate) async fn next(&mut self) {
        let opened = async {
            match &mut self.door {
                Some(door) => door.changed().await.ok(),
                None => std::future::pending().await,
            }
        };
        // The sender does not end before the service does.
        tokio::select! {
            _ = opened => {}
            () = sleep(LOOK_AGAIN) => {}
        }
    }
}
