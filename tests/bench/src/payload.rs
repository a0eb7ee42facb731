//! The events that are published, and what a receiver reads in them.

use serde::Deserialize;

use crate::workload::Planned;

/// The size of an event, as JSON.
const EVENT_BYTES: usize = 1_024;
/// A real-time type (E2).
pub(crate) const EVENT_NAME: &str = "COURSE_ENROLLMENT";

/// An event of 1 KiB.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) account_id: u64,
    pub(crate) id: String,
    pub(crate) timestamp_ms: u64,
    /// `seq`, `sentNs` and padding.
    pub(crate) data: String,
}

/// The accounts of a run have ids from 1.
pub(crate) const fn account_id(account: u64) -> u64 {
    account + 1
}

impl Event {
    /// `name` makes the id unique among all runs.
    pub(crate) fn new(name: &str, planned: Planned, sent_ns: u64, timestamp_ms: u64) -> Self {
        let account_id = account_id(planned.account);
        let mut event = Self {
            account_id,
            id: format!("{name}-{account_id}-{}", planned.sequence),
            timestamp_ms,
            data: format!(
                "{{\"seq\":{},\"sentNs\":{sent_ns},\"pad\":\"\"}}",
                planned.sequence
            ),
        };
        let pad = EVENT_BYTES.saturating_sub(event.json().len());
        let end = event.data.len() - "\"}".len();
        event.data.insert_str(end, &"x".repeat(pad));
        event
    }

    /// As a producer sends it over HTTP.
    pub(crate) fn json(&self) -> String {
        let Self {
            account_id: _,
            id,
            timestamp_ms,
            data,
        } = self;
        format!(
            "{{\"eventId\":\"{id}\",\"eventName\":\"{EVENT_NAME}\",\"timestamp\":{timestamp_ms},\"data\":{data}}}"
        )
    }

    /// As a receiver gets it, alone in its group (E4).
    pub(crate) fn envelope(&self) -> String {
        format!(
            "{{\"accountId\":{},\"events\":[{}]}}",
            self.account_id,
            self.json()
        )
    }
}

/// The data of an event that shows whether all are ready, and is not counted.
pub(crate) const PROBE: &str = "{\"probe\":true}";

/// What a receiver reads in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Counted { sequence: u64, sent_ns: u64 },
    Probe,
}

/// The marks of a group, in its order.
pub(crate) fn marks(body: &[u8]) -> serde_json::Result<Vec<Mark>> {
    #[derive(Deserialize)]
    struct Envelope {
        events: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        seq: Option<u64>,
        #[serde(rename = "sentNs")]
        sent_ns: Option<u64>,
    }
    let envelope: Envelope = serde_json::from_slice(body)?;
    let mark = |entry: Entry| match (entry.data.seq, entry.data.sent_ns) {
        (Some(sequence), Some(sent_ns)) => Mark::Counted { sequence, sent_ns },
        _ => Mark::Probe,
    };
    Ok(envelope.events.into_iter().map(mark).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_1_kib_and_carries_its_number_and_time() {
        for sequence in [0, 7, 1_234_567] {
            let planned = Planned {
                account: 41,
                sequence,
                due_ns: None,
            };
            let event = Event::new("run", planned, 99, 1_727_414_643_000);
            assert_eq!(event.json().len(), 1_024);
            let read = marks(event.envelope().as_bytes()).unwrap();
            assert_eq!(
                read,
                [Mark::Counted {
                    sequence,
                    sent_ns: 99
                }]
            );
        }
    }

    #[test]
    fn a_group_is_read_in_its_order_and_probes_are_told_apart() {
        let body = format!(
            r#"{{"accountId":1,"events":[{{"data":{{"seq":2,"sentNs":1}}}},{{"data":{PROBE}}},{{"data":{{"seq":3,"sentNs":1}}}}]}}"#
        );
        let read = marks(body.as_bytes()).unwrap();
        let counted = |sequence| Mark::Counted { sequence, sent_ns: 1 };
        assert_eq!(read, [counted(2), Mark::Probe, counted(3)]);
        assert!(marks(b"{").is_err());
    }
}
