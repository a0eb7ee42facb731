//! Reads the file and tells every mistake of it, with its line, by the rules that the registry has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use angarium_model::{AccountRef, ExternalId, KnownTypes};
use angarium_proto::FieldError;
use angarium_proto::convert::{Secrets, webhook_to_wire};
use angarium_proto::registry::v1::Webhook;
use anyhow::bail;

use super::document::{Document, Entry, line};
use crate::account_ref::Named;

/// A webhook as the file says it should be, and where that is said.
pub(super) struct Wanted {
    pub(super) account: u64,
    /// As the registry would store it, without a secret.
    pub(super) webhook: Webhook,
    pub(super) entry: Entry,
    /// Which of its document it is, from 0.
    index: usize,
    line: u64,
}

/// What is wrong in a file, each with its line.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<(u64, String)>);

impl Mistakes {
    pub(super) fn add(&mut self, wanted: &Wanted, what: &str) {
        self.at(wanted.line, wanted.index, what);
    }

    /// The same of fields, as the registry names them.
    pub(super) fn add_fields(&mut self, wanted: &Wanted, errors: Vec<FieldError>) {
        for FieldError { field, message } in errors {
            let place = wanted.entry.place(&field);
            let (name, line) = place.unwrap_or((field, wanted.line));
            self.at(line, wanted.index, &format!("{name}: {message}"));
        }
    }

    fn at(&mut self, line: u64, index: usize, what: &str) {
        self.0.push((line, format!("webhooks[{index}]: {what}")));
    }

    /// # Errors
    /// When there are any: a line each, in the order of the file.
    pub(super) fn told(mut self, path: &Path) -> anyhow::Result<()> {
        self.0.sort();
        let told = |(line, what): &(u64, String)| format!("\n  {}:{line}: {what}", path.display());
        match self.0.len() {
            0 => Ok(()),
            1 => bail!(
                "a mistake in the file, nothing was changed:{}",
                self.0.iter().map(told).collect::<String>()
            ),
            several => bail!(
                "{several} mistakes in the file, nothing was changed:{}",
                self.0.iter().map(told).collect::<String>()
            ),
        }
    }
}

/// The accounts of a file, and all that it wants.
pub(super) struct Given {
    pub(super) path: PathBuf,
    pub(super) accounts: BTreeSet<u64>,
    pub(super) wanted: Vec<Wanted>,
    /// What its accounts know beside the catalogue; without those that were not asked for.
    pub(super) types: Types,
}

/// The event types of accounts.
pub(super) type Types = BTreeMap<u64, KnownTypes>;

/// The ids of accounts that a file names by their external ids, those that there are.
pub(super) type Ids = BTreeMap<ExternalId, u64>;

/// The accounts of a file, as it names them, as far as it can be read.
pub(super) fn accounts(text: &str) -> BTreeSet<AccountRef> {
    let documents: Vec<Document> = serde_saphyr::from_multiple(text).unwrap_or_default();
    let named = documents.into_iter().map(|document| document.account.value);
    named.map(|Named(account)| account).collect()
}

/// The id of an account.
pub(super) fn id(account: &AccountRef, ids: &Ids) -> Option<u64> {
    match account {
        AccountRef::Id(id) => Some(id.get()),
        AccountRef::External(external_id) => ids.get(external_id).copied(),
    }
}

impl Given {
    /// # Errors
    /// Every mistake; of the first that makes it no file of webhooks, that one.
    pub(super) fn parse(path: &Path, text: &str, ids: &Ids, types: Types) -> anyhow::Result<Self> {
        let documents: Vec<Document> = match serde_saphyr::from_multiple(text) {
            Ok(documents) => documents,
            Err(error) => bail!("{}: {error}", path.display()),
        };
        let mut given = Self {
            path: path.to_owned(),
            accounts: BTreeSet::new(),
            wanted: Vec::new(),
            types,
        };
        let mut mistakes = Mistakes::default();
        for document in documents {
            let Named(named) = &document.account.value;
            let Some(account) = id(named, ids) else {
                let what = format!("account: there is no {named}, or the key does not see it");
                mistakes.0.push((line(&document.account), what));
                continue;
            };
            if !given.accounts.insert(account) {
                let what = format!("account {account} has a document before this one: put all of it there");
                mistakes.0.push((line(&document.account), what));
            }
            let mut names = BTreeSet::new();
            for (index, entry) in document.webhooks.into_iter().enumerate() {
                let line = line(&entry);
                let entry = entry.value;
                let wanted = Wanted {
                    account,
                    webhook: entry.to_wire(account),
                    entry,
                    index,
                    line,
                };
                if wanted.entry.id.is_none() && !names.insert(wanted.entry.name.value.clone()) {
                    mistakes.add(
                        &wanted,
                        "name: another one has it too, so give both their ids, or another name",
                    );
                }
                let types = known(&given.types, account);
                given.wanted.extend(checked(wanted, &types, &mut mistakes));
            }
        }
        mistakes.told(path)?;
        Ok(given)
    }
}

/// What an account knows.
pub(super) fn known(types: &Types, account: u64) -> KnownTypes {
    types.get(&account).cloned().unwrap_or_default()
}

/// As the registry would store it; nothing if it would not.
fn checked(mut wanted: Wanted, types: &KnownTypes, mistakes: &mut Mistakes) -> Option<Wanted> {
    let misfits = wanted.entry.misfits();
    for (line, what) in &misfits {
        mistakes.at(*line, wanted.index, what);
    }
    match angarium_webhooks::check(wanted.webhook.clone(), types) {
        Ok(webhook) => {
            wanted.webhook = webhook_to_wire(&webhook, Secrets::Omit);
            misfits.is_empty().then_some(wanted)
        }
        Err(errors) => {
            mistakes.add_fields(&wanted, errors);
            None
        }
    }
}
