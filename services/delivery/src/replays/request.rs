//! Checks what callers send. Every mistake of a request is told at once, with the path of its field.

use std::fmt;

use angarium_model::{AccountId, InvalidId, Lane, Position, WebhookId};
use angarium_proto::convert::{lane_from_wire, position_from_wire};
use angarium_proto::delivery::v1;
use angarium_proto::delivery::v1::replay_webhook_request::Start as WireStart;
use angarium_proto::{FieldError, InvalidWire, event};

/// The most entries of a page, and how many it has if the caller does not say.
const LARGEST_PAGE: u32 = 1_000;
const PAGE: u32 = 100;

/// Whose deliveries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    pub(super) account: AccountId,
    pub(super) webhook: WebhookId,
}

/// From where on to send again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// Unix milliseconds.
    Time(i64),
    Position(Position),
}

/// A replay that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replay {
    pub(super) subject: Subject,
    pub(super) lane: Lane,
    pub(super) start: Start,
    pub(super) until_ms: Option<i64>,
    /// Only what was put aside, from the start, or going on where a page ended.
    pub(super) dead_letters: Option<Option<PageEnd>>,
    pub(super) dry_run: bool,
}

/// Where a page of dead letters that are sent again ended. What is put aside from the first page on is none of them: it
/// would be sent again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageEnd {
    /// Of the notices.
    pub(super) offset: i64,
    /// When the first page was asked for: Unix milliseconds.
    pub(super) until_ms: i64,
}

impl fmt::Display for PageEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.offset, self.until_ms)
    }
}

impl PageEnd {
    fn parse(token: &str) -> Option<Self> {
        let (offset, until_ms) = token.split_once('-')?;
        Some(Self {
            offset: not_below_zero(offset)?,
            until_ms: not_below_zero(until_ms)?,
        })
    }
}

/// A page of dead letters that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub(super) subject: Subject,
    pub(super) from_ms: i64,
    pub(super) page_size: usize,
    /// Where to go on.
    pub(super) page: Option<i64>,
}

/// The longest token, in bytes: two numbers.
const MAX_TOKEN: usize = 40;

type Errors = Vec<FieldError>;

pub(super) fn replay(wire: &v1::ReplayWebhookRequest) -> Result<Replay, InvalidWire> {
    let mut errors = Vec::new();
    let subject = subject(wire.account_id, &wire.webhook_id, &mut errors);
    let lane = lane(wire.lane, &mut errors);
    let start = match wire.start {
        Some(WireStart::FromMs(from_ms)) => Some(Start::Time(from_ms)),
        Some(WireStart::FromPosition(at)) => {
            position("from_position", Some(at), &mut errors).map(Start::Position)
        }
        None => {
            let message = "is required: from when on, `from_ms`, or from which event on, `from_position`";
            errors.push(FieldError::new("start", message));
            None
        }
    };
    if let Some(Start::Time(from_ms)) = start {
        not_negative("from_ms", from_ms, &mut errors);
        if wire.until_ms.is_some_and(|until_ms| until_ms <= from_ms) {
            errors.push(FieldError::new("until_ms", "must be later than `from_ms`"));
        }
    }
    if wire.dead_letters_only && matches!(start, Some(Start::Position(_))) {
        let message = "goes with `from_ms`; to send one event again there is ResendEvent";
        errors.push(FieldError::new("dead_letters_only", message));
    }
    let page = page(&wire.page_token, PageEnd::parse, &mut errors);
    if page.is_some() && !wire.dead_letters_only {
        errors.push(FieldError::new("page_token", "goes with `dead_letters_only`"));
    }
    match (subject, lane, start) {
        (Some(subject), Some(lane), Some(start)) if errors.is_empty() => Ok(Replay {
            subject,
            lane,
            start,
            until_ms: wire.until_ms,
            dead_letters: wire.dead_letters_only.then_some(page),
            dry_run: wire.dry_run,
        }),
        _ => Err(InvalidWire(errors)),
    }
}

pub(super) fn subject_and_lane(
    account_id: u64,
    webhook_id: &str,
    wire_lane: i32,
) -> Result<(Subject, Lane), InvalidWire> {
    let mut errors = Vec::new();
    let subject = subject(account_id, webhook_id, &mut errors);
    let lane = lane(wire_lane, &mut errors);
    match (subject, lane) {
        (Some(subject), Some(lane)) => Ok((subject, lane)),
        _ => Err(InvalidWire(errors)),
    }
}

pub(super) fn progress(wire: &v1::GetReplayRequest) -> Result<(Subject, Lane, i64), InvalidWire> {
    let checked = subject_and_lane(wire.account_id, &wire.webhook_id, wire.lane);
    let id = (wire.replay_id >= 1).then_some(wire.replay_id);
    with_id(
        checked,
        id.ok_or("must be what ReplayWebhook answered, at least 1"),
    )
}

/// The replay that is to be ended is the last, if any is named.
pub(super) fn cancel(wire: &v1::CancelReplayRequest) -> Result<(Subject, Lane, Option<i64>), InvalidWire> {
    let checked = subject_and_lane(wire.account_id, &wire.webhook_id, wire.lane);
    let of = match wire.replay_id {
        0 => Ok(None),
        id if id > 0 => Ok(Some(id)),
        _ => Err("must be what ReplayWebhook answered, or 0: whichever is under way"),
    };
    with_id(checked, of)
}

