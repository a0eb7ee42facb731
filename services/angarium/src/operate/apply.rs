//! `angarium apply`: makes webhooks be as a file says. And `angarium webhook export`, which writes such a file.
//!
//! `load` reads the file and tells its mistakes, `plan` compares it with what there is, and here the changes are shown
//! and made. Running it again goes on where it ended ([ADR 17](../../../../docs/adr/0017-a-webhook-is-found-by-its-name.md)).

mod document;
mod load;
mod plan;
mod show;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use angarium_model::{AccountRef, KnownTypes};
use angarium_proto::registry::v1::authentication::Method as Proof;
use angarium_proto::registry::v1::{
    CreateWebhookRequest, DeleteWebhookRequest, ListWebhooksRequest, UpdateWebhookRequest, Webhook,
};
use anyhow::Context as _;

use self::document::{Document, Entry, nowhere};
use self::load::{Given, Ids, Mistakes, Types, known};
use self::plan::{Change, Plan, Step, Stored};
use super::call::present;
use super::registry::{Registry, request};
use super::webhook::{SecretFile, read_line};
use super::{event_type, file};
use crate::account_ref::Named;
use crate::cli::{Apply, AtRegistry, Shape, WrongUse};
use crate::output::print;

/// `--dry-run` found something to change. Not 1, which says that something failed, nor 2, that the command line is wrong.
const WOULD_CHANGE: u8 = 3;

