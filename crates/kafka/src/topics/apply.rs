//! Brings a cluster in line with a layout.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigResource, ConfigSource, NewTopic, OwnedResourceSpecifier,
    ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;

use super::{Layout, Spec};
use crate::connection::{Connection, Log};
use crate::error::{Conflict, Error};

/// How long the cluster has for one administrative request.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// Creates the topics of `layout` that are missing and checks the others; doing it again changes nothing.
///
/// All topics are checked before the first is created or changed.
///
/// # Errors
/// If Kafka does not answer or refuses, or if a topic differs in a way that must not be changed in place: its number
/// of partitions, fewer replicas, a longer retention, another cleanup policy.
pub async fn apply(connection: &Connection, layout: &Layout) -> Result<Vec<Applied>, Error> {
    let admin: AdminClient<Log> = connection
        .client("angarium-topics")
        .create_with_context(Log::new("angarium-topics"))
        .map_err(Error::Client)?;
    let options = AdminOptions::new()
        .request_timeout(Some(PATIENCE))
        .operation_timeout(Some(PATIENCE));
    let specs = layout.specs();
    let existing = shapes(connection, PATIENCE).await?;
    let (present, missing): (Vec<_>, Vec<_>) =
        specs.iter().partition(|spec| existing.contains_key(&spec.name));

    let mut checked = Vec::new();
    if !present.is_empty() {
        let resources: Vec<_> = present
            .iter()
            .map(|spec| ResourceSpecifier::Topic(&spec.name))
            .collect();
        let described = admin
            .describe_configs(&resources, &options)
            .await
            .map_err(|source| unanswered(connection, "the settings of topics", source))?;
        for described in described {
            let described = described.map_err(|code| {
                unanswered(connection, "the settings of a topic", KafkaError::AdminOp(code))
            })?;
            let is_of =
                |spec: &&&Spec| described.specifier == OwnedResourceSpecifier::Topic(spec.name.clone());
            if let Some(spec) = present.iter().find(is_of) {
                let wrong = differences(
                    spec,
                    existing.get(&spec.name).copied().unwrap_or_default(),
                    &described,
                )?;
                checked.push((*spec, wrong, described));
            }
        }
    }
    create(&admin, &options, &missing).await?;
    let mut changes: BTreeMap<&str, Change> = missing
        .iter()
        .map(|spec| (spec.name.as_str(), Change::Created))
        .collect();
    for (spec, wrong, described) in &checked {
        let change = if wrong.is_empty() {
            Change::Unchanged
        } else {
            alter(&admin, &options, spec, described).await?;
            Change::Altered(wrong.clone())
        };
        changes.insert(&spec.name, change);
    }
    Ok(changes
        .into_iter()
        .map(|(topic, change)| Applied {
            topic: topic.to_owned(),
            change,
        })
        .collect())
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
    count.ok_or_else(|| Error::NoTopic {
        topic: topic.to_owned(),
        bootstrap: connection.bootstrap().to_owned(),
    })
}

/// What Kafka says of a topic's shape.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    partitions: u32,
    /// Of the partition that has the fewest.
    replication: usize,
}

/// Asks for all topics rather than for ours: to ask for a topic by name can create it.
async fn shapes(connection: &Connection, timeout: Duration) -> Result<HashMap<String, Shape>, Error> {
    let client = connection.client("angarium-topics");
    let fetched = tokio::task::spawn_blocking(move || {
        let client: BaseConsumer<Log> = client.create_with_context(Log::new("angarium-topics"))?;
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

async fn create(admin: &AdminClient<Log>, options: &AdminOptions, missing: &[&Spec]) -> Result<(), Error> {
    if missing.is_empty() {
        return Ok(());
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
    let created = admin.create_topics(&topics, options).await;
    for result in created.map_err(|source| refused("(all)".to_owned(), source))? {
        result.map_err(|(topic, code)| refused(topic, KafkaError::AdminOp(code)))?;
    }
    Ok(())
}

/// Sets what is wanted. The call replaces all settings of the topic, so those that others have set are sent along.
async fn alter(
    admin: &AdminClient<Log>,
    options: &AdminOptions,
    spec: &Spec,
    described: &ConfigResource,
) -> Result<(), Error> {
    let mut altered = AlterConfig::new(ResourceSpecifier::Topic(&spec.name));
    for entry in described
        .entries
        .iter()
        .filter(|entry| entry.source == ConfigSource::DynamicTopic)
    {
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
    for result in admin.alter_configs([&altered], options).await.map_err(refused)? {
        result.map_err(|(_topic, code)| refused(KafkaError::AdminOp(code)))?;
    }
    Ok(())
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