/// Adds what is wrong with `replay_id` to what is wrong with the rest.
fn with_id<T>(
    checked: Result<(Subject, Lane), InvalidWire>,
    id: Result<T, &str>,
) -> Result<(Subject, Lane, T), InvalidWire> {
    let message = match id {
        Ok(id) => return checked.map(|(subject, lane)| (subject, lane, id)),
        Err(message) => message,
    };
    let mut errors = checked.err().map_or_else(Vec::new, |InvalidWire(errors)| errors);
    errors.push(FieldError::new("replay_id", message));
    Err(InvalidWire(errors))
}

pub(super) fn resend(wire: &v1::ResendEventRequest) -> Result<(Subject, Position), InvalidWire> {
    let mut errors = Vec::new();
    let subject = subject(wire.account_id, &wire.webhook_id, &mut errors);
    let position = position("position", wire.position, &mut errors);
    match (subject, position) {
        (Some(subject), Some(position)) => Ok((subject, position)),
        _ => Err(InvalidWire(errors)),
    }
}

pub(super) fn list(wire: &v1::ListDeadLettersRequest) -> Result<List, InvalidWire> {
    let mut errors = Vec::new();
    let subject = subject(wire.account_id, &wire.webhook_id, &mut errors);
    not_negative("from_ms", wire.from_ms, &mut errors);
    let page_size = match wire.page_size {
        0 => PAGE,
        size => size,
    };
    if page_size > LARGEST_PAGE {
        let message = format!("must be 1 to {LARGEST_PAGE}, or 0 for {PAGE}, not {page_size}");
        errors.push(FieldError::new("page_size", message));
    }
    let page = page(&wire.page_token, not_below_zero, &mut errors);
    match subject {
        Some(subject) if errors.is_empty() => Ok(List {
            subject,
            from_ms: wire.from_ms,
            page_size: usize::try_from(page_size).unwrap_or(usize::MAX),
            page,
        }),
        _ => Err(InvalidWire(errors)),
    }
}

/// Where to go on, if it says so.
fn page<T>(token: &str, parse: impl Fn(&str) -> Option<T>, errors: &mut Errors) -> Option<T> {
    if token.is_empty() {
        return None;
    }
    let page = Some(token)
        .filter(|token| token.len() <= MAX_TOKEN)
        .and_then(parse);
    if page.is_none() {
        let message = "must be `next_page_token` of the answer before";
        errors.push(FieldError::new("page_token", message));
    }
    page
}

fn not_below_zero(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number| *number >= 0)
}

fn subject(account_id: u64, webhook_id: &str, errors: &mut Errors) -> Option<Subject> {
    let mut wrong = |field: &str, error: InvalidId| errors.push(FieldError::new(field, error.to_string()));
    let account = AccountId::new(account_id).map_err(|error| wrong("account_id", error));
    let webhook = webhook_id.parse().map_err(|error| wrong("webhook_id", error));
    Some(Subject {
        account: account.ok()?,
        webhook: webhook.ok()?,
    })
}

fn lane(wire: i32, errors: &mut Errors) -> Option<Lane> {
    let lane = lane_from_wire(wire);
    if lane.is_none() {
        errors.push(FieldError::new(
            "lane",
            "is required: LANE_REALTIME or LANE_BATCH",
        ));
    }
    lane
}

fn position(field: &str, wire: Option<event::v1::Position>, errors: &mut Errors) -> Option<Position> {
    let position = wire.map(position_from_wire);
    let valid = position.filter(|position| position.partition >= 0 && position.offset >= 0);
    if valid.is_none() {
        let message = "is required: partition and offset of the event, neither below 0";
        errors.push(FieldError::new(field, message));
    }
    valid
}

fn not_negative(field: &str, number: i64, errors: &mut Errors) {
    if number < 0 {
        errors.push(FieldError::new(
            field,
            "is before 1970; it is in milliseconds since then",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(InvalidWire(errors): InvalidWire) -> Vec<String> {
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn every_mistake_of_a_request_is_told_at_once_with_its_field() {
        let nothing = v1::ReplayWebhookRequest {
            account_id: u64::MAX,
            ..v1::ReplayWebhookRequest::default()
        };
        assert_eq!(
            fields(replay(&nothing).unwrap_err()),
            ["account_id", "webhook_id", "lane", "start"]
        );
        let backwards = v1::ReplayWebhookRequest {
            webhook_id: WebhookId::from_bytes([1; 16]).to_string(),
            lane: 1,
            start: Some(WireStart::FromMs(10)),
            until_ms: Some(10),
            page_token: "7-1727414643000".into(),
            ..v1::ReplayWebhookRequest::default()
        };
        assert_eq!(
            fields(replay(&backwards).unwrap_err()),
            ["until_ms", "page_token"]
        );
        let other_token = v1::ReplayWebhookRequest {
            dead_letters_only: true,
            page_token: "7".into(),
            until_ms: None,
            ..backwards
        };
        assert_eq!(fields(replay(&other_token).unwrap_err()), ["page_token"]);
        let list_of_all = v1::ListDeadLettersRequest {
            from_ms: -1,
            page_size: 1_001,
            page_token: "x".into(),
            ..v1::ListDeadLettersRequest::default()
        };
        assert_eq!(
            fields(list(&list_of_all).unwrap_err()),
            ["webhook_id", "from_ms", "page_size", "page_token"]
        );
        let no_replay = v1::GetReplayRequest::default();
        assert_eq!(
            fields(progress(&no_replay).unwrap_err()),
            ["webhook_id", "lane", "replay_id"]
        );
        assert_eq!(
            fields(resend(&v1::ResendEventRequest::default()).unwrap_err()),
            ["webhook_id", "position"]
        );
    }
}