/// Makes webhooks be as a file says, or shows what that would change.
///
/// # Errors
/// When the file is wrong, and when the registry cannot be reached or refuses.
pub(crate) async fn run(asked: Apply) -> anyhow::Result<ExitCode> {
    let mut registry = Registry::at(&asked.at)?;
    let given = read(&asked.file, &mut registry).await?;
    let prune: Vec<(String, String)> = asked.tag.into_iter().flatten().collect();
    if asked.prune && prune.is_empty() {
        return Err(WrongUse("--prune deletes by tags: give at least one --tag KEY=VALUE").into());
    }
    let mut stored = Stored::new();
    for account_id in &given.accounts {
        let wanted = ListWebhooksRequest {
            account_id: *account_id,
            ..ListWebhooksRequest::default()
        };
        let webhooks = registry.webhooks(wanted).await;
        stored.insert(*account_id, registry.told(webhooks)?);
    }
    let (mut plan, mistakes) = Plan::make(&given, &stored, &prune);
    mistakes.told(&given.path)?;
    let shape = asked.at.reach.output;
    if asked.dry_run {
        print(&show::all(shape, &plan, true))?;
        let would_change = !plan.changes.is_empty();
        return Ok(if would_change {
            ExitCode::from(WOULD_CHANGE)
        } else {
            ExitCode::SUCCESS
        });
    }
    read_secrets(&given, &mut plan)?;
    let files = secret_files(&plan, asked.secrets.as_deref())?;
    make(&mut registry, shape, &plan, files).await?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the file. Who names only types of the catalogue is told of mistakes whether a registry is there or not; before others
/// are, the file is read with the types that its accounts have.
async fn read(path: &Path, registry: &mut Registry) -> anyhow::Result<Given> {
    let text = file::read(path, "--file")?;
    let named = load::accounts(&text);
    let mut ids = Ids::new();
    for account in &named {
        if let AccountRef::External(external_id) = account
            && let Some(id) = registry.accounts.find(external_id).await?
        {
            ids.insert(external_id.clone(), id);
        }
    }
    let wrong = match Given::parse(path, &text, &ids, Types::new()) {
        Ok(given) => return Ok(given),
        Err(wrong) => wrong,
    };
    let mut types = Types::new();
    for account in named.iter().filter_map(|account| load::id(account, &ids)) {
        let Ok(own) = event_type::own(registry, account).await else {
            return Err(wrong);
        };
        let own = own.into_iter().map(Arc::new).collect();
        types.insert(account, KnownTypes::with(own));
    }
    Given::parse(path, &text, &ids, types)
}

/// Makes the changes one after the other, each shown when it is done.
async fn make(
    registry: &mut Registry,
    shape: Shape,
    plan: &Plan<'_>,
    mut files: BTreeMap<usize, SecretFile>,
) -> anyhow::Result<()> {
    for (index, change) in plan.changes.iter().enumerate() {
        let made = make_one(registry, change, files.remove(&index)).await;
        made.with_context(|| {
            format!(
                "{} of {} changes are made, then {:?} of account {} failed; once that is mended, run it again",
                index,
                plan.changes.len(),
                change.name,
                change.account
            )
        })?;
        if shape == Shape::Table {
            print(&show::change(change))?;
        }
    }
    match shape {
        Shape::Table => print(&show::summary(plan, false)),
        Shape::Json => print(&show::all(shape, plan, false)),
    }
}

async fn make_one(
    registry: &mut Registry,
    change: &Change<'_>,
    file: Option<SecretFile>,
) -> anyhow::Result<()> {
    let webhook = change.webhook.clone();
    let (answer, secret_json) = match &change.step {
        Step::Delete(before) => {
            let wanted = DeleteWebhookRequest {
                account_id: change.account,
                id: before.id.clone(),
                revision: before.revision,
            };
            let sent = registry.calls.delete_webhook(request(wanted)).await;
            return registry.answer(sent).map(|_answer| ());
        }
        Step::Create(_) => {
            let webhook = Some(webhook);
            let sent = registry
                .calls
                .create_webhook(request(CreateWebhookRequest {
                    webhook,
                    ..CreateWebhookRequest::default()
                }))
                .await;
            let answer = registry.answer(sent)?;
            (answer.webhook, answer.secret_json)
        }
        Step::Update(_, _, paths) => {
            let mut wanted = UpdateWebhookRequest {
                webhook: Some(webhook),
                ..UpdateWebhookRequest::default()
            };
            let mask = wanted.update_mask.get_or_insert_default();
            mask.paths = paths.iter().map(|path| (*path).to_owned()).collect();
            let sent = registry.calls.update_webhook(request(wanted)).await;
            let answer = registry.answer(sent)?;
            (answer.webhook, answer.secret_json)
        }
    };
    let mut answer = present(answer)?;
    // A webhook that signed already keeps its secret, and there is none to write.
    let file = file.filter(|_| !secret_json.is_empty());
    super::webhook::put_away(file, &secret_json, &mut answer)
}

/// Puts in what has to be sent, out of the files that the file names, and checks it as the rest was.
fn read_secrets(given: &Given, plan: &mut Plan<'_>) -> anyhow::Result<()> {
    let folder = given.path.parent().unwrap_or(Path::new(""));
    let mut mistakes = Mistakes::default();
    for change in &mut plan.changes {
        let wanted = match &change.step {
            Step::Create(wanted) | Step::Update(wanted, ..) => *wanted,
            Step::Delete(_) => continue,
        };
        let secret = match change.secret_file {
            Some(file) => read_line(&folder.join(file), "secretFile")?,
            None => String::new(),
        };
        let proof = change.webhook.authentication.as_mut();
        match proof.and_then(|proof| proof.method.as_mut()) {
            Some(Proof::Signature(signature)) => signature.secret = secret,
            Some(Proof::Basic(basic)) => basic.password = secret,
            Some(Proof::Header(header)) => header.value = secret,
            Some(Proof::None(_)) | None => {}
        }
        let checked = angarium_webhooks::check(change.webhook.clone(), &known(&given.types, change.account));
        mistakes.add_fields(wanted, checked.err().unwrap_or_default());
    }
    mistakes.told(&given.path)
}

/// A file for each secret that will be made, before any is.
fn secret_files(plan: &Plan<'_>, folder: Option<&Path>) -> anyhow::Result<BTreeMap<usize, SecretFile>> {
    let mut files = BTreeMap::new();
    for (index, change) in plan.changes.iter().enumerate() {
        if change.makes_secret() {
            let told = "the registry will make secrets, which are shown once: give --secrets FOLDER for them, or secretFile in the file";
            let folder = folder.ok_or(WrongUse(told))?;
            files.insert(index, SecretFile::make(&folder.join(secret_name(change)))?);
        }
    }
    Ok(files)
}

/// The name of a webhook as a file can have it.
fn secret_name(change: &Change<'_>) -> PathBuf {
    let plain = |c: char| {
        if c.is_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    // Names of files have at most 255 bytes.
    let name: String = change.name.chars().map(plain).take(50).collect();
    PathBuf::from(format!("{}-{name}.json", change.account))
}

/// Writes the webhooks of an account as a file that says how they are.
///
/// # Errors
/// When the registry cannot be reached or refuses.
pub(crate) async fn export(account: Option<AccountRef>, at: &AtRegistry) -> anyhow::Result<()> {
    let mut registry = Registry::at(at)?;
    let account = registry.accounts.named(account.as_ref())?;
    let wanted = ListWebhooksRequest {
        account_id: registry.accounts.id(Some(&account)).await?,
        ..ListWebhooksRequest::default()
    };
    let webhooks = registry.webhooks(wanted).await;
    let webhooks = registry.told(webhooks)?;
    let entry = |webhook: &Webhook| {
        let same = webhooks.iter().filter(|other| other.name == webhook.name).count();
        present(Entry::from_wire(webhook, same > 1)).map(nowhere)
    };
    let document = Document {
        account: nowhere(Named(account)),
        webhooks: webhooks.iter().map(entry).collect::<anyhow::Result<_>>()?,
    };
    match at.reach.output {
        Shape::Table => print(&serde_saphyr::to_string(&document)?),
        // Which is YAML as well.
        Shape::Json => print(&format!("{:#}\n", serde_json::to_value(&document)?)),
    }
}
