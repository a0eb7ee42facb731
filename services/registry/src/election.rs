//! Which partitions this registry writes.

use std::time::Duration;

use angarium_kafka::{Connection, Error, GroupConfig, GroupConsumer, Lease, Owned};
use angarium_runtime::{Shutdown, Tasks};
use tokio::sync::mpsc;

/// How it is settled who writes a partition of the registry topic.
#[derive(Clone, Debug)]
pub enum Election {
    /// This registry is the only one, and writes all.
    Alone,
    /// Registries share the partitions as members of a consumer group.
    Group {
        /// The group.
        group: String,
        /// What this one is called in it: of it alone, and the same when it is started again.
        name: String,
        /// One that is silent for so long loses its partitions to others.
        session_timeout: Duration,
    },
}

/// That this registry is to write a partition.
#[derive(Debug)]
pub(crate) struct Mandate {
    pub(crate) partition: i32,
    /// Absent when nobody else could be given the partition.
    owned: Option<Owned>,
    shutdown: Shutdown,
}

/// The membership ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("the registry is no member of its consumer group any more; the log says why")]
struct LeftGroup;

/// The topic is followed in another way: what the group's own consumer reads of it is dropped.
const BUFFERED_RECORDS: usize = 256;
const BUFFERED_BYTES: usize = 1 << 20;

impl Mandate {
    /// How long nobody else can have it.
    pub(crate) fn lease(&self) -> Lease {
        self.owned.as_ref().map_or_else(Lease::endless, Owned::lease)
    }

    /// Resolves when another may be given the partition, or has it already, or the process ends. Safe in `select!`.
    pub(crate) async fn ended(&mut self) {
        let Some(owned) = &mut self.owned else {
            return self.shutdown.begun().await;
        };
        let revoked = owned.revoked();
        tokio::pin!(revoked);
        loop {
            tokio::select! {
                biased;
                () = &mut revoked => return,
                record = owned.recv() => match record {
                    Some(record) => owned.commit(record.offset + 1),
                    None => return,
                },
            }
        }
    }
}

/// Mandates, as they come. The channel ends when there will be no more.
pub(crate) fn stand(
    election: &Election,
    connection: &Connection,
    topic: &str,
    partitions: i32,
    tasks: &Tasks,
) -> Result<mpsc::Receiver<Mandate>, Box<Error>> {
    let (mandates, elected) = mpsc::channel(1);
    let shutdown = tasks.shutdown().clone();
    let mandate = move |partition, owned| Mandate {
        partition,
        owned,
        shutdown: shutdown.clone(),
    };
    match election {
        Election::Alone => tasks.spawn("registry election", async move {
            for partition in 0..partitions {
                // Nobody takes mandates any more once the process ends.
                mandates.send(mandate(partition, None)).await.ok();
            }
        }),
        Election::Group {
            group,
            name,
            session_timeout,
        } => {
            let config = GroupConfig {
                group: group.clone(),
                topic: topic.to_owned(),
                client_id: name.clone(),
                session_timeout: *session_timeout,
                max_buffered_records: BUFFERED_RECORDS,
                max_buffered_bytes: BUFFERED_BYTES,
            };
            let (_member, mut partitions) =
                GroupConsumer::start(connection, config, tasks).map_err(Box::new)?;
            let shutdown = tasks.shutdown().clone();
            // Without its membership the process would live on and write nothing: it ends, and is started again.
            tasks.spawn_critical("registry election", async move {
                while let Some(mut owned) = partitions.recv().await {
                    // A member's lease lives on the commits of what it reads, and it reads only what comes from now on.
                    owned.start(owned.watermarks().high);
                    mandates.send(mandate(owned.partition(), Some(owned))).await.ok();
                }
                if shutdown.has_begun() {
                    Ok(())
                } else {
                    Err(LeftGroup)
                }
            });
        }
    }
    Ok(elected)
}
