//! `angarium event-type …`

use angarium_proto::registry::v1::{EventClass, EventType, ListEventTypesRequest};
use anyhow::Context as _;
use serde_json::{Value, json};

use super::registry::{Registry, request};
use crate::cli::{AtRegistry, EventTypeCommand, EventTypeGet, Shape};
use crate::output::{Row, list, one, print};

const HEADERS: [&str; 3] = ["name", "class", "sent when"];

/// Runs one of the commands and prints the answer.
///
/// # Errors
/// When the registry cannot be reached or refuses, and when there is no such type.
pub(crate) async fn run(command: EventTypeCommand) -> anyhow::Result<()> {
    match command {
        EventTypeCommand::List(at) => {
            let rows = all(&at).await?.iter().map(row).collect::<anyhow::Result<_>>()?;
            print(&list(at.reach.output, &HEADERS, rows))
        }
        EventTypeCommand::Get(get) => self::get(&get).await,
        EventTypeCommand::Openapi => print(&(pretty(&angarium_catalogue::openapi()) + "\n")),
    }
}

async fn get(get: &EventTypeGet) -> anyhow::Result<()> {
    let all = all(&get.at).await?;
    let found = all.iter().find(|known| known.name == get.name);
    let found = found.with_context(|| {
        let name = &get.name;
        format!("there is no event type {name}; `angarium event-type list` shows those there are")
    })?;
    let row = row(found)?;
    let parts = (row.json["schema"].clone(), row.json["example"].clone());
    print(&one(get.at.reach.output, &HEADERS, row))?;
    match get.at.reach.output {
        Shape::Json => Ok(()),
        Shape::Table => print(&format!(
            "\nschema of data\n{}\n\nexample\n{}\n",
            pretty(&parts.0),
            pretty(&parts.1)
        )),
    }
}

async fn all(at: &AtRegistry) -> anyhow::Result<Vec<EventType>> {
    let mut registry = Registry::at(at)?;
    let sent = registry
        .calls
        .list_event_types(request(ListEventTypesRequest {}))
        .await;
    Ok(registry.answer(sent)?.event_types)
}

fn row(known: &EventType) -> anyhow::Result<Row> {
    let parsed = |what: &str, text: &str| -> anyhow::Result<Value> {
        serde_json::from_str(text).with_context(|| format!("the {what} of {} is no JSON", known.name))
    };
    let class = match known.event_class() {
        EventClass::Realtime => "realtime",
        EventClass::Batch => "batch",
        EventClass::Unspecified => "unknown",
    };
    Ok(Row {
        cells: vec![known.name.clone(), class.to_owned(), known.description.clone()],
        json: json!({
            "name": known.name,
            "class": class,
            "description": known.description,
            "schema": parsed("schema", &known.schema)?,
            "example": parsed("example", &known.example)?,
        }),
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}
