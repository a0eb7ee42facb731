//! Brings a cluster in line with a layout.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigEntry, ConfigResource, ConfigSource, NewTopic,
    OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::time::Instant;

use super::{Layout, Spec};
use crate::connection::{Connection, Log};
use crate::error::{Conflict, Error};

/// How long the cluster has for one administrative request.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks for a topic that has just been created.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const CLIENT_ID: &str = "angarium-topics";

/// What [`apply`] did with a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its name.
    pub topic: String,
    /// What was done.
    pub change: Change,
}

/// What was done with a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Created,
    /// These settings were not as wanted, and now are.
    Altered(Vec<&'static str>),
    /// It was as wanted.
    Unchanged,
}

/// Creates the topics of `layout` that are missing and checks the others; doing it again changes nothing. Returns when
/// all of them can be used.
///
/// What exists is checked before the first topic is created or changed.
///
/// # Errors
/// If Kafka does not answer or refuses, or if a topic differs in a way that must not be changed in place: its number
/// of partitions, fewer replicas, a longer retention, another cleanup policy.
pub async fn apply(connection: &Connection, layout: &Layout) -> Result<Vec<Applied>, Error> {
    let admin = Admin::new(connection)?;
    let specs = layout.specs();
    let deadline = Instant::now() + PATIENCE;
    let mut created: BTreeSet<String> = BTreeSet::new();
    let existing = loop {
        let shapes = shapes(connection, PATIENCE).await?;
        let unknown = |spec: &&Spec| !shapes.contains_key(&spec.name);
        let (missing, present): (Vec<_>, Vec<_>) = specs.iter().partition(unknown);
        let existing = present
            .into_iter()
            .filter(|spec| !created.contains(&spec.name))
            .collect();
        let existing = admin.check(existing, &shapes).await?;
        let leaderless = |name: &&String| shapes.get(*name).is_some_and(|shape| !shape.has_leaders);
        let awaited = missing.first().map(|spec| &spec.name);
        let Some(awaited) = awaited.or_else(|| created.iter().find(leaderless)) else {
            break existing;
        };
        if Instant::now() > deadline {
            return Err(no_topic(connection, awaited));
        }
        // A broker knows of a new topic, whoever has created it, and of its leaders, a moment after its creation.
        let new: Vec<_> = missing
            .into_iter()
            .filter(|spec| !created.contains(&spec.name))
            .collect();
        created.extend(admin.create(&new).await?);
        tokio::time::sleep(LOOK_AGAIN).await;
    };
    let mut changes: BTreeMap<String, Change> =
        created.into_iter().map(|name| (name, Change::Created)).collect();
    for (spec, wrong, described) in existing {
        let change = if wrong.is_empty() {
            Change::Unchanged
        } else {
            admin.alter(spec, &described).await?;
            Change::Altered(wrong)
        };
        changes.insert(spec.name.clone(), change);
    }
    let applied = changes
        .into_iter()
        .map(|(topic, change)| Applied { topic, change });
    Ok(applied.collect())
}

/// How many partitions `topic` has.
///
/// # Errors
/// If it does not exist, or Kafka does not answer within `timeout`.
pub async fn partitions(
    connection: &Connection,
    topic: &str,
    timeout: Duration,
) -> Result<NonZeroU32, Error> {
    let shapes = shapes(connection, timeout).await?;
    let count = shapes
        .get(topic)
        .and_then(|shape| NonZeroU32::new(shape.partitions));
    count.ok_or_else(|| no_topic(connection, topic))
}

/// What Kafka says of a topic's shape.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    partitions: u32,
    /// Of the partition that has the fewest.
    replication: usize,
    /// Whether every partition can be written to and read.
    pub(super) has_leaders: bool,
}

/// Asks for all topics rather than for ours: to ask for a topic by name can create it.
pub(super) async fn shapes(
    connection: &Connection,
    timeout: Duration,
) -> Result<HashMap<String, Shape>, Error> {
    let client = connection.client(CLIENT_ID);
    let fetched = tokio::task::spawn_blocking(move || {
        let client: BaseConsumer<Log> = client.create_with_context(Log::new(CLIENT_ID))?;
        client.fetch_metadata(None, timeout)
    });
    let metadata = fetched
        .await
        .map_err(|_unfinished| Error::Ending)?
        .map_err(|source| unanswered(connection, "its topics", source))?;
    let shape = |topic: &rdkafka::metadata::MetadataTopic| Shape {
        partitions: u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX),
        replication: topic
            .partitions()
            .iter()
            .map(|partition| partition.replicas().len())
            .min()
            .unwrap_or(0),
        has_leaders: topic.partitions().iter().all(|partition| partition.leader() >= 0),
    };
    Ok(metadata
        .topics()
        .iter()
        .map(|topic| (topic.name().to_owned(), shape(topic)))
        .collect())
}

/// The settings that are to be changed, if the topic may be brought in line at all.
fn differences(spec: &Spec, shape: Shape, described: &ConfigResource) -> Result<Vec<&'static str>, Error> {
    let conflict = |what, has: String, wanted: String| {
        Err(Error::Conflict {
            topic: spec.name.clone(),
            what,
            has,
            wanted,
        })
    };
    if shape.partitions != spec.partitions.get() {
        return conflict(
            Conflict::Partitions,
            shape.partitions.to_string(),
            spec.partitions.to_string(),
        );
    }
    if shape.replication < usize::from(spec.replication.get()) {
        return conflict(
            Conflict::Replication,
            shape.replication.to_string(),
            spec.replication.to_string(),
        );
    }
    let mut wrong = Vec::new();
    for (name, wanted) in &spec.configs {
        let has = described
            .get(name)
            .and_then(|entry| entry.value.as_deref())
            .unwrap_or_default();
        if has == wanted {
            continue;
        }
        match *name {
            "cleanup.policy" => return conflict(Conflict::CleanupPolicy, has.to_owned(), wanted.clone()),
            "retention.ms" if shrinks(has, wanted) => {
                return conflict(Conflict::Retention, has.to_owned(), wanted.clone());
            }
            _ => wrong.push(*name),
        }
    }
    Ok(wrong)
}

