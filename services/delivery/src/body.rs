//! The body of a POST, in the format that the webhook asks for. Each payload is spliced in as its producer wrote it (E4).

use angarium_model::PayloadFormat;
use bytes::Bytes;
use chrono::{DateTime, Datelike as _, SecondsFormat, Utc};

use crate::group::{Group, Item};
use crate::record::Delivery;

const JSON: &str = "application/json";
/// CloudEvents 1.0, HTTP binding 3.2 (structured) and 3.3 (batched).
const CLOUD_EVENT: &str = "application/cloudevents+json; charset=utf-8";
const CLOUD_EVENTS: &str = "application/cloudevents-batch+json; charset=utf-8";
/// What a body has around its events, nearly.
const AROUND: usize = 64;
/// What an event has around its values as a CloudEvent, beyond what [`Delivery::weight`] counts.
const AROUND_CLOUD_EVENT: usize = 240;
/// From here on a timestamp is in milliseconds (E5, G4).
const FIRST_MILLIS: u64 = 100_000_000_000;

/// What a POST carries.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) content_type: &'static str,
}

impl Body {
    pub(crate) fn of(group: &Group, format: PayloadFormat) -> Self {
        let around = around(format);
        let weight: usize = group
            .items
            .iter()
            .map(|item| item.delivery.weight() + around)
            .sum();
        let mut body = Vec::with_capacity(weight + AROUND);
        let content_type = match (format, group.items.as_slice()) {
            (PayloadFormat::Envelope, items) => {
                write_envelope(&mut body, items);
                JSON
            }
            (PayloadFormat::Single, items) => {
                // Groups of this format have one event.
                items
                    .iter()
                    .for_each(|item| write_single(&mut body, &item.delivery));
                JSON
            }
            (PayloadFormat::CloudEvents, [one]) => {
                write_cloud_event(&mut body, &one.delivery);
                CLOUD_EVENT
            }
            (PayloadFormat::CloudEvents, items) => {
                write_list(&mut body, items, write_cloud_event);
                CLOUD_EVENTS
            }
        };
        Self {
            bytes: body.into(),
            content_type,
        }
    }
}

/// What an event has around it in a body of this format, in bytes, beyond what [`Delivery::weight`] counts.
pub(crate) const fn around(format: PayloadFormat) -> usize {
    match format {
        PayloadFormat::CloudEvents => AROUND_CLOUD_EVENT,
        PayloadFormat::Envelope | PayloadFormat::Single => 0,
    }
}

/// The reference's way (E4).
fn write_envelope(body: &mut Vec<u8>, items: &[Item]) {
    body.extend_from_slice(b"{\"accountId\":");
    if let Some(first) = items.first() {
        body.extend_from_slice(first.delivery.account.to_string().as_bytes());
    }
    body.extend_from_slice(b",\"events\":");
    write_list(body, items, |body, event| {
        body.push(b'{');
        write_fields(body, event);
        body.push(b'}');
    });
    body.push(b'}');
}

fn write_list(body: &mut Vec<u8>, items: &[Item], write: impl Fn(&mut Vec<u8>, &Delivery)) {
    body.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        write(body, &item.delivery);
    }
    body.push(b']');
}

/// An event of the envelope by itself, with its account.
fn write_single(body: &mut Vec<u8>, event: &Delivery) {
    body.extend_from_slice(b"{\"accountId\":");
    body.extend_from_slice(event.account.to_string().as_bytes());
    body.push(b',');
    write_fields(body, event);
    body.push(b'}');
}

fn write_fields(body: &mut Vec<u8>, event: &Delivery) {
    body.extend_from_slice(b"\"eventId\":");
    write_string(body, &event.event_id);
    body.extend_from_slice(b",\"eventName\":");
    write_string(body, &event.event_name);
    body.extend_from_slice(b",\"timestamp\":");
    body.extend_from_slice(event.timestamp.to_string().as_bytes());
    body.extend_from_slice(b",\"eventInfo\":");
    write_string(body, &event.event_info);
    body.extend_from_slice(b",\"data\":");
    body.extend_from_slice(&event.data);
}

