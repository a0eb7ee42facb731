//! `angarium webhook …`

mod about;
mod authentication;
mod filter;
mod reseal;
mod secret;
mod sending;

use std::process::ExitCode;

use angarium_model::AccountRef;
use angarium_proto::registry::v1::{
    CreateWebhookRequest, DeleteWebhookRequest, GetWebhookRequest, ListWebhooksRequest, Timetable,
    UndeleteWebhookRequest, UpdateWebhookRequest, Webhook,
};
use serde_json::{Value, json};

pub(super) use self::authentication::read_line;
pub(super) use self::filter::lookups_json;
pub(super) use self::secret::{SecretFile, put_away};
use super::call::present;
use super::registry::{Registry, request};
use super::{apply, replay, trial};
use crate::cli::{
    AtRegistry, ListArgs, Shape, Subject, TimetableArgs, WebhookChange, WebhookCommand, WebhookCreate,
    WebhookName, WebhookUpdate, WrongUse,
};
use crate::output::{Row, list, one, print, time};

const SUMMARY: [&str; 7] = [
    "id",
    "name",
    "active",
    "events",
    "authentication",
    "sending",
    "url",
];
/// Before those of [`sending`] and the revision.
const DETAILS: [&str; 12] = [
    "id",
    "account",
    "name",
    "description",
    "url",
    "authentication",
    "secret",
    "valid secrets",
    "events",
    "filter",
    "active",
    "timetable",
];

/// Runs one of the commands and prints the answer.
///
/// # Errors
/// When the service cannot be reached or refuses.
pub(crate) async fn run(command: WebhookCommand) -> anyhow::Result<ExitCode> {
    match command {
        WebhookCommand::Create(create) => self::create(*create).await,
        WebhookCommand::List { account, wanted, at } => self::list_all(account, wanted, &at).await,
        WebhookCommand::Export { account, at } => apply::export(account, &at).await,
        WebhookCommand::Get(name) => get(name).await,
        WebhookCommand::Update(update) => self::update(*update).await,
        WebhookCommand::Test(test) => return trial::run(test).await,
        WebhookCommand::TestFilter(test) => return filter::run(test).await,
        WebhookCommand::Replay(asked) => replay::replay(asked).await,
        WebhookCommand::ReplayStatus(asked) => replay::status(asked).await,
        WebhookCommand::ReplayCancel(asked) => replay::cancel(asked).await,
        WebhookCommand::Resend(asked) => replay::resend(asked).await,
        WebhookCommand::DeadLetters(asked) => replay::dead_letters(asked).await,
        WebhookCommand::RotateSecret(asked) => secret::rotate(asked).await,
        WebhookCommand::RevokeSecret(asked) => secret::revoke(asked).await,
        WebhookCommand::Reseal(at) => reseal::run(&at).await,
        WebhookCommand::Delete(name) => delete(name).await,
        WebhookCommand::Undelete(name) => undelete(name).await,
    }
    .map(|()| ExitCode::SUCCESS)
}

async fn create(create: WebhookCreate) -> anyhow::Result<()> {
    let mut registry = Registry::at(&create.at)?;
    let file = create.secret_file.as_deref().map(SecretFile::make).transpose()?;
    let mut webhook = Webhook {
        account_id: registry.accounts.id(create.account.as_ref()).await?,
        name: create.name,
        description: create.description,
        target_url: create.url,
        authentication: authentication::asked(create.method)?,
        event_types: create.events,
        filter: create.filter.filter.unwrap_or_default(),
        active: Some(create.active),
        timetable: timetable(create.timetable),
        ..Webhook::default()
    };
    about::apply(create.about, &mut webhook);
    sending::apply(&create.sending, &mut webhook);
    let sent = registry
        .calls
        .create_webhook(request(CreateWebhookRequest {
            webhook: Some(webhook),
            request_id: create.request_id,
        }))
        .await;
    let answer = registry.answer(sent)?;
    let mut webhook = present(answer.webhook)?;
    put_away(file, &answer.secret_json, &mut webhook)?;
    print_details(create.at.reach.output, &webhook)
}

async fn list_all(account: Option<AccountRef>, wanted: ListArgs, at: &AtRegistry) -> anyhow::Result<()> {
    let mut registry = Registry::at(at)?;
    let wanted = ListWebhooksRequest {
        account_id: registry.accounts.id(account.as_ref()).await?,
        active: wanted.active,
        event_type: wanted.event_type,
        tags: about::tags(wanted.tag).into_iter().collect(),
        text: wanted.text,
        deleted: wanted.deleted,
        ..ListWebhooksRequest::default()
    };
    let webhooks = registry.webhooks(wanted).await;
    let rows = registry.told(webhooks)?.iter().map(summary).collect();
    print(&list(at.reach.output, &SUMMARY, rows))
}

