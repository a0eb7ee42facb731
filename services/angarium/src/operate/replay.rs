//! `angarium webhook replay`, `resend`, `dead-letters`: what was done, or given up, is sent again.

use std::time::Duration;

use angarium_model::Position;
use angarium_proto::convert::{lane_from_wire, position_from_wire, position_to_wire};
use angarium_proto::delivery::v1::list_dead_letters_response::Entry;
use angarium_proto::delivery::v1::replay_service_client::ReplayServiceClient;
use angarium_proto::delivery::v1::replay_webhook_request::Start;
use angarium_proto::delivery::v1::{
    CancelReplayRequest, GetReplayRequest, ListDeadLettersRequest, ReplayState, ReplayWebhookRequest,
    ResendEventRequest,
};
use angarium_proto::journal::v1::Lane;
use angarium_runtime::grpc::{Client, MAX_MESSAGE_BYTES};
use serde_json::json;
use tonic::Request;

use super::call::{all_pages, present};
use super::delivery::Delivery;
use crate::cli::{DeadLetters, LaneArg, Replay, ReplayCancel, ReplayStatus, Resend};
use crate::output::{Row, list, one, print, time};

/// Longer than such a call takes, which reads Kafka for up to 10 s and may write to it.
const PATIENCE: Duration = Duration::from_secs(40);

/// What may be after the time was up.
const LATE: &str = "it may yet be done; asked again, it may be done twice";

fn service(worker: &Delivery) -> ReplayServiceClient<Client> {
    ReplayServiceClient::new(worker.client.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// # Errors
/// When delivery cannot be reached or refuses; for the others of this module too.
pub(super) async fn replay(replay: Replay) -> anyhow::Result<()> {
    let worker = Delivery::at(&replay.at)?;
    let start = match replay.from_position {
        Some(position) => Some(Start::FromPosition(position_to_wire(position))),
        None => replay.from.map(Start::FromMs),
    };
    let mut asked = ReplayWebhookRequest {
        account_id: worker.accounts.id(replay.of.account.as_ref()).await?,
        webhook_id: replay.of.webhook,
        lane: lane(replay.lane).into(),
        start,
        until_ms: replay.until,
        dead_letters_only: replay.dead_letters,
        dry_run: replay.dry_run,
        page_token: String::new(),
    };
    let mut counted = 0;
    let answer = loop {
        let answer = service(&worker).replay_webhook(request(asked.clone())).await;
        let answer = worker.answer(LATE, answer)?;
        counted += answer.events;
        if answer.next_page_token.is_empty() {
            break answer;
        }
        asked.page_token = answer.next_page_token;
    };
    let more = if answer.more { " or more" } else { "" };
    let events = format!("{counted}{more}");
    let (headers, cells) = match (replay.dry_run, replay.dead_letters) {
        (true, _) => (["would be sent again"], events),
        (false, true) => (["sent again"], events),
        (false, false) => (["replay"], answer.replay_id.to_string()),
    };
    print(&one(
        replay.at.reach.output,
        &headers,
        Row {
            cells: vec![cells],
            json: json!({
                "events": counted,
                "more": answer.more,
                "replay": (answer.replay_id > 0).then_some(answer.replay_id),
            }),
        },
    ))
}

pub(super) async fn status(status: ReplayStatus) -> anyhow::Result<()> {
    let worker = Delivery::at(&status.at)?;
    let asked = request(GetReplayRequest {
        account_id: worker.accounts.id(status.of.account.as_ref()).await?,
        webhook_id: status.of.webhook,
        lane: lane(status.lane).into(),
        replay_id: status.replay,
    });
    let answer = worker.answer(LATE, service(&worker).get_replay(asked).await)?;
    let (state, meaning) = match answer.state() {
        ReplayState::Pending => ("pending", "it waits for the worker that has the webhook"),
        ReplayState::Running => ("running", "it waits while the webhook fails or is switched off"),
        ReplayState::Done => ("done", "all of it was sent"),
        ReplayState::Replaced => ("replaced", "a later order, or a cancellation, took its place"),
        ReplayState::Unspecified => ("unknown", "this command is older than the service"),
    };
    let (whole, tenth) = (answer.done_permille / 10, answer.done_permille % 10);
    print(&one(
        status.at.reach.output,
        &["state", "which means", "done"],
        Row {
            cells: vec![state.to_owned(), meaning.to_owned(), format!("{whole}.{tenth} %")],
            json: json!({ "state": state, "donePermille": answer.done_permille }),
        },
    ))
}

pub(super) async fn cancel(cancel: ReplayCancel) -> anyhow::Result<()> {
    let worker = Delivery::at(&cancel.at)?;
    let asked = request(CancelReplayRequest {
        account_id: worker.accounts.id(cancel.of.account.as_ref()).await?,
        webhook_id: cancel.of.webhook,
        lane: lane(cancel.lane).into(),
        replay_id: cancel.replay.unwrap_or(0),
    });
    worker.answer(LATE, service(&worker).cancel_replay(asked).await)?;
    Ok(())
}

pub(super) async fn resend(resend: Resend) -> anyhow::Result<()> {
    let worker = Delivery::at(&resend.at)?;
    let asked = request(ResendEventRequest {
        account_id: worker.accounts.id(resend.of.account.as_ref()).await?,
        webhook_id: resend.of.webhook,
        position: Some(position_to_wire(resend.position)),
    });
    worker.answer(LATE, service(&worker).resend_event(asked).await)?;
    Ok(())
}

pub(super) async fn dead_letters(dead_letters: DeadLetters) -> anyhow::Result<()> {
    let worker = Delivery::at(&dead_letters.at)?;
    let entries = all_pages(async |page_token| {
        let asked = request(ListDeadLettersRequest {
            account_id: worker.accounts.id(dead_letters.of.account.as_ref()).await?,
            webhook_id: dead_letters.of.webhook.clone(),
            from_ms: dead_letters.from,
            page_size: 1_000,
            page_token,
        });
        let answer = worker.answer(LATE, service(&worker).list_dead_letters(asked).await)?;
        anyhow::Ok((answer.dead_letters, answer.next_page_token))
    });
    let entries = entries.await?.into_iter();
    let rows: Vec<_> = entries.map(row).collect::<anyhow::Result<_>>()?;
    let headers = [
        "position",
        "type",
        "event",
        "put aside",
        "status",
        "attempts",
        "lane",
        "kept until",
    ];
    print(&list(dead_letters.at.reach.output, &headers, rows))
}

fn row(entry: Entry) -> anyhow::Result<Row> {
    let letter = present(entry.dead_letter)?;
    let event = present(letter.event)?;
    let position: Position = position_from_wire(present(event.position)?);
    let (at, until) = (time(entry.at_ms), time(letter.kept_until_ms));
    let lane = present(lane_from_wire(entry.lane))?.as_str();
    Ok(Row {
        json: json!({
            "position": position.to_string(),
            "eventName": event.event_name,
            "eventId": event.event_id,
            "lane": lane,
            "putAsideAt": at,
            "status": letter.status,
            "attempts": letter.attempts,
            "group": letter.group_id,
            "keptUntil": until,
        }),
        cells: vec![
            position.to_string(),
            event.event_name,
            event.event_id,
            at,
            letter.status.to_string(),
            letter.attempts.to_string(),
            lane.to_owned(),
            until,
        ],
    })
}

const fn lane(lane: LaneArg) -> Lane {
    match lane {
        LaneArg::Realtime => Lane::Realtime,
        LaneArg::Batch => Lane::Batch,
    }
}
