//! `angarium key …`

use angarium_model::{Role, Scope, Scopes};
use angarium_proto::convert::{grant_from_wire, grant_to_wire};
use angarium_proto::registry::v1::api_key::Grant;
use angarium_proto::registry::v1::{
    ApiKey, CreateApiKeyRequest, DeleteApiKeyRequest, GetApiKeyRequest, ListApiKeysRequest,
    RotateApiKeyRequest, UpdateApiKeyRequest,
};
use serde_json::{Value, json};

use super::call::{all_pages, present};
use super::registry::{PAGE, Registry, request};
use crate::cli::{
    AtRegistry, GrantArgs, HomeArgs, KeyCommand, KeyCreate, KeyName, KeyRotate, KeyUpdate, Shape, WrongUse,
};
use crate::output::{Row, list, one, print, time};

const HEADERS: [&str; 7] = ["id", "of", "name", "allows", "expires", "last used", "revision"];
const SHOWN_ONCE: [&str; 8] = [
    "id",
    "of",
    "name",
    "allows",
    "expires",
    "last used",
    "revision",
    "key",
];

/// Runs one of the commands and prints the answer.
///
/// # Errors
/// When the registry cannot be reached or refuses.
pub(crate) async fn run(command: KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::Create(create) => self::create(create).await,
        KeyCommand::List { home, at } => list_all(&home, &at).await,
        KeyCommand::Get(name) => get(name).await,
        KeyCommand::Update(update) => self::update(update).await,
        KeyCommand::Rotate(rotate) => self::rotate(rotate).await,
        KeyCommand::Revoke(name) => revoke(name).await,
    }
}

async fn create(create: KeyCreate) -> anyhow::Result<()> {
    let mut registry = Registry::at(&create.at)?;
    let key = ApiKey {
        account_id: registry.accounts.home(create.home.account.as_ref()).await?,
        name: create.name,
        grant: grant(create.grant),
        expires_at_ms: create.expires,
        ..ApiKey::default()
    };
    let sent = registry
        .calls
        .create_api_key(request(CreateApiKeyRequest { api_key: Some(key) }))
        .await;
    let answer = registry.answer(sent)?;
    show_once(create.at.reach.output, &present(answer.api_key)?, &answer.token)
}

async fn list_all(home: &HomeArgs, at: &AtRegistry) -> anyhow::Result<()> {
    let mut registry = Registry::at(at)?;
    let account_id = registry.accounts.home(home.account.as_ref()).await?;
    let keys = all_pages(async |page_token| {
        let page = ListApiKeysRequest {
            account_id,
            page_size: PAGE,
            page_token,
        };
        let answer = registry.calls.list_api_keys(request(page)).await?.into_inner();
        Ok((answer.api_keys, answer.next_page_token))
    })
    .await;
    let rows = registry.told(keys)?.iter().map(row).collect();
    print(&list(at.reach.output, &HEADERS, rows))
}

async fn get(name: KeyName) -> anyhow::Result<()> {
    let mut registry = Registry::at(&name.at)?;
    let wanted = GetApiKeyRequest {
        account_id: registry.accounts.home(name.home.account.as_ref()).await?,
        id: name.id,
    };
    let sent = registry.calls.get_api_key(request(wanted)).await;
    show(name.at.reach.output, &present(registry.answer(sent)?.api_key)?)
}

async fn update(update: KeyUpdate) -> anyhow::Result<()> {
    let grant = grant(update.grant);
    let named = [
        ("name", update.name.is_some()),
        ("grant", grant.is_some()),
        ("expires_at_ms", update.expires.is_some() || update.never_expires),
    ];
    let paths: Vec<String> = named
        .iter()
        .filter(|(_, named)| *named)
        .map(|(path, _)| (*path).to_owned())
        .collect();
    if paths.is_empty() {
        return Err(WrongUse("nothing is to be changed: give what is, for example --name").into());
    }
    let mut registry = Registry::at(&update.key.at)?;
    let key = ApiKey {
        id: update.key.id,
        account_id: registry.accounts.home(update.key.home.account.as_ref()).await?,
        name: update.name.unwrap_or_default(),
        grant,
        expires_at_ms: update.expires,
        revision: update.revision,
        ..ApiKey::default()
    };
    let mut change = UpdateApiKeyRequest {
        api_key: Some(key),
        update_mask: None,
    };
    change.update_mask.get_or_insert_default().paths = paths;
    let sent = registry.calls.update_api_key(request(change)).await;
    show(
        update.key.at.reach.output,
        &present(registry.answer(sent)?.api_key)?,
    )
}