async fn get(name: WebhookName) -> anyhow::Result<()> {
    let mut registry = Registry::at(&name.at)?;
    let wanted = GetWebhookRequest {
        account_id: registry.accounts.id(name.of.account.as_ref()).await?,
        id: name.of.webhook,
    };
    let sent = registry.calls.get_webhook(request(wanted)).await;
    let webhook = present(registry.answer(sent)?.webhook)?;
    print_details(name.at.reach.output, &webhook)
}

async fn update(update: WebhookUpdate) -> anyhow::Result<()> {
    let WebhookUpdate {
        webhook: name,
        change,
    } = update;
    let mut wanted = changed(&name.of, change)?;
    let mut registry = Registry::at(&name.at)?;
    wanted.webhook.get_or_insert_default().account_id =
        registry.accounts.id(name.of.account.as_ref()).await?;
    let sent = registry.calls.update_webhook(request(wanted)).await;
    let webhook = present(registry.answer(sent)?.webhook)?;
    print_details(name.at.reach.output, &webhook)
}

/// Prints all of a webhook.
fn print_details(shape: Shape, webhook: &Webhook) -> anyhow::Result<()> {
    let mut headers = DETAILS.to_vec();
    headers.extend(about::HEADERS);
    headers.extend(sending::HEADERS);
    headers.push("revision");
    print(&one(shape, &headers, details(webhook)))
}

async fn delete(name: WebhookName) -> anyhow::Result<()> {
    let mut registry = Registry::at(&name.at)?;
    let wanted = DeleteWebhookRequest {
        account_id: registry.accounts.id(name.of.account.as_ref()).await?,
        id: name.of.webhook.clone(),
        revision: 0,
    };
    let sent = registry.calls.delete_webhook(request(wanted)).await;
    let until_ms = registry.answer(sent)?.deleted_until_ms;
    let until = (until_ms != 0).then(|| time(until_ms));
    let row = Row {
        cells: vec![
            name.of.webhook.clone(),
            until.clone().unwrap_or_else(|| "-".to_owned()),
        ],
        json: json!({ "deleted": name.of.webhook, "undeleteUntil": until }),
    };
    print(&one(name.at.reach.output, &["deleted", "undelete until"], row))
}

async fn undelete(name: WebhookName) -> anyhow::Result<()> {
    let mut registry = Registry::at(&name.at)?;
    let wanted = UndeleteWebhookRequest {
        account_id: registry.accounts.id(name.of.account.as_ref()).await?,
        id: name.of.webhook,
    };
    let sent = registry.calls.undelete_webhook(request(wanted)).await;
    let webhook = present(registry.answer(sent)?.webhook)?;
    print_details(name.at.reach.output, &webhook)
}

/// Only the fields that were given, and their names.
fn changed(of: &Subject, change: WebhookChange) -> anyhow::Result<UpdateWebhookRequest> {
    let mut webhook = Webhook {
        id: of.webhook.clone(),
        revision: change.revision,
        ..Webhook::default()
    };
    let mut paths: Vec<&str> = Vec::new();
    if let Some(text) = change.name {
        webhook.name = text;
        paths.push("name");
    }
    if let Some(description) = change.description {
        webhook.description = description;
        paths.push("description");
    }
    if let Some(url) = change.url {
        webhook.target_url = url;
        paths.push("target_url");
    }
    if let Some(events) = change.events {
        webhook.event_types = events;
        paths.push("event_types");
    }
    if let Some(filter) = change.filter.filter {
        webhook.filter = filter;
        paths.push("filter");
    }
    if let Some(active) = change.active {
        webhook.active = Some(active);
        paths.push("active");
    }
    webhook.authentication = authentication::asked(change.method)?;
    if webhook.authentication.is_some() {
        paths.push("authentication");
    }
    webhook.timetable = timetable(change.timetable);
    if webhook.timetable.is_some() {
        paths.push("timetable");
    }
    paths.extend(about::apply(change.about, &mut webhook));
    paths.extend(sending::apply(&change.sending, &mut webhook));
    // An empty mask would mean all fields, and so empty most of them.
    if paths.is_empty() {
        let told = WrongUse(
            "nothing to change: give at least one of --name, --description, --url, --events, --filter, \
            --active, --cron, --signature, --secret, --basic, --header, --no-auth, --send-header, --contact, --tag, --ordering, --payload-format, --max-group-events, \
            --max-group-bytes, --max-requests-per-second, --max-in-flight, --dead-letter-after",
        );
        return Err(told.into());
    }
    let mut request = UpdateWebhookRequest {
        webhook: Some(webhook),
        ..UpdateWebhookRequest::default()
    };
    request.update_mask.get_or_insert_default().paths = paths.into_iter().map(str::to_owned).collect();
    Ok(request)
}

fn timetable(given: TimetableArgs) -> Option<Timetable> {
    given.cron.map(|cron| Timetable {
        cron,
        time_zone: given.time_zone.unwrap_or_default(),
    })
}