/// `source` and `id` together are unique, as CloudEvents asks: an event is known by account, name and id (E7). What has
/// no attribute there is an extension: `eventinfo`, and `eventtimestamp`, the timestamp as published, of which `time`
/// is the reading.
fn write_cloud_event(body: &mut Vec<u8>, event: &Delivery) {
    body.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":");
    write_string(body, &event.event_id);
    body.extend_from_slice(b",\"source\":");
    write_string(
        body,
        &format!("/accounts/{}/events/{}", event.account, event.event_name),
    );
    body.extend_from_slice(b",\"type\":");
    write_string(body, &event.event_name);
    if let Some(time) = time_of(event.timestamp) {
        body.extend_from_slice(b",\"time\":");
        write_string(body, &time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    }
    body.extend_from_slice(b",\"eventtimestamp\":");
    write_string(body, &event.timestamp.to_string());
    body.extend_from_slice(b",\"eventinfo\":");
    write_string(body, &event.event_info);
    body.extend_from_slice(b",\"datacontenttype\":\"application/json\",\"data\":");
    body.extend_from_slice(&event.data);
    body.push(b'}');
}

/// `None` beyond the year 9999, which RFC 3339 cannot write.
fn time_of(timestamp: u64) -> Option<DateTime<Utc>> {
    let number = i64::try_from(timestamp).ok()?;
    let time = if timestamp >= FIRST_MILLIS {
        DateTime::from_timestamp_millis(number)
    } else {
        DateTime::from_timestamp_secs(number)
    };
    time.filter(|time| time.year() <= 9_999)
}

#[expect(clippy::expect_used, reason = "writing a string to memory has no way to fail")]
fn write_string(body: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(body, text).expect("a string is written to memory");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::group::tests::group;

    const ODD: &str = "{ \"b\": 1e2,\n\t\"a\":0, \"a\":\"\\u00e4\" }";

    fn body(events: std::ops::Range<i64>, format: PayloadFormat) -> (String, Value, &'static str) {
        let body = Body::of(&group(events, ODD), format);
        let text = String::from_utf8(body.bytes.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap();
        (text, json, body.content_type)
    }

    #[test]
    fn e4_e5_the_envelope_is_the_references_and_data_keeps_its_bytes() {
        let (text, json, content_type) = body(1..3, PayloadFormat::Envelope);
        assert_eq!(text.matches(ODD).count(), 2);
        assert_eq!(json["accountId"], 1234);
        assert_eq!(json["events"][1]["eventId"], "event-2");
        assert_eq!(json["events"][0]["eventInfo"], "a \"quoted\" note");
        assert!(text.contains("\"timestamp\":1725604147,"));
        assert_eq!(content_type, "application/json");
    }

    #[test]
    fn e4_e5_a_single_event_is_the_envelopes_with_its_account() {
        let (text, json, content_type) = body(1..2, PayloadFormat::Single);
        assert!(text.contains(ODD));
        let mut event = body(1..2, PayloadFormat::Envelope).1["events"][0].clone();
        event["accountId"] = 1234.into();
        assert_eq!(json, event);
        assert_eq!(content_type, "application/json");
    }

    #[test]
    fn e4_e5_one_event_is_a_structured_cloud_event_and_more_are_a_batch() {
        let (text, json, content_type) = body(1..2, PayloadFormat::CloudEvents);
        assert!(text.contains(ODD));
        let expected = json!({
            "specversion": "1.0",
            "id": "event-1",
            "source": "/accounts/1234/events/CI_STATS",
            "type": "CI_STATS",
            "time": "2024-09-06T06:29:07Z",
            "eventtimestamp": "1725604147",
            "eventinfo": "a \"quoted\" note",
            "datacontenttype": "application/json",
            "data": {"b": 1e2, "a": "ä"},
        });
        assert_eq!(json, expected);
        assert_eq!(content_type, CLOUD_EVENT);
        let (_, batch, content_type) = body(1..3, PayloadFormat::CloudEvents);
        assert_eq!(batch[0], json);
        assert_eq!(batch[1]["id"], "event-2");
        assert_eq!(content_type, CLOUD_EVENTS);
    }

    #[test]
    fn e5_a_cloud_events_time_reads_seconds_and_milliseconds() {
        let time =
            |timestamp| time_of(timestamp).map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        assert_eq!(time(1_725_604_147).as_deref(), Some("2024-09-06T06:29:07Z"));
        assert_eq!(
            time(1_727_414_643_250).as_deref(),
            Some("2024-09-27T05:24:03.250Z")
        );
        assert_eq!(time(u64::MAX), None);
        assert_eq!(time(253_402_300_800_000), None, "the year 10000");
    }
}
