//! `angarium audit`

use angarium_proto::audit::v1::audit_record::Asked;
use angarium_proto::audit::v1::list_audit_log_response::Entry;
use angarium_proto::audit::v1::{Actor, ListAuditLogRequest, actor};
use angarium_proto::convert::position_from_wire;
use angarium_proto::delivery::v1::ResendEventRequest;
use angarium_proto::delivery::v1::replay_webhook_request::Start;
use angarium_proto::registry::v1::RegistryRecord;
use angarium_proto::registry::v1::registry_record::Entry as Thing;
use serde_json::{Map, Value, json};
use tonic::Status;

use super::journal::lane;
use super::registry::{PAGE, Registry, request};
use super::{account, event_type, key, webhook};
use crate::cli::{Audit, Shape};
use crate::output::{print, time};

/// What every change changes.
const REVISION: &str = "revision";

/// Shows who changed what.
///
/// # Errors
/// When the registry cannot be reached or refuses.
pub(crate) async fn run(asked: Audit) -> anyhow::Result<()> {
    let mut registry = Registry::at(&asked.at)?;
    let account_id = registry.accounts.home(asked.home.account.as_ref()).await?;
    let entries = entries(&mut registry, account_id, &asked).await;
    let told: Vec<_> = registry.told(entries)?.into_iter().filter_map(told).collect();
    match asked.at.reach.output {
        Shape::Json => print(&format!(
            "{:#}\n",
            Value::Array(told.iter().map(Told::json).collect())
        )),
        // Ids and values are long, and none of it may be cut: two lines a change.
        Shape::Table => print(&told.iter().map(Told::lines).collect::<String>()),
    }
}

/// A change, as it is shown.
struct Told {
    at_ms: i64,
    who: String,
    account: Option<u64>,
    method: String,
    subject: String,
    before: Value,
    after: Value,
    asked: Option<Asked>,
}

impl Told {
    fn json(&self) -> Value {
        json!({
            "atMs": self.at_ms,
            "who": self.who,
            "account": self.account,
            "method": self.method,
            "subject": self.subject,
            "before": self.before,
            "after": self.after,
            "asked": self.asked.as_ref().map(asked_json),
        })
    }

    fn lines(&self) -> String {
        let Self {
            who, method, subject, ..
        } = self;
        let when = time(self.at_ms);
        let what = match &self.asked {
            Some(asked) => asked_for(asked),
            None => what(&self.before, &self.after),
        };
        format!("{when}  {method} {subject} by {who}\n    {what}\n")
    }
}

/// As many of the latest changes as are asked for.
async fn entries(
    registry: &mut Registry,
    account_id: Option<u64>,
    asked: &Audit,
) -> Result<Vec<Entry>, Status> {
    let wanted = usize::try_from(asked.limit.get()).unwrap_or(usize::MAX);
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = ListAuditLogRequest {
            account_id,
            subject: asked.of.clone(),
            page_size: PAGE.min(asked.limit.get()),
            page_token,
        };
        let answer = registry.audit.list_audit_log(request(page)).await?.into_inner();
        all.extend(answer.entries);
        page_token = answer.next_page_token;
        if page_token.is_empty() || all.len() >= wanted {
            all.truncate(wanted);
            return Ok(all);
        }
    }
}

fn told(entry: Entry) -> Option<Told> {
    let record = entry.record?;
    Some(Told {
        at_ms: entry.at_ms,
        who: who(record.actor),
        account: record.account_id,
        method: record.method,
        subject: record.subject,
        before: shown(record.before),
        after: shown(record.after),
        asked: record.asked,
    })
}

fn who(actor: Option<Actor>) -> String {
    match actor.and_then(|actor| actor.kind) {
        Some(actor::Kind::ApiKeyId(id)) => id,
        Some(actor::Kind::OperatorKey(_)) => "operator key".to_owned(),
        None => "unknown".to_owned(),
    }
}

/// As the other commands show it.
fn shown(record: Option<RegistryRecord>) -> Value {
    match record.and_then(|record| record.entry) {
        Some(Thing::Account(account)) => account::row(account).json,
        Some(Thing::Webhook(webhook)) => webhook::json(&webhook),
        Some(Thing::ApiKey(key)) => key::row(&key).json,
        Some(Thing::EventType(known)) => event_type::row(&known).map_or(Value::Null, |row| row.json),
        Some(Thing::KeptWebhook(_) | Thing::Reservation(_) | Thing::ApiKeyUse(_) | Thing::Writer(_))
        | None => Value::Null,
    }
}

