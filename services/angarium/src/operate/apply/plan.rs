//! What has to change so that all is as the file says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use angarium_proto::FieldError;
use angarium_proto::registry::v1::Webhook;
use angarium_proto::registry::v1::authentication::Method as Proof;
use serde_json::Value;

use super::load::{Given, Mistakes, Wanted};
use crate::operate::webhook;

/// Fields that a file can change: as they are shown, and as an update mask names them.
const FIELDS: [(&str, &str); 17] = [
    ("name", "name"),
    ("description", "description"),
    ("url", "target_url"),
    ("authentication", AUTHENTICATION),
    ("username", AUTHENTICATION),
    ("header", AUTHENTICATION),
    ("events", "event_types"),
    ("filter", "filter"),
    ("active", "active"),
    ("timetable", "timetable"),
    ("headers", "headers"),
    ("contacts", "contacts"),
    ("tags", "tags"),
    ("ordering", "ordering"),
    ("payloadFormat", "payload_format"),
    ("limits", "limits"),
    ("deadLetterAfter", "dead_letter"),
];
const AUTHENTICATION: &str = "authentication";

/// The webhooks that there are, by account.
pub(super) type Stored = BTreeMap<u64, Vec<Webhook>>;

/// A field that becomes another.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) before: Value,
    pub(super) after: Value,
}

/// What happens to a webhook.
pub(super) enum Step<'a> {
    Create(&'a Wanted),
    /// The one that there is, and the fields to name.
    Update(&'a Wanted, Webhook, BTreeSet<&'static str>),
    Delete(Webhook),
}

/// A webhook that becomes another.
pub(super) struct Change<'a> {
    pub(super) account: u64,
    pub(super) name: String,
    pub(super) step: Step<'a>,
    pub(super) fields: Vec<Field>,
    /// As it will be, without a secret.
    pub(super) webhook: Webhook,
    /// The file of what calls prove themselves by, if that has to be sent.
    pub(super) secret_file: Option<&'a PathBuf>,
}

impl Change<'_> {
    /// Whether calls will carry what the registry has not been told: there is none to keep.
    pub(super) fn lacks_secret(&self) -> bool {
        let Some(new @ (Proof::Basic(_) | Proof::Header(_))) = proof(&self.webhook) else {
            return false;
        };
        let is_new = match &self.step {
            Step::Create(_) => true,
            Step::Update(_, before, _) => match (proof(before), new) {
                (Some(Proof::Basic(_)), Proof::Basic(_)) => false,
                (Some(Proof::Header(old)), Proof::Header(new)) => old.name != new.name,
                _ => true,
            },
            Step::Delete(_) => false,
        };
        is_new && self.secret_file.is_none()
    }

    /// Whether the registry makes a secret, which is shown once.
    pub(super) fn makes_secret(&self) -> bool {
        let gets_one = match &self.step {
            Step::Create(_) => true,
            Step::Update(_, _, paths) => paths.contains(AUTHENTICATION),
            Step::Delete(_) => false,
        };
        gets_one && self.secret_file.is_none() && matches!(proof(&self.webhook), Some(Proof::Signature(_)))
    }
}

/// All changes, those that take something away first, so that an account that is full has room, and how many webhooks are
/// as they should be.
pub(super) struct Plan<'a> {
    pub(super) changes: Vec<Change<'a>>,
    pub(super) unchanged: usize,
}

impl<'a> Plan<'a> {
    /// Compares. `prune` are the tags of webhooks that go when the file has them not; none: nothing goes.
    pub(super) fn make(given: &'a Given, stored: &Stored, prune: &[(String, String)]) -> (Self, Mistakes) {
        let mut mistakes = Mistakes::default();
        let (mut deletes, mut updates, mut creates) = (Vec::new(), Vec::new(), Vec::new());
        let mut found = BTreeSet::new();
        let mut unchanged = 0;
        for wanted in &given.wanted {
            if let Some((key, value)) = prune.iter().find(|tag| !has(&wanted.webhook, tag)) {
                let what = format!(
                    "tags: lacks {key}={value} of --tag, so that it would stay once it leaves the file"
                );
                mistakes.add(wanted, &what);
            }
            match find(wanted, stored.get(&wanted.account).map_or(&[], Vec::as_slice)) {
                Err(what) => mistakes.add(wanted, &what),
                Ok(None) => {
                    let change = create(wanted);
                    check_secret(wanted, &change, &mut mistakes);
                    creates.push(change);
                }
                Ok(Some(before)) if !found.insert(&before.id) => {
                    mistakes.add(
                        wanted,
                        &format!("is {}, which another one of the file is too", before.id),
                    );
                }
                Ok(Some(before)) => match update(wanted, before) {
                    Some(change) => {
                        check_secret(wanted, &change, &mut mistakes);
                        updates.push(change);
                    }
                    None => unchanged += 1,
                },
            }
        }
        for before in stored.values().flatten() {
            let is_ours = !prune.is_empty() && prune.iter().all(|tag| has(before, tag));
            if is_ours && !found.contains(&before.id) {
                deletes.push(delete(before));
            }
        }
        let changes = deletes.into_iter().chain(updates).chain(creates).collect();
        (Self { changes, unchanged }, mistakes)
    }

