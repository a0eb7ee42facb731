//! `angarium account …`

use angarium_model::ExternalId;
use angarium_proto::registry::v1::{
    Account, CreateAccountRequest, DeleteAccountRequest, GetAccountRequest, Reaction, UpdateAccountRequest,
};
use serde_json::json;

use super::call::present;
use super::registry::{Registry, request};
use crate::cli::{
    AccountCommand, AccountCreate, AccountDelete, AccountName, AccountUpdate, AtRegistry, ReactionArg,
    WrongUse,
};
use crate::output::{Row, list, one, print};

const HEADERS: [&str; 6] = [
    "id",
    "external id",
    "name",
    "unknown types",
    "schema violations",
    "revision",
];

/// Runs one of the commands and prints the answer.
///
/// # Errors
/// When the registry cannot be reached or refuses.
pub(crate) async fn run(command: AccountCommand) -> anyhow::Result<()> {
    match command {
        AccountCommand::Create(create) => self::create(create).await,
        AccountCommand::Update(update) => self::update(update).await,
        AccountCommand::List(at) => list_all(&at).await,
        AccountCommand::Get(name) => get(name).await,
        AccountCommand::Delete(delete) => self::delete(delete).await,
    }
}

async fn create(create: AccountCreate) -> anyhow::Result<()> {
    let mut registry = Registry::at(&create.at)?;
    let account = Account {
        id: create.id,
        external_id: text(create.external_id.as_ref()),
        name: create.name,
        max_webhooks: create.max_webhooks,
        unknown_types: asked(create.strictness.unknown_types).into(),
        schema_violations: asked(create.strictness.schema_violations).into(),
        ..Account::default()
    };
    let sent = registry
        .calls
        .create_account(request(CreateAccountRequest {
            account: Some(account),
        }))
        .await;
    let account = present(registry.answer(sent)?.account)?;
    print(&one(create.at.reach.output, &HEADERS, row(account)))
}

async fn update(update: AccountUpdate) -> anyhow::Result<()> {
    let mut registry = Registry::at(&update.at)?;
    let named = [
        ("name", update.name.is_some()),
        ("max_webhooks", update.max_webhooks.is_some()),
        ("unknown_types", update.strictness.unknown_types.is_some()),
        ("schema_violations", update.strictness.schema_violations.is_some()),
        ("external_id", update.external_id.is_some()),
    ];
    let paths: Vec<String> = named
        .iter()
        .filter(|(_, named)| *named)
        .map(|(path, _)| (*path).to_owned())
        .collect();
    if paths.is_empty() {
        return Err(WrongUse("nothing is to be changed: give what is, for example --name").into());
    }
    let account = Account {
        id: registry.accounts.id(Some(&update.id)).await?,
        external_id: text(update.external_id.as_ref()),
        name: update.name.unwrap_or_default(),
        max_webhooks: update.max_webhooks.filter(|most| *most > 0),
        unknown_types: asked(update.strictness.unknown_types).into(),
        schema_violations: asked(update.strictness.schema_violations).into(),
        ..Account::default()
    };
    let mut change = UpdateAccountRequest {
        account: Some(account),
        update_mask: None,
    };
    change.update_mask.get_or_insert_default().paths = paths;
    let sent = registry.calls.update_account(request(change)).await;
    let account = present(registry.answer(sent)?.account)?;
    print(&one(update.at.reach.output, &HEADERS, row(account)))
}

async fn list_all(at: &AtRegistry) -> anyhow::Result<()> {
    let mut registry = Registry::at(at)?;
    let accounts = registry.all_accounts().await;
    let rows = registry.told(accounts)?.into_iter().map(row).collect();
    print(&list(at.reach.output, &HEADERS, rows))
}

async fn get(AccountName { account, at }: AccountName) -> anyhow::Result<()> {
    let mut registry = Registry::at(&at)?;
    let id = registry.accounts.id(Some(&account)).await?;
    let sent = registry
        .calls
        .get_account(request(GetAccountRequest { id }))
        .await;
    let account = present(registry.answer(sent)?.account)?;
    print(&one(at.reach.output, &HEADERS, row(account)))
}

async fn delete(AccountDelete { name, revision }: AccountDelete) -> anyhow::Result<()> {
    let mut registry = Registry::at(&name.at)?;
    let id = registry.accounts.id(Some(&name.account)).await?;
    let wanted = DeleteAccountRequest { id, revision };
    let sent = registry.calls.delete_account(request(wanted)).await;
    registry.answer(sent)?;
    Ok(())
}

fn text(external_id: Option<&ExternalId>) -> String {
    external_id.map(ToString::to_string).unwrap_or_default()
}

fn asked(reaction: Option<ReactionArg>) -> Reaction {
    match reaction {
        None => Reaction::Unspecified,
        Some(ReactionArg::Accept) => Reaction::Accept,
        Some(ReactionArg::Warn) => Reaction::Warn,
        Some(ReactionArg::Refuse) => Reaction::Refuse,
    }
}

const fn word(reaction: Reaction) -> &'static str {
    match reaction {
        Reaction::Unspecified => "default",
        Reaction::Accept => "accept",
        Reaction::Warn => "warn",
        Reaction::Refuse => "refuse",
    }
}

pub(super) fn row(account: Account) -> Row {
    let (unknown_types, schema_violations) =
        (word(account.unknown_types()), word(account.schema_violations()));
    let json = json!({
        "id": account.id,
        "externalId": Some(&account.external_id).filter(|text| !text.is_empty()),
        "name": account.name,
        "maxWebhooks": account.max_webhooks,
        "unknownTypes": unknown_types,
        "schemaViolations": schema_violations,
        "revision": account.revision,
        "createdAtMs": account.created_at_ms,
    });
    Row {
        cells: vec![
            account.id.to_string(),
            account.external_id,
            account.name,
            unknown_types.to_owned(),
            schema_violations.to_owned(),
            account.revision.to_string(),
        ],
        json,
    }
}
