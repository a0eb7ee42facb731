use angarium_proto::event::v1::Position;
use angarium_proto::journal::v1::journal_record::Entry as Happened;
use angarium_proto::journal::v1::{Attempt, EventReference, Matched, StateChanged};

use super::super::keys::Topic;
use super::super::store::{Bounds, Incoming};
use super::*;

const NOW: i64 = 1_800_000_000_000;
const DAY: i64 = 86_400_000;
const BOUNDS: Bounds = Bounds {
    bytes: 1 << 30,
    age_ms: 7 * DAY,
};

struct Bench {
    store: Store,
    folder: tempfile::TempDir,
}

fn bench(bounds: Bounds) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), "log.redb", bounds).unwrap();
    Bench { store, folder }
}

fn account() -> AccountId {
    AccountId::new(1234).unwrap()
}

fn hook(number: u8) -> WebhookId {
    WebhookId::from_bytes([number; 16])
}

fn event(id: &str, offset: i64) -> EventReference {
    EventReference {
        position: Some(Position { partition: 0, offset }),
        event_id: id.to_owned(),
        event_name: "CI_STATS".to_owned(),
    }
}

fn record(at_ms: i64, happened: Happened) -> Entry {
    Entry {
        account_id: 1234,
        at_ms,
        entry: Some(happened),
    }
}

fn attempt(at_ms: i64, hook_number: u8, ids: &[&str], class: &str) -> Entry {
    record(
        at_ms,
        Happened::Attempt(Attempt {
            webhook_id: hook(hook_number).to_string(),
            events: ids.iter().map(|id| event(id, 7)).collect(),
            attempt: 1,
            error_class: class.to_owned(),
            duration_us: 34_000,
            ..Attempt::default()
        }),
    )
}

fn changed(at_ms: i64, state: DeliveryState) -> Entry {
    record(
        at_ms,
        Happened::StateChanged(StateChanged {
            webhook_id: hook(1).to_string(),
            lane: Lane::Realtime.into(),
            state: state.into(),
            before: DeliveryState::Live.into(),
        }),
    )
}

/// From one partition of a topic, in order, from an offset on.
fn from(offset: i64, records: impl IntoIterator<Item = Entry>) -> Vec<Incoming> {
    let incoming = |(offset, record)| Incoming {
        topic: Topic::Journal,
        partition: 0,
        offset,
        record: Some(record),
    };
    (offset..).zip(records).map(incoming).collect()
}

#[test]
fn the_last_calls_of_a_webhook_are_told_the_latest_first_and_no_others() {
    let bench = bench(BOUNDS);
    let mut records: Vec<_> = (0..60).map(|n| attempt(NOW - 1_000 + n, 1, &["e"], "")).collect();
    records.push(attempt(NOW, 2, &["e"], "connect"));
    bench.store.take(&from(0, records), NOW, true).unwrap();
    let found = bench.store.attempts(account(), hook(1), 50).unwrap();
    let times: Vec<_> = found.iter().map(|record| record.at_ms).collect();
    assert_eq!(times, (0..50).map(|n| NOW - 941 - n).collect::<Vec<_>>());
    // Whose webhook it is not learns nothing.
    let other = AccountId::new(5).unwrap();
    assert!(bench.store.attempts(other, hook(1), 50).unwrap().is_empty());
}

#[test]
fn everything_about_an_event_is_found_by_its_id_within_its_account() {
    let bench = bench(BOUNDS);
    let matched = record(
        NOW - 9,
        Happened::Matched(Matched {
            event: Some(event("order-7", 7)),
            ..Matched::default()
        }),
    );
    let records = [
        matched,
        attempt(NOW - 8, 1, &["other", "order-7"], "connect"),
        attempt(NOW - 7, 1, &["order-77"], ""),
    ];
    bench.store.take(&from(0, records), NOW, true).unwrap();
    assert_eq!(bench.store.event(account(), "order-7", 10).unwrap().len(), 2);
    assert!(
        bench
            .store
            .event(AccountId::new(5).unwrap(), "order-7", 10)
            .unwrap()
            .is_empty()
    );
    assert!(bench.store.event(account(), "order", 10).unwrap().is_empty());
}

