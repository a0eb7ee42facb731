//! Changes as they are shown. Secrets are in none of it: the registry does not tell them, and the file does not have them.

use serde_json::{Value, json};

use super::plan::{Change, Field, Plan, Step};
use crate::cli::Shape;

/// All changes, and what they come to.
pub(super) fn all(shape: Shape, plan: &Plan<'_>, dry_run: bool) -> String {
    match shape {
        Shape::Table => {
            let changes: String = plan.changes.iter().map(change).collect();
            changes + &summary(plan, dry_run)
        }
        Shape::Json => {
            let changes: Value = plan.changes.iter().map(json).collect();
            let all = json!({ "changes": changes, "unchanged": plan.unchanged, "dryRun": dry_run });
            format!("{all:#}\n")
        }
    }
}

/// A line, and one for each field. Nothing is cut: what changes is read before it is agreed to.
pub(super) fn change(change: &Change<'_>) -> String {
    let (account, name) = (change.account, &change.name);
    let head = match &change.step {
        Step::Create(_) => format!("+ account {account}: create {name:?}\n"),
        Step::Update(_, before, _) => format!("~ account {account}: change {name:?}, {}\n", before.id),
        Step::Delete(before) => format!("- account {account}: delete {name:?}, {}\n", before.id),
    };
    let line = |Field { name, before, after }: &Field| match before {
        Value::Null if matches!(change.step, Step::Create(_)) => format!("    {name}: {after}\n"),
        before => format!("    {name}: {before} → {after}\n"),
    };
    head + &change.fields.iter().map(line).collect::<String>()
}

/// How many of each.
pub(super) fn summary(plan: &Plan<'_>, dry_run: bool) -> String {
    let [created, changed, deleted] = plan.counts();
    let unchanged = plan.unchanged;
    if dry_run {
        format!(
            "{created} to create, {changed} to change, {deleted} to delete; {unchanged} as they should be\n"
        )
    } else {
        format!("{created} created, {changed} changed, {deleted} deleted; {unchanged} as they should be\n")
    }
}

fn json(change: &Change<'_>) -> Value {
    let (action, id) = match &change.step {
        Step::Create(_) => ("create", None),
        Step::Update(_, before, _) => ("change", Some(&before.id)),
        Step::Delete(before) => ("delete", Some(&before.id)),
    };
    let field = |field: &Field| json!({ "name": field.name, "before": field.before, "after": field.after });
    json!({
        "action": action,
        "account": change.account,
        "id": id,
        "name": change.name,
        "fields": change.fields.iter().map(field).collect::<Value>(),
    })
}
