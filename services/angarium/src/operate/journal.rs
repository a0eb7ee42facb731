//! `angarium journal`: what became of events.

use std::time::Duration;

use angarium_proto::convert::position_from_wire;
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_proto::journal::v1::journal_service_client::JournalServiceClient;
use angarium_proto::journal::v1::{
    Attempt, DeliveryState, EventReference, Expired, JournalRecord, Lane, ListJournalRequest, Matched,
};
use angarium_runtime::grpc::MAX_MESSAGE_BYTES;
use serde_json::{Value, json};

use super::fanout::Fanout;
use super::registry::{PAGE, request};
use crate::cli::{Journal, Shape};
use crate::output::{print, time};

/// Asks and prints the answer.
///
/// # Errors
/// When fanout cannot be reached or refuses.
pub(crate) async fn run(asked: Journal) -> anyhow::Result<()> {
    let fanout = Fanout::at(&asked.at)?;
    let wanted = ListJournalRequest {
        account_id: fanout.accounts.id(asked.account.as_ref()).await?,
        webhook_id: asked.webhook,
        position: asked
            .event
            .map(|position| position.to_string())
            .unwrap_or_default(),
        from_ms: asked.from,
        until_ms: asked.until,
        ..ListJournalRequest::default()
    };
    let shape = asked.at.reach.output;
    let mut told = Vec::new();
    let listed = entries(&fanout, wanted, asked.limit.get(), |page| match shape {
        // Ids are long, and none may be cut: a line or two an entry. Whoever reads need not wait for the last page.
        Shape::Table => print(&page.iter().filter_map(line).collect::<String>()),
        Shape::Json => {
            told.extend(page.iter().filter_map(as_json));
            Ok(())
        }
    });
    listed.await?;
    match shape {
        Shape::Table => Ok(()),
        Shape::Json => print(&format!("{:#}\n", Value::Array(told))),
    }
}

/// Tells as many of the latest as are asked for, page by page.
async fn entries(
    fanout: &Fanout,
    mut page: ListJournalRequest,
    limit: u32,
    mut tell: impl FnMut(&[JournalRecord]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut calls =
        JournalServiceClient::new(fanout.client.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
    loop {
        page.page_size = PAGE.min(limit);
        let answer = calls.list_journal(request(page.clone())).await;
        let answer = fanout.answer(answer)?;
        let wanted = answer.entries.get(..left).unwrap_or(&answer.entries);
        tell(wanted)?;
        left -= wanted.len();
        page.page_token = answer.next_page_token;
        if page.page_token.is_empty() || left == 0 {
            return Ok(());
        }
    }
}

/// An entry for people, with its time.
pub(super) fn line(record: &JournalRecord) -> Option<String> {
    let at = time(record.at_ms);
    let told = match record.entry.as_ref()? {
        Entry::Matched(matched) => told_match(matched),
        Entry::Attempt(attempt) => told_attempt(attempt),
        Entry::Expired(expired) => format!(
            "expired {}: {} events were not sent to it, for they were older than 7 days{}",
            expired.webhook_id,
            expired.count,
            range(expired)
        ),
        Entry::StateChanged(changed) => format!(
            "state   {}: its {} events {}; before, they {}",
            changed.webhook_id,
            lane(changed.lane()),
            state(changed.state()),
            state(changed.before())
        ),
        Entry::PutAside(aside) => format!(
            "aside   {}: {} was refused for good with {}, and is listed by `angarium webhook dead-letters`",
            aside.webhook_id,
            named(aside.event.as_ref()),
            aside.status
        ),
    };
    Some(format!("{at}  {told}\n"))
}

fn told_match(matched: &Matched) -> String {
    let mut told = format!("matched {}", named(matched.event.as_ref()));
    let to = match matched.webhook_ids.as_slice() {
        [] => ": to no webhook".to_owned(),
        ids => format!(": to {}", ids.join(", ")),
    };
    told.push_str(&to);
    for (ids, why) in [
        (&matched.inactive_webhook_ids, "switched off"),
        (&matched.filtered_webhook_ids, "by its filter"),
    ] {
        if !ids.is_empty() {
            told += &format!("; not to {} ({why})", ids.join(", "));
        }
    }
    for undecided in &matched.undecided {
        told += &format!(
            "; not to {} (its filter has no answer: {})",
            undecided.webhook_id, undecided.reason
        );
    }
    told
}

fn told_attempt(attempt: &Attempt) -> String {
    let took = Duration::from_micros(attempt.duration_us);
    let outcome = match (attempt.error_class.as_str(), attempt.status) {
        ("", status) => format!("delivered with {status}"),
        (class, 0) => format!("failed: {class}, {}", attempt.error_detail),
        (class, status) => format!("failed with {status}: {class}"),
    };
    let events = match attempt.events.as_slice() {
        [one] => named(Some(one)),
        several => format!(
            "{} events, {} to {}",
            several.len(),
            named(several.first()),
            named(several.last())
        ),
    };
    let again = if attempt.next_attempt_at_ms > 0 {
        format!("; again at {}", time(attempt.next_attempt_at_ms))
    } else {
        String::new()
    };
    format!(
        "attempt {} at {}: {outcome} after {took:.0?}{again}\n    {}, {events}",
        attempt.attempt, attempt.webhook_id, attempt.group_id
    )
}

/// What is known of the events that were not sent.
fn range(expired: &Expired) -> String {
    match (&expired.first, &expired.removed) {
        (Some(_), _) => format!(
            ", {} to {}",
            named(expired.first.as_ref()),
            named(expired.last.as_ref())
        ),
        (None, Some(removed)) => format!(
            "; Kafka had removed them, {} to {} of its partition",
            removed.from, removed.to
        ),
        (None, None) => String::new(),
    }
}

/// Whoever publishes chooses the id: without what a terminal takes for a command.
fn named(event: Option<&EventReference>) -> String {
    let Some(event) = event else {
        return "an event".to_owned();
    };
    let id: String = event
        .event_id
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    format!("{} {id} at {}", event.event_name, place(event))
}

fn place(event: &EventReference) -> String {
    let position = event.position.map(position_from_wire);
    position.map(|position| position.to_string()).unwrap_or_default()
}

pub(super) const fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Realtime => "realtime",
        Lane::Batch => "batch",
        Lane::Unspecified => "unknown",
    }
}