/// Whether `wanted` keeps records for less time. Kafka writes "for ever" as -1.
fn shrinks(has: &str, wanted: &str) -> bool {
    let kept = |text: &str| {
        text.parse::<i64>()
            .map_or(i64::MAX, |ms| if ms < 0 { i64::MAX } else { ms })
    };
    kept(wanted) < kept(has)
}

/// A topic that exists, the settings that are to be changed, and all that it has.
pub(super) type Checked<'a> = (&'a Spec, Vec<&'static str>, ConfigResource);

pub(super) struct Admin<'a> {
    connection: &'a Connection,
    client: AdminClient<Log>,
    options: AdminOptions,
}

impl<'a> Admin<'a> {
    pub(super) fn new(connection: &'a Connection) -> Result<Self, Error> {
        let client = connection.client(CLIENT_ID);
        let client = client
            .create_with_context(Log::new(CLIENT_ID))
            .map_err(Error::Client)?;
        let options = AdminOptions::new()
            .request_timeout(Some(PATIENCE))
            .operation_timeout(Some(PATIENCE));
        Ok(Self {
            connection,
            client,
            options,
        })
    }

    pub(super) async fn check<'s>(
        &self,
        existing: Vec<&'s Spec>,
        shapes: &HashMap<String, Shape>,
    ) -> Result<Vec<Checked<'s>>, Error> {
        if existing.is_empty() {
            return Ok(Vec::new());
        }
        let unanswered = |source| unanswered(self.connection, "the settings of topics", source);
        let resources: Vec<_> = existing
            .iter()
            .map(|spec| ResourceSpecifier::Topic(&spec.name))
            .collect();
        let answer = self.client.describe_configs(&resources, &self.options).await;
        let mut checked = Vec::new();
        for described in answer.map_err(unanswered)? {
            let described = described.map_err(|code| unanswered(KafkaError::AdminOp(code)))?;
            let is_of =
                |spec: &&&Spec| described.specifier == OwnedResourceSpecifier::Topic(spec.name.clone());
            if let Some(spec) = existing.iter().find(is_of) {
                let shape = shapes.get(&spec.name).copied().unwrap_or_default();
                let wrong = differences(spec, shape, &described)?;
                checked.push((*spec, wrong, described));
            }
        }
        Ok(checked)
    }

    /// The names of those that it has created: the others are there already.
    async fn create(&self, missing: &[&Spec]) -> Result<Vec<String>, Error> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let topics: Vec<_> = missing
            .iter()
            .map(|spec| {
                let replication = TopicReplication::Fixed(spec.replication_i32());
                let topic = NewTopic::new(&spec.name, spec.partitions_i32(), replication);
                spec.configs
                    .iter()
                    .fold(topic, |topic, (name, value)| topic.set(name, value))
            })
            .collect();
        let refused = |topic: String, source| Error::Refused {
            action: "create",
            topic,
            source,
        };
        let answer = self.client.create_topics(&topics, &self.options).await;
        let mut created = Vec::new();
        for result in answer.map_err(|source| refused("(all)".to_owned(), source))? {
            match result {
                Ok(name) => created.push(name),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(refused(topic, KafkaError::AdminOp(code))),
            }
        }
        Ok(created)
    }

    /// Sets what is wanted. The call replaces all settings of the topic, so those that others have set are sent along.
    async fn alter(&self, spec: &Spec, described: &ConfigResource) -> Result<(), Error> {
        let mut altered = AlterConfig::new(ResourceSpecifier::Topic(&spec.name));
        let set_by_others = |entry: &&ConfigEntry| entry.source == ConfigSource::DynamicTopic;
        for entry in described.entries.iter().filter(set_by_others) {
            if let Some(value) = &entry.value {
                altered = altered.set(&entry.name, value);
            }
        }
        for (name, value) in &spec.configs {
            altered = altered.set(name, value);
        }
        let refused = |source| Error::Refused {
            action: "change",
            topic: spec.name.clone(),
            source,
        };
        let answer = self.client.alter_configs([&altered], &self.options).await;
        for result in answer.map_err(refused)? {
            result.map_err(|(_topic, code)| refused(KafkaError::AdminOp(code)))?;
        }
        Ok(())
    }
}

fn no_topic(connection: &Connection, topic: &str) -> Error {
    Error::NoTopic {
        topic: topic.to_owned(),
        bootstrap: connection.bootstrap().to_owned(),
    }
}

fn unanswered(connection: &Connection, asked: &'static str, source: KafkaError) -> Error {
    Error::Unanswered {
        bootstrap: connection.bootstrap().to_owned(),
        asked,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::shrinks;

    #[test]
    fn for_ever_is_longer_than_any_time() {
        assert!(shrinks("-1", "604800000"));
        assert!(!shrinks("604800000", "-1"));
        assert!(shrinks("604800000", "604799999"));
        assert!(!shrinks("604799999", "604800000"));
    }
}
