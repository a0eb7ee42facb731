//! What is shown of a call.

use std::collections::HashMap;

use angarium_model::headers::{AGAIN, LANE, POSITION, PREVIOUS};
use angarium_signing::WEBHOOK_ID_HEADER;
use http::StatusCode;
use serde_json::{Value, json};

use crate::output::time;
use crate::receiving::Call;

/// The longest that an event is shown, in characters.
const WIDEST: usize = 112;

/// What the order of calls says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// What came before it was confirmed, or nobody knows.
    None,
    /// It was confirmed before.
    Again,
    /// What came before it was not confirmed here: the last that was, and the one that should have been.
    Missing { last: String, previous: String },
}

/// The last that was confirmed, by path and lane.
#[derive(Debug, Default)]
pub(super) struct Confirmed(HashMap<(String, String), String>);

impl Confirmed {
    /// Compares a call with what was confirmed before it, and notes it if it is confirmed (D8).
    pub(super) fn take(&mut self, call: &Call, status: StatusCode) -> Gap {
        let (position, previous) = (call.header(POSITION), call.header(PREVIOUS));
        // What was asked for again says nothing of the order.
        if position.is_empty() || !call.header(AGAIN).is_empty() {
            return Gap::None;
        }
        let lane = (call.path.clone(), call.header(LANE).to_owned());
        let gap = match self.0.get(&lane) {
            Some(last) if last == position => Gap::Again,
            Some(last) if !previous.is_empty() && last != previous => Gap::Missing {
                last: last.clone(),
                previous: previous.to_owned(),
            },
            _ => Gap::None,
        };
        if status.is_success() {
            self.0.insert(lane, position.to_owned());
        }
        gap
    }
}

/// A call, and what became of it.
pub(super) struct Told {
    pub(super) at_ms: i64,
    pub(super) status: StatusCode,
    /// Whether it is to be trusted; `None`: nobody looked.
    pub(super) verdict: Option<Result<(), String>>,
    pub(super) gap: Gap,
    pub(super) call: Call,
}

impl Told {
    /// A line of the call, one for each event, and one for what is wrong.
    pub(super) fn lines(&self) -> String {
        let call = &self.call;
        let verdict = match &self.verdict {
            None => "not checked",
            Some(Ok(())) => "verified",
            Some(Err(_)) => "NOT TO BE TRUSTED",
        };
        let place: Vec<&str> = [LANE, POSITION, AGAIN]
            .into_iter()
            .map(|name| call.header(name))
            .filter(|text| !text.is_empty())
            .collect();
        let mut lines = format!(
            "{}  {} {}  {}  {verdict}  {}\n",
            time(self.at_ms),
            call.method,
            call.path,
            self.status.as_u16(),
            place.join(" ")
        );
        if let Some(Err(error)) = &self.verdict {
            lines += &format!("    {error}\n");
        }
        match &self.gap {
            Gap::None => {}
            Gap::Again => lines += "    it was confirmed before\n",
            Gap::Missing { last, previous } => {
                lines +=
                    &format!("    GAP: {previous} should have come before it, and {last} was the last\n");
            }
        }
        for event in events(&call.body) {
            lines += &format!("    {}\n", shortened(&event));
        }
        lines
    }

    /// All of it.
    pub(super) fn json(&self) -> Value {
        let call = &self.call;
        let headers = call.headers.iter();
        let headers: serde_json::Map<String, Value> = headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect();
        let body = serde_json::from_slice(&call.body)
            .unwrap_or_else(|_no_json| Value::from(String::from_utf8_lossy(&call.body)));
        let missing = match &self.gap {
            Gap::Missing { last, previous } => Some(json!({ "last": last, "previous": previous })),
            Gap::None | Gap::Again => None,
        };
        json!({
            "atMs": self.at_ms,
            "method": call.method.as_str(),
            "path": call.path,
            "group": call.header(WEBHOOK_ID_HEADER),
            "status": self.status.as_u16(),
            "verified": self.verdict.as_ref().map(Result::is_ok),
            "problem": self.verdict.as_ref().and_then(|verdict| verdict.as_ref().err()),
            "confirmedBefore": self.gap == Gap::Again,
            "missing": missing,
            "headers": headers,
            "body": body,
        })
    }
}

/// The events of a body of any format, each with its name and id first; a body that is none of them as it is.
fn events(body: &[u8]) -> Vec<String> {
    let text = || vec![String::from_utf8_lossy(body).into_owned()];
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return text();
    };
    let events = match &body {
        Value::Array(batch) => batch.as_slice(),
        Value::Object(one) => match one.get("events") {
            Some(Value::Array(group)) => group.as_slice(),
            _ => std::slice::from_ref(&body),
        },
        _ => return text(),
    };
    let event = |event: &Value| {
        // As the reference names them, or CloudEvents.
        let field = |ours: &str, theirs: &str| {
            event
                .get(ours)
                .or_else(|| event.get(theirs))
                .and_then(Value::as_str)
        };
        let data = event.get("data").unwrap_or(&Value::Null);
        let (name, id) = (field("eventName", "type"), field("eventId", "id"));
        name.map_or_else(
            || event.to_string(),
            |name| format!("{name}  {}  {data}", id.unwrap_or_default()),
        )
    };
    events.iter().map(event).collect()
}

/// One line, and no longer than a terminal shows.
fn shortened(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.chars().map(plain).take(WIDEST).collect();
    if text.chars().nth(WIDEST).is_some() {
        line.push('…');
    }
    line
}
