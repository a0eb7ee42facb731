//! Events that were made to be looked at: the catalogue's examples, and what a person gives as one.

use angarium_model::{
    AccountId, Catalogue, Event, EventId, EventInfo, EventName, EventType, JsonObject, KnownTypes, OwnType,
    Timestamp,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::known_type;

/// An envelope (E4).
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    events: Vec<Written<'a>>,
}

/// An event as it stands in the body of a POST.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    event_id: Option<String>,
    event_name: Option<String>,
    timestamp: Option<u64>,
    event_info: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// What an event of a person's is called that leaves its name or its id out.
const UNNAMED: &str = "SAMPLE";

/// The catalogue's example of a type, as an event of an account.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "the catalogue is fixed, and a test reads every example"
)]
pub fn example(known: EventType, account: AccountId) -> Event {
    given_sample(known.example, account).expect("the catalogue has an example of each type")
}

/// The largest sample, in bytes: no event may be larger.
const MAX_SAMPLE: usize = 1 << 20;

/// The example of a type that a caller names, as an event of an account.
///
/// # Errors
/// What is wrong with the name, or that the type has no example.
pub fn known_sample(name: &str, account: AccountId, types: &KnownTypes) -> Result<Event, String> {
    let name = known_type(name, types)?;
    if let Some(known) = Catalogue.get(name.as_str()) {
        return Ok(example(known, account));
    }
    let own = types.get_own(name.as_str()).map(|own| own_example(own, account));
    own.unwrap_or(Ok(None))?
        .ok_or_else(|| format!("{name} has no example; give it one with UpdateEventType"))
}

/// The example of a type that is not of the catalogue, if it has one. It need not say its name, and says no other.
///
/// # Errors
/// What is wrong with it.
pub fn own_example(own: &OwnType, account: AccountId) -> Result<Option<Event>, String> {
    let Some(json) = &own.example else {
        return Ok(None);
    };
    let event = given_sample(json, account)?;
    if event.name != own.name && event.name.as_str() != UNNAMED {
        return Err(format!(
            "eventName: is {}, and the type is {}",
            event.name, own.name
        ));
    }
    Ok(Some(Event {
        name: own.name.clone(),
        ..event
    }))
}

/// An event that a person gives as JSON: as it stands in the body of a POST, alone or in an envelope. Only `data` must be there.
///
/// # Errors
/// What is wrong with it.
pub fn given_sample(json: &str, account: AccountId) -> Result<Event, String> {
    if json.len() > MAX_SAMPLE {
        return Err(format!(
            "has {} bytes; at most {MAX_SAMPLE} are allowed",
            json.len()
        ));
    }
    let written = written(json)?;
    let name = written.event_name.as_deref().unwrap_or(UNNAMED);
    let id = written.event_id.as_deref().unwrap_or(UNNAMED);
    let data = written.data.ok_or(
        "has no data; write an event as a POST has it, such as {\"eventName\": \"CI_STATS\", \"data\": {…}}",
    )?;
    let info = written.event_info.as_deref().map(EventInfo::new).transpose();
    Ok(Event {
        account,
        id: EventId::new(id).map_err(|error| format!("eventId: {error}"))?,
        name: EventName::new(name).map_err(|error| format!("eventName: {error}"))?,
        timestamp: Timestamp::new(written.timestamp.unwrap_or(0)),
        info: info.map_err(|error| format!("eventInfo: {error}"))?,
        data: JsonObject::parse(Bytes::copy_from_slice(data.get().as_bytes()))
            .map_err(|error| format!("data: {error}"))?,
    })
}

fn written(json: &str) -> Result<Written<'_>, String> {
    #[derive(Deserialize)]
    struct Probe<'a> {
        #[serde(borrow)]
        events: Option<&'a RawValue>,
    }
    let wrong = |error: serde_json::Error| format!("is no event: {error}");
    let probe: Probe<'_> = serde_json::from_str(json).map_err(wrong)?;
    if probe.events.is_none() {
        return serde_json::from_str(json).map_err(wrong);
    }
    let Envelope { events } = serde_json::from_str(json).map_err(wrong)?;
    let count = events.len();
    let mut events = events.into_iter();
    match (events.next(), events.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(format!("has {count} events; give one of them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> AccountId {
        AccountId::new(7).unwrap()
    }

    #[test]
    fn e7_every_example_of_the_catalogue_is_an_event_of_its_type() {
        for known in Catalogue.types() {
            assert_eq!(example(known, account()).name.as_str(), known.name);
        }
    }

    #[test]
    fn a_sample_is_an_event_alone_or_in_an_envelope_and_needs_data_alone() {
        let alone = given_sample(r#"{"data": { "a": 1.0 }}"#, account()).unwrap();
        assert_eq!((alone.name.as_str(), alone.id.as_str()), ("SAMPLE", "SAMPLE"));
        assert_eq!(alone.data.bytes().as_ref(), br#"{ "a": 1.0 }"#);
        let whole =
            r#"{"eventId": "e", "eventName": "CI_STATS", "timestamp": 5, "eventInfo": "i", "data": {}}"#;
        let enveloped = format!(r#"{{"accountId": 1, "events": [{whole}]}}"#);
        assert_eq!(
            given_sample(&enveloped, account()),
            given_sample(whole, account())
        );
        assert_eq!(given_sample(whole, account()).unwrap().timestamp.get(), 5);
    }

    #[test]
    fn what_is_no_sample_says_what_is_wrong() {
        for (json, wrong) in [
            ("", "is no event: EOF"),
            ("[]", "is no event: "),
            ("{}", "has no data"),
            (r#"{"events": []}"#, "has 0 events; give one of them"),
            (
                r#"{"events": [{"data": {}}, {"data": {}}]}"#,
                "has 2 events; give one of them",
            ),
            (r#"{"data": 5}"#, "data: must be a JSON object"),
            (r#"{"data": {}, "eventName": "no name"}"#, "eventName: "),
        ] {
            let told = given_sample(json, account()).unwrap_err();
            assert!(told.starts_with(wrong), "{json}: {told}");
        }
    }
}
