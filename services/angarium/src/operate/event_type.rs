//! `angarium event-type …`

use std::path::Path;

use angarium_model::OwnType;
use angarium_proto::InvalidWire;
use angarium_proto::convert::event_type_from_wire;
use angarium_proto::registry::v1::{
    CreateEventTypeRequest, DeleteEventTypeRequest, EventClass, EventType, GetEventTypeRequest,
    UpdateEventTypeRequest,
};
use anyhow::Context as _;
use serde_json::{Value, json};

use super::call::present;
use super::file;
use super::registry::{Registry, request};
use crate::cli::{
    AtRegistry, ClassArg, EventTypeCommand, EventTypeCreate, EventTypeDelete, EventTypeGet, EventTypeList,
    EventTypeOpenapi, EventTypeUpdate, Shape, WrongUse,
};
use crate::output::{Row, list, one, print};

const HEADERS: [&str; 4] = ["name", "of", "class", "sent when"];

/// Runs one of the commands and prints the answer.
///
/// # Errors
/// When the registry cannot be reached or refuses, and when there is no such type.
pub(crate) async fn run(command: EventTypeCommand) -> anyhow::Result<()> {
    match command {
        EventTypeCommand::List(list) => list_all(&list).await,
        EventTypeCommand::Get(get) => self::get(get).await,
        EventTypeCommand::Create(create) => self::create(create).await,
        EventTypeCommand::Update(update) => self::update(update).await,
        EventTypeCommand::Delete(delete) => self::delete(delete).await,
        EventTypeCommand::Openapi(openapi) => self::openapi(openapi).await,
    }
}

async fn list_all(wanted: &EventTypeList) -> anyhow::Result<()> {
    let mut registry = Registry::at(&wanted.at)?;
    let account = registry.accounts.home(wanted.account.as_ref()).await?;
    let all = registry.event_types(account, class(wanted.class)).await;
    let rows = registry
        .told(all)?
        .iter()
        .map(row)
        .collect::<anyhow::Result<_>>()?;
    print(&list(wanted.at.reach.output, &HEADERS, rows))
}

async fn get(get: EventTypeGet) -> anyhow::Result<()> {
    let mut registry = Registry::at(&get.at)?;
    let wanted = GetEventTypeRequest {
        account_id: registry.accounts.home(get.account.as_ref()).await?,
        name: get.name,
    };
    let sent = registry.calls.get_event_type(request(wanted)).await;
    show(&get.at, &present(registry.answer(sent)?.event_type)?)
}

async fn create(create: EventTypeCreate) -> anyhow::Result<()> {
    let mut registry = Registry::at(&create.at)?;
    let event_type = EventType {
        name: create.name,
        event_class: class(Some(create.class)).into(),
        account_id: registry.accounts.home(create.home.account.as_ref()).await?,
        description: create.like.description.unwrap_or_default(),
        schema: text(create.like.schema.as_deref(), "--schema")?,
        example: text(create.like.example.as_deref(), "--example")?,
        ..EventType::default()
    };
    let wanted = CreateEventTypeRequest {
        event_type: Some(event_type),
    };
    let sent = registry.calls.create_event_type(request(wanted)).await;
    show(&create.at, &present(registry.answer(sent)?.event_type)?)
}

async fn update(update: EventTypeUpdate) -> anyhow::Result<()> {
    let named = [
        ("description", update.like.description.is_some()),
        ("schema", update.like.schema.is_some()),
        ("example", update.like.example.is_some()),
    ];
    let named = named.iter().filter(|(_, is_named)| *is_named);
    let paths: Vec<String> = named.map(|(path, _)| (*path).to_owned()).collect();
    if paths.is_empty() {
        return Err(WrongUse("nothing is to be changed: give what is, for example --schema").into());
    }
    let mut registry = Registry::at(&update.at)?;
    let event_type = EventType {
        name: update.name,
        account_id: registry.accounts.home(update.home.account.as_ref()).await?,
        description: update.like.description.unwrap_or_default(),
        schema: text(update.like.schema.as_deref(), "--schema")?,
        example: text(update.like.example.as_deref(), "--example")?,
        revision: update.revision,
        ..EventType::default()
    };
    let mut change = UpdateEventTypeRequest {
        event_type: Some(event_type),
        allow_incompatible: update.allow_incompatible,
        update_mask: None,
    };
    change.update_mask.get_or_insert_default().paths = paths;
    let sent = registry.calls.update_event_type(request(change)).await;
    show(&update.at, &present(registry.answer(sent)?.event_type)?)
}