/// What delivery was asked for.
fn asked_for(asked: &Asked) -> String {
    match asked {
        Asked::ReplayWebhook(replay) => {
            let what = if replay.dead_letters_only {
                "dead letters"
            } else {
                lane(replay.lane())
            };
            let from = match replay.start {
                Some(Start::FromMs(from_ms)) => format!(" from {}", time(from_ms)),
                Some(Start::FromPosition(at)) => format!(" from {}", position_from_wire(at)),
                None => String::new(),
            };
            let until = replay
                .until_ms
                .map_or_else(String::new, |until_ms| format!(" until {}", time(until_ms)));
            format!("{what}{from}{until}")
        }
        Asked::CancelReplay(cancel) if cancel.replay_id == 0 => format!("{}, the last", lane(cancel.lane())),
        Asked::CancelReplay(cancel) => format!("{}, {}", lane(cancel.lane()), cancel.replay_id),
        Asked::ResendEvent(resend) => at(resend).unwrap_or_default(),
    }
}

fn asked_json(asked: &Asked) -> Value {
    match asked {
        Asked::ReplayWebhook(replay) => {
            let (from_ms, from_position) = match replay.start {
                Some(Start::FromMs(from_ms)) => (Some(from_ms), None),
                Some(Start::FromPosition(at)) => (None, Some(position_from_wire(at).to_string())),
                None => (None, None),
            };
            json!({
                "lane": lane(replay.lane()),
                "fromMs": from_ms,
                "fromPosition": from_position,
                "untilMs": replay.until_ms,
                "deadLettersOnly": replay.dead_letters_only,
            })
        }
        Asked::CancelReplay(cancel) => json!({
            "lane": lane(cancel.lane()),
            "replay": (cancel.replay_id > 0).then_some(cancel.replay_id),
        }),
        Asked::ResendEvent(resend) => json!({ "position": at(resend) }),
    }
}

fn at(resend: &ResendEventRequest) -> Option<String> {
    resend.position.map(|at| position_from_wire(at).to_string())
}

/// What became different.
fn what(before: &Value, after: &Value) -> String {
    match (before.as_object(), after.as_object()) {
        (None, Some(after)) => format!("created {}", after.get("name").unwrap_or(&Value::Null)),
        (Some(before), None) => format!("deleted {}", before.get("name").unwrap_or(&Value::Null)),
        (Some(before), Some(after)) => match differences(before, after) {
            // What was replaced is shown by nobody.
            none if none.is_empty() => "a secret".to_owned(),
            some => some.join(", "),
        },
        (None, None) => String::new(),
    }
}

fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let differs = after
        .iter()
        .filter(|(field, value)| *field != REVISION && before.get(*field) != Some(value));
    differs
        .map(|(field, value)| format!("{field}: {} → {value}", before.get(field).unwrap_or(&Value::Null)))
        .collect()
}

#[cfg(test)]
mod tests {
    use angarium_proto::delivery::v1::ReplayWebhookRequest;
    use angarium_proto::journal::v1::Lane;

    use super::*;

    #[test]
    fn what_was_to_be_sent_again_is_told() {
        let replay = ReplayWebhookRequest {
            lane: Lane::Realtime.into(),
            start: Some(Start::FromMs(1_725_604_147_000)),
            until_ms: Some(1_725_604_148_000),
            ..ReplayWebhookRequest::default()
        };
        let asked = Asked::ReplayWebhook(replay.clone());
        assert_eq!(
            asked_for(&asked),
            "realtime from 2024-09-06T06:29:07Z until 2024-09-06T06:29:08Z"
        );
        assert_eq!(asked_json(&asked)["fromMs"], 1_725_604_147_000_i64);
        let dead_letters = ReplayWebhookRequest {
            dead_letters_only: true,
            until_ms: None,
            ..replay
        };
        assert_eq!(
            asked_for(&Asked::ReplayWebhook(dead_letters)),
            "dead letters from 2024-09-06T06:29:07Z"
        );
    }

    #[test]
    fn what_became_different_is_told_field_by_field() {
        let before = json!({ "name": "HR", "active": true, "revision": 3 });
        let after = json!({ "name": "HR", "active": false, "revision": 0 });
        assert_eq!(what(&before, &after), "active: true → false");
        assert_eq!(what(&before, &before), "a secret");
        assert_eq!(what(&Value::Null, &after), r#"created "HR""#);
        assert_eq!(what(&before, &Value::Null), r#"deleted "HR""#);
    }
}