#[test]
fn an_hour_counts_each_minute_and_nothing_twice() {
    let bench = bench(BOUNDS);
    let records = [
        attempt(NOW - 61 * MINUTE_MS, 1, &["e"], ""),
        attempt(NOW - 2 * MINUTE_MS, 1, &["e"], "connect"),
        attempt(NOW, 1, &["e"], ""),
    ];
    // Kafka may hand over again what was not committed durably.
    for _ in 0..2 {
        bench.store.take(&from(0, records.clone()), NOW, true).unwrap();
    }
    let hour = bench.store.hour(hook(1), NOW).unwrap();
    assert_eq!((hour.minutes.len(), hour.total.ok, hour.total.failed), (60, 1, 1));
    assert_eq!((hour.minutes[59].ok, hour.minutes[57].failed), (1, 1));
    assert_eq!(hour.total.permille(), Some(500));
}

#[test]
fn d4_the_state_is_the_latest_and_its_changes_are_kept() {
    let bench = bench(BOUNDS);
    let records = [
        changed(NOW - 20, DeliveryState::Failing),
        changed(NOW - 10, DeliveryState::CatchingUp),
    ];
    bench.store.take(&from(0, records), NOW, true).unwrap();
    let standing = Standing {
        lane: Lane::Realtime,
        state: DeliveryState::CatchingUp,
        since_ms: NOW - 10,
    };
    assert_eq!(bench.store.standing(hook(1)).unwrap(), [standing]);
    assert_eq!(bench.store.turns(account(), hook(1), 10).unwrap().len(), 2);
}

#[test]
fn what_is_too_old_goes_with_all_that_it_was_found_by() {
    let bench = bench(BOUNDS);
    let records = [attempt(NOW, 1, &["e"], ""), changed(NOW, DeliveryState::Failing)];
    bench.store.take(&from(0, records), NOW, true).unwrap();
    bench.store.take(&[], NOW + 8 * DAY, true).unwrap();
    assert!(bench.store.attempts(account(), hook(1), 9).unwrap().is_empty());
    assert!(bench.store.event(account(), "e", 9).unwrap().is_empty());
    assert!(bench.store.standing(hook(1)).unwrap().is_empty());
    assert_eq!(
        bench.store.hour(hook(1), NOW + 8 * DAY).unwrap().total.attempts(),
        0
    );
    // What comes too late is not taken in at all.
    bench
        .store
        .take(&from(9, [attempt(NOW, 1, &["e"], "")]), NOW + 8 * DAY, true)
        .unwrap();
    assert!(bench.store.event(account(), "e", 9).unwrap().is_empty());
}

#[test]
fn the_oldest_make_room_when_there_is_more_than_was_allowed() {
    let bench = bench(Bounds {
        bytes: 3_000,
        ..BOUNDS
    });
    let records = (0..100).map(|n| attempt(NOW - 1_000 + n, 1, &["e"], ""));
    bench.store.take(&from(0, records), NOW, true).unwrap();
    let left = bench.store.attempts(account(), hook(1), 1_000).unwrap();
    assert!((5..20).contains(&left.len()), "{}", left.len());
    assert_eq!(left[0].at_ms, NOW - 901);
    assert_eq!(
        bench.store.event(account(), "e", 1_000).unwrap().len(),
        left.len()
    );
}

#[test]
fn a_clock_that_is_ahead_keeps_nothing_for_ever() {
    let bench = bench(BOUNDS);
    bench
        .store
        .take(&from(0, [attempt(NOW + 900 * DAY, 1, &["e"], "")]), NOW, true)
        .unwrap();
    assert_eq!(bench.store.attempts(account(), hook(1), 9).unwrap().len(), 1);
    bench.store.take(&[], NOW + 8 * DAY, true).unwrap();
    assert!(bench.store.attempts(account(), hook(1), 9).unwrap().is_empty());
}

#[test]
fn after_a_restart_each_partition_is_read_on_where_it_was_left() {
    let Bench { store, folder } = bench(BOUNDS);
    store
        .take(&from(41, [attempt(NOW, 1, &["e"], "")]), NOW, true)
        .unwrap();
    let unreadable = Incoming {
        topic: Topic::Ok,
        partition: 3,
        offset: 8,
        record: None,
    };
    store.take(&[unreadable], NOW, true).unwrap();
    drop(store);
    let again = Store::open(folder.path(), "log.redb", BOUNDS).unwrap();
    assert_eq!(again.places(Topic::Journal).unwrap(), [(0, 42)].into());
    assert_eq!(again.places(Topic::Ok).unwrap(), [(3, 9)].into());
    assert_eq!(again.attempts(account(), hook(1), 9).unwrap().len(), 1);
    // Two consoles cannot share a file.
    let second = Store::open(folder.path(), "log.redb", BOUNDS).unwrap_err();
    assert!(second.to_string().contains("console.data_dir"), "{second}");
}
