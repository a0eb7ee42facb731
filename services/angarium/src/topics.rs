//! `angarium topics apply`

use angarium_kafka::topics::{self, Change};
use anyhow::Context;
use serde_json::json;

use crate::cli::{Given, Shape};
use crate::output::{Row, list, print};
use crate::settings::Settings;

/// Creates what is missing and checks the rest; safe to run again.
///
/// # Errors
/// When Kafka cannot be reached, or holds topics that differ in a way that must not be changed in place.
pub(crate) async fn apply(given: &Given) -> anyhow::Result<()> {
    let settings = Settings::read(given, &["kafka", "topics"])?;
    let applied = topics::apply(
        &settings.kafka.connection(),
        &settings.topics.layout(&settings.kafka),
    )
    .await
    .with_context(|| format!("cannot bring the topics in line on {}", settings.kafka.bootstrap))?;
    let rows = applied.into_iter().map(|applied| {
        let change = describe(&applied.change);
        Row {
            json: json!({ "topic": applied.topic, "change": change }),
            cells: vec![applied.topic, change],
        }
    });
    print(&list(Shape::Table, &["topic", "change"], rows.collect()))
}

fn describe(change: &Change) -> String {
    match change {
        Change::Created => "created".to_owned(),
        Change::Altered(settings) => format!("altered: {}", settings.join(", ")),
        Change::Unchanged => "as it should be".to_owned(),
    }
}