    /// How many are created, changed and deleted.
    pub(super) fn counts(&self) -> [usize; 3] {
        let count = |is: fn(&Step<'_>) -> bool| self.changes.iter().filter(|change| is(&change.step)).count();
        [
            count(|step| matches!(step, Step::Create(_))),
            count(|step| matches!(step, Step::Update(..))),
            count(|step| matches!(step, Step::Delete(_))),
        ]
    }
}

fn check_secret(wanted: &Wanted, change: &Change<'_>, mistakes: &mut Mistakes) {
    if change.lacks_secret() {
        let field = match proof(&change.webhook) {
            Some(Proof::Header(_)) => "authentication.header.value",
            _ => "authentication.basic.password",
        };
        let what = "is required: the registry has none to keep";
        mistakes.add_fields(wanted, vec![FieldError::new(field, what)]);
    }
}

/// The one that is meant, if it is there.
fn find<'s>(wanted: &Wanted, stored: &'s [Webhook]) -> Result<Option<&'s Webhook>, String> {
    if let Some(id) = &wanted.entry.id {
        let found = stored.iter().find(|webhook| webhook.id == id.value);
        return found.map(Some).ok_or_else(|| {
            format!(
                "id: account {} has no {}; without an id it is found by its name",
                wanted.account, id.value
            )
        });
    }
    let name = &wanted.entry.name.value;
    let named: Vec<&Webhook> = stored.iter().filter(|webhook| webhook.name == *name).collect();
    match named.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => {
            let ids: Vec<&str> = several.iter().map(|webhook| webhook.id.as_str()).collect();
            Err(format!(
                "name: {} have it; give the id of the one that is meant",
                ids.join(" and ")
            ))
        }
    }
}

fn create(wanted: &Wanted) -> Change<'_> {
    let json = webhook::json(&wanted.webhook);
    let fresh = webhook::json(&Webhook::default());
    let fields = FIELDS
        .iter()
        .filter(|(field, _)| *field != "name" && json[field] != fresh[field]);
    Change {
        account: wanted.account,
        name: wanted.webhook.name.clone(),
        step: Step::Create(wanted),
        fields: fields
            .map(|(name, _)| Field {
                name,
                before: Value::Null,
                after: json[name].clone(),
            })
            .collect(),
        webhook: wanted.webhook.clone(),
        secret_file: wanted.entry.secret_file(),
    }
}

fn update<'a>(wanted: &'a Wanted, before: &Webhook) -> Option<Change<'a>> {
    let mut webhook = wanted.webhook.clone();
    before.id.clone_into(&mut webhook.id);
    webhook.revision = before.revision;
    if wanted.entry.active.is_none() {
        webhook.active = before.active;
    }
    let (old, new) = (webhook::json(before), webhook::json(&webhook));
    let differ = FIELDS.iter().filter(|(field, _)| old[field] != new[field]);
    let (fields, mut paths): (Vec<Field>, BTreeSet<&str>) = differ
        .map(|(name, path)| {
            let field = Field {
                name,
                before: old[name].clone(),
                after: new[name].clone(),
            };
            (field, *path)
        })
        .unzip();
    if paths.is_empty() {
        return None;
    }
    // Another host gets a password only if it is given again: that is known by whoever knows what a host is.
    let carried = matches!(proof(&webhook), Some(Proof::Basic(_) | Proof::Header(_)));
    if carried && paths.contains("target_url") && wanted.entry.secret_file().is_some() {
        paths.insert(AUTHENTICATION);
    }
    let secret_file = wanted
        .entry
        .secret_file()
        .filter(|_| paths.contains(AUTHENTICATION));
    Some(Change {
        account: wanted.account,
        name: before.name.clone(),
        step: Step::Update(wanted, before.clone(), paths),
        fields,
        webhook,
        secret_file,
    })
}

fn delete<'a>(before: &Webhook) -> Change<'a> {
    Change {
        account: before.account_id,
        name: before.name.clone(),
        step: Step::Delete(before.clone()),
        fields: Vec::new(),
        webhook: before.clone(),
        secret_file: None,
    }
}

fn has(webhook: &Webhook, (key, value): &(String, String)) -> bool {
    webhook.tags.get(key) == Some(value)
}

pub(super) fn proof(webhook: &Webhook) -> Option<&Proof> {
    webhook.authentication.as_ref()?.method.as_ref()
}

#[cfg(test)]
mod tests;