async fn rotate(rotate: KeyRotate) -> anyhow::Result<()> {
    let mut registry = Registry::at(&rotate.key.at)?;
    let wanted = RotateApiKeyRequest {
        account_id: registry.accounts.home(rotate.key.home.account.as_ref()).await?,
        id: rotate.key.id,
        overlap_seconds: Some(rotate.overlap),
        revision: 0,
    };
    let sent = registry.calls.rotate_api_key(request(wanted)).await;
    let answer = registry.answer(sent)?;
    show_once(
        rotate.key.at.reach.output,
        &present(answer.api_key)?,
        &answer.token,
    )
}

async fn revoke(name: KeyName) -> anyhow::Result<()> {
    let mut registry = Registry::at(&name.at)?;
    let wanted = DeleteApiKeyRequest {
        account_id: registry.accounts.home(name.home.account.as_ref()).await?,
        id: name.id.clone(),
        revision: 0,
    };
    let sent = registry.calls.delete_api_key(request(wanted)).await;
    registry.answer(sent)?;
    match name.at.reach.output {
        Shape::Table => print(&format!("revoked {}\n", name.id)),
        Shape::Json => print(&format!("{:#}\n", json!({ "revoked": name.id }))),
    }
}

fn grant(args: GrantArgs) -> Option<Grant> {
    let scopes = |scopes: Vec<Scope>| angarium_model::Grant::Scopes(scopes.into_iter().collect::<Scopes>());
    let role = args.role.map(angarium_model::Grant::Role);
    role.or_else(|| args.scopes.map(scopes)).map(grant_to_wire)
}

fn show(shape: Shape, key: &ApiKey) -> anyhow::Result<()> {
    print(&one(shape, &HEADERS, row(key)))
}

/// With what its bearer presents.
fn show_once(shape: Shape, key: &ApiKey, token: &str) -> anyhow::Result<()> {
    let Row { mut cells, mut json } = row(key);
    if let Value::Object(fields) = &mut json {
        fields.insert("key".to_owned(), token.into());
    }
    cells.push(format!("{token}   (shown this once)"));
    print(&one(shape, &SHOWN_ONCE, Row { cells, json }))
}

pub(super) fn row(key: &ApiKey) -> Row {
    let mut wrong = Vec::new();
    let grant = grant_from_wire(key.grant.clone(), key.account_id.is_some(), &mut wrong);
    let (role, scopes) = match grant {
        Some(angarium_model::Grant::Role(role)) => (Some(role), role.scopes()),
        Some(angarium_model::Grant::Scopes(scopes)) => (None, scopes),
        None => (None, Scopes::NONE),
    };
    let names: Vec<_> = scopes.iter().map(Scope::name).collect();
    let json = json!({
        "id": key.id,
        "account": key.account_id,
        "name": key.name,
        "role": role.map(Role::name),
        "scopes": names,
        "expiresAtMs": key.expires_at_ms,
        "previousUntilMs": key.previous_until_ms,
        "revision": key.revision,
        "createdAtMs": key.created_at_ms,
        "lastUsedAtMs": key.last_used_at_ms,
    });
    let of = key
        .account_id
        .map_or_else(|| "the platform".to_owned(), |id| format!("account {id}"));
    let expires = key.expires_at_ms.map_or_else(|| "never".to_owned(), time);
    let used = key.last_used_at_ms.map_or_else(|| "never".to_owned(), time);
    let allows = role.map_or_else(|| names.join(","), |role| role.to_string());
    let cells = vec![
        key.id.clone(),
        of,
        key.name.clone(),
        allows,
        expires,
        used,
        key.revision.to_string(),
    ];
    Row { cells, json }
}