pub(super) fn json(webhook: &Webhook) -> Value {
    let timetable = webhook.timetable.as_ref();
    let mut json = json!({
        "id": webhook.id,
        "account": webhook.account_id,
        "name": webhook.name,
        "description": webhook.description,
        "url": webhook.target_url,
        "events": webhook.event_types,
        "active": webhook.active.unwrap_or_default(),
        "timetable": timetable.map(|table| json!({ "cron": table.cron, "timeZone": table.time_zone })),
        "revision": webhook.revision,
        "createdAtMs": webhook.created_at_ms,
    });
    let more = [
        filter::json(webhook),
        about::json(webhook),
        authentication::json(webhook),
        sending::json(webhook),
    ];
    for more in more {
        if let (Value::Object(all), Value::Object(more)) = (&mut json, more) {
            all.extend(more);
        }
    }
    json
}

fn summary(webhook: &Webhook) -> Row {
    let json = json(webhook);
    let cells = vec![
        webhook.id.clone(),
        webhook.name.clone(),
        sending::state(webhook),
        filter::types(webhook),
        authentication::proof(webhook).to_owned(),
        sending::brief(webhook),
        webhook.target_url.clone(),
    ];
    Row { cells, json }
}

fn details(webhook: &Webhook) -> Row {
    let json = json(webhook);
    let timetable = webhook.timetable.as_ref();
    let mut cells = vec![
        webhook.id.clone(),
        webhook.account_id.to_string(),
        webhook.name.clone(),
        webhook.description.clone(),
        webhook.target_url.clone(),
        authentication::proof_in_full(webhook),
        authentication::secret(webhook).unwrap_or("not shown").to_owned(),
        authentication::valid(webhook),
        webhook.event_types.join(","),
        filter::cell(webhook),
        sending::state_in_full(webhook),
        timetable.map_or_else(
            || "the default".to_owned(),
            |table| format!("{} {}", table.cron, table.time_zone),
        ),
    ];
    cells.extend(about::cells(webhook));
    cells.extend(sending::cells(webhook));
    cells.push(webhook.revision.to_string());
    Row { cells, json }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn update(args: &[&str]) -> anyhow::Result<UpdateWebhookRequest> {
        let fixed = ["angarium", "webhook", "update", "--account", "7", "wh_1"];
        let cli = Cli::try_parse_from(fixed.iter().chain(args)).unwrap();
        let Command::Webhook {
            command: WebhookCommand::Update(update),
        } = cli.command
        else {
            panic!("{cli:?}")
        };
        changed(&update.webhook.of, update.change)
    }

    #[test]
    fn an_update_names_exactly_what_was_given() {
        let request = update(&[
            "--active",
            "false",
            "--events",
            "A,B_*",
            "--filter",
            "",
            "--revision",
            "5",
        ])
        .unwrap();
        assert_eq!(
            request.update_mask.unwrap().paths,
            ["event_types", "filter", "active"]
        );
        let webhook = request.webhook.unwrap();
        assert_eq!((webhook.id.as_str(), webhook.revision), ("wh_1", 5));
        assert_eq!(
            (webhook.active, webhook.event_types),
            (Some(false), vec!["A".to_owned(), "B_*".to_owned()])
        );
    }

    #[test]
    fn w4_an_update_of_one_limit_names_that_one_and_default_takes_it_away() {
        let request = update(&["--max-group-events", "default", "--dead-letter-after", "3"]).unwrap();
        let paths = request.update_mask.unwrap().paths;
        assert_eq!(paths, ["limits.max_group_events", "dead_letter"]);
        let webhook = request.webhook.unwrap();
        assert_eq!(webhook.limits.unwrap().max_group_events, None);
        assert_eq!(webhook.dead_letter.unwrap().after_attempts, 3);
    }

    #[test]
    fn w6_all_of_a_webhook_is_shown_with_a_line_for_each_column() {
        let columns = DETAILS.len() + about::HEADERS.len() + sending::HEADERS.len() + 1;
        let row = details(&Webhook::default());
        assert_eq!(row.cells.len(), columns);
        assert_eq!(row.json["ordering"], "ordered");
        assert_eq!(summary(&Webhook::default()).cells.len(), SUMMARY.len());
    }

    #[test]
    fn an_update_of_nothing_is_refused_since_it_would_empty_the_webhook() {
        assert!(update(&["--revision", "5"]).is_err());
    }

    #[test]
    fn authentication_is_changed_only_when_asked() {
        assert!(
            update(&["--name", "x"])
                .unwrap()
                .webhook
                .unwrap()
                .authentication
                .is_none()
        );
        let request = update(&["--no-auth"]).unwrap();
        assert_eq!(request.update_mask.unwrap().paths, ["authentication"]);
        assert_eq!(authentication::proof(&request.webhook.unwrap()), "none");
        let request = update(&["--secret", "whsec_x"]).unwrap();
        assert_eq!(authentication::secret(&request.webhook.unwrap()), Some("whsec_x"));
        let webhook = update(&["--basic", "us"]).unwrap().webhook.unwrap();
        assert_eq!(authentication::proof_in_full(&webhook), "basic, as us");
    }
}