async fn delete(delete: EventTypeDelete) -> anyhow::Result<()> {
    let mut registry = Registry::at(&delete.at)?;
    let wanted = DeleteEventTypeRequest {
        account_id: registry.accounts.home(delete.home.account.as_ref()).await?,
        name: delete.name,
        revision: delete.revision,
    };
    let sent = registry.calls.delete_event_type(request(wanted)).await;
    registry.answer(sent)?;
    Ok(())
}

async fn openapi(openapi: EventTypeOpenapi) -> anyhow::Result<()> {
    let own = match &openapi.account {
        None => Vec::new(),
        given @ Some(_) => {
            let mut registry = Registry::at(&openapi.at)?;
            let account = registry.accounts.id(given.as_ref()).await?;
            own(&mut registry, account).await?
        }
    };
    print(&(pretty(&angarium_catalogue::openapi(&own)) + "\n"))
}

/// The types that events of an account may have beside those of the catalogue.
pub(super) async fn own(registry: &mut Registry, account: u64) -> anyhow::Result<Vec<OwnType>> {
    let all = registry.event_types(Some(account), EventClass::Unspecified).await;
    let own = registry.told(all)?.into_iter().filter(|known| !known.built_in);
    // Its own count before those of the platform.
    let (of_account, of_platform): (Vec<_>, Vec<_>) = own.partition(|known| known.account_id.is_some());
    let read = of_account
        .into_iter()
        .chain(of_platform)
        .map(|known| event_type_from_wire(known).map_err(InvalidWire));
    let read: Result<_, _> = read.collect();
    read.context("the registry told of a type that is none; are its version and that of this command apart?")
}

fn show(at: &AtRegistry, known: &EventType) -> anyhow::Result<()> {
    let row = row(known)?;
    let parts = (row.json["schema"].clone(), row.json["example"].clone());
    print(&one(at.reach.output, &HEADERS, row))?;
    match at.reach.output {
        Shape::Json => Ok(()),
        Shape::Table => print(&format!(
            "\nschema of data\n{}\n\nexample\n{}\n",
            pretty(&parts.0),
            pretty(&parts.1)
        )),
    }
}

fn class(given: Option<ClassArg>) -> EventClass {
    match given {
        None => EventClass::Unspecified,
        Some(ClassArg::Realtime) => EventClass::Realtime,
        Some(ClassArg::Batch) => EventClass::Batch,
    }
}

/// What is in a file that may be given.
fn text(file: Option<&Path>, flag: &str) -> anyhow::Result<String> {
    let text = file.map(|file| file::read(file, flag)).transpose()?;
    Ok(text.map(|text| text.trim().to_owned()).unwrap_or_default())
}

/// As other commands show it too.
pub(super) fn row(known: &EventType) -> anyhow::Result<Row> {
    let parsed = |what: &str, text: &str| -> anyhow::Result<Value> {
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(text).with_context(|| format!("the {what} of {} is no JSON", known.name))
    };
    let class = match known.event_class() {
        EventClass::Realtime => "realtime",
        EventClass::Batch => "batch",
        EventClass::Unspecified => "unknown",
    };
    let of = match (known.built_in, known.account_id) {
        (true, _) => "catalogue".to_owned(),
        (false, None) => "platform".to_owned(),
        (false, Some(account)) => account.to_string(),
    };
    Ok(Row {
        cells: vec![
            known.name.clone(),
            of.clone(),
            class.to_owned(),
            known.description.clone(),
        ],
        json: json!({
            "name": known.name,
            "of": of,
            "version": known.version,
            "revision": known.revision,
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