/// What events of a webhook do.
const fn state(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Live => "go as they come",
        DeliveryState::Failing => "wait for the next attempt",
        DeliveryState::CatchingUp => "are read back and sent",
        DeliveryState::Waiting => "wait for the timetable",
        DeliveryState::Off => "wait, for it is switched off",
        DeliveryState::Unspecified => "are nowhere on record",
    }
}

/// An entry for programs.
pub(super) fn as_json(record: &JournalRecord) -> Option<Value> {
    let event = |event: &EventReference| json!({ "position": place(event), "id": event.event_id, "name": event.event_name });
    let instant = |at_ms: i64| (at_ms > 0).then(|| time(at_ms));
    let mut value = match record.entry.as_ref()? {
        Entry::Matched(matched) => json!({
            "kind": "matched",
            "event": matched.event.as_ref().map(event),
            "lane": lane(matched.lane()),
            "webhooks": matched.webhook_ids,
            "inactive": matched.inactive_webhook_ids,
            "filtered": matched.filtered_webhook_ids,
            "undecided": matched.undecided.iter().map(|one| json!({ "webhook": one.webhook_id, "reason": one.reason })).collect::<Vec<_>>(),
            "registryRevision": matched.registry_revision,
            "acceptedAt": instant(matched.accepted_at_ms),
        }),
        Entry::Attempt(attempt) => json!({
            "kind": "attempt",
            "webhook": attempt.webhook_id,
            "lane": lane(attempt.lane()),
            "group": attempt.group_id,
            "events": attempt.events.iter().map(event).collect::<Vec<_>>(),
            "attempt": attempt.attempt,
            "delivered": attempt.error_class.is_empty(),
            "status": (attempt.status > 0).then_some(attempt.status),
            "errorClass": attempt.error_class,
            "errorDetail": attempt.error_detail,
            "durationUs": attempt.duration_us,
            "nextAttemptAt": instant(attempt.next_attempt_at_ms),
            "acceptedAt": instant(attempt.accepted_at_ms),
        }),
        Entry::Expired(expired) => json!({
            "kind": "expired",
            "webhook": expired.webhook_id,
            "lane": lane(expired.lane()),
            "count": expired.count,
            "first": expired.first.as_ref().map(event),
            "last": expired.last.as_ref().map(event),
        }),
        Entry::StateChanged(changed) => json!({
            "kind": "state",
            "webhook": changed.webhook_id,
            "lane": lane(changed.lane()),
            "state": changed.state().as_str_name(),
            "before": changed.before().as_str_name(),
        }),
        Entry::PutAside(aside) => json!({
            "kind": "putAside",
            "webhook": aside.webhook_id,
            "lane": lane(aside.lane()),
            "event": aside.event.as_ref().map(event),
            "status": aside.status,
        }),
    };
    if let Some(fields) = value.as_object_mut() {
        fields.insert("at".to_owned(), time(record.at_ms).into());
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use angarium_proto::event::v1::Position;

    use super::*;

    fn event(offset: i64) -> EventReference {
        EventReference {
            position: Some(Position { partition: 3, offset }),
            event_id: "a\u{1b}[2J".into(),
            event_name: "CI_STATS".into(),
        }
    }

    fn told(entry: Entry) -> String {
        let record = JournalRecord {
            account_id: 1,
            at_ms: 1_725_604_147_000,
            entry: Some(entry),
        };
        assert_eq!(as_json(&record).unwrap()["at"], "2024-09-06T06:29:07Z");
        line(&record).unwrap()
    }

    #[test]
    fn each_kind_of_entry_says_what_it_is_and_sends_no_command_to_a_terminal() {
        let matched = told(Entry::Matched(Matched {
            event: Some(event(41)),
            webhook_ids: vec!["wh_a".into()],
            filtered_webhook_ids: vec!["wh_b".into(), "wh_c".into()],
            ..Matched::default()
        }));
        assert_eq!(
            matched,
            "2024-09-06T06:29:07Z  matched CI_STATS a\u{fffd}[2J at 3-41: to wh_a; not to wh_b, wh_c (by its filter)\n"
        );
        let attempt = told(Entry::Attempt(Attempt {
            webhook_id: "wh_a".into(),
            group_id: "msg_1".into(),
            events: vec![event(41), event(43)],
            attempt: 2,
            status: 503,
            error_class: "server_error".into(),
            duration_us: 12_000,
            next_attempt_at_ms: 1_725_604_157_000,
            ..Attempt::default()
        }));
        assert!(
            attempt.contains(
                "attempt 2 at wh_a: failed with 503: server_error after 12ms; again at 2024-09-06T06:29:17"
            ) && attempt.contains("msg_1, 2 events, CI_STATS")
                && !attempt.contains('\u{1b}'),
            "{attempt}"
        );
        let expired = told(Entry::Expired(Expired {
            webhook_id: "wh_a".into(),
            count: 2,
            first: Some(event(41)),
            last: Some(event(42)),
            ..Expired::default()
        }));
        assert!(
            expired.contains("2 events were not sent") && expired.contains("3-42"),
            "{expired}"
        );
    }
}
