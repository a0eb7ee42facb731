//! G1–G4 against a plain reading of the reference: each rule looks through all that has happened, and remembers nothing.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it")]

use std::num::NonZeroUsize;

use angarium_model::{AccountId, EventId, EventName, Timestamp};
use angarium_receiver::{Again, Arrival, Event, Group, Inbox, Memory, Order, Reason, Verdict};
use proptest::prelude::*;
use serde_json::value::RawValue;

const NAMES: [&str; 12] = [
    "COURSE_ENROLLMENT",
    "LEARNING_PATH_ENROLLMENT_BATCH",
    "CERTIFICATION_ENROLLMENT",
    "COURSE_COMPLETED",
    "LEARNING_PATH_COMPLETED",
    "CERTIFICATION_COMPLETED_BATCH",
    "COURSE_UNENROLLMENT",
    "LEARNING_PATH_UNENROLLMENT_BATCH",
    "CERTIFICATION_UNENROLLMENT",
    "LEARNER_PROGRESS",
    "LEARNER_PROGRESS",
    "BADGE_GIVEN",
];

/// What happens: one event of a small world in which everything meets.
#[derive(Clone, Debug)]
struct Told {
    account: u64,
    user: u64,
    object: u8,
    name: &'static str,
    /// Seconds, and whether they are published as milliseconds (E5).
    at: u64,
    in_millis: bool,
    id: u8,
}

impl Told {
    fn event(&self) -> Event {
        let seconds = 1_725_604_000 + self.at;
        let data = format!(r#"{{"userId":{},"loId":"course:{}"}}"#, self.user, self.object);
        Event {
            account: AccountId::new(self.account).unwrap(),
            id: EventId::new(format!("id-{}", self.id)).unwrap(),
            name: EventName::new(self.name).unwrap(),
            timestamp: Timestamp::new(if self.in_millis { seconds * 1_000 } else { seconds }),
            info: String::new(),
            data: RawValue::from_string(data).unwrap(),
        }
    }

    fn is(&self, verb: &str) -> bool {
        ["COURSE", "LEARNING_PATH", "CERTIFICATION"].iter().any(|family| {
            self.name == format!("{family}_{verb}") || self.name == format!("{family}_{verb}_BATCH")
        })
    }

    fn is_of_the_same(&self, other: &Self) -> bool {
        (self.account, self.user, self.object) == (other.account, other.user, other.object)
    }

    fn is_progress(&self) -> bool {
        self.name == "LEARNER_PROGRESS"
    }
}

fn told() -> impl Strategy<Value = Told> {
    let ids = (1_u64..3, 1_u64..3, 0_u8..2);
    let event = (prop::sample::select(&NAMES[..]), 0_u64..8, any::<bool>(), 0_u8..6);
    (ids, event).prop_map(|((account, user, object), (name, at, in_millis, id))| Told {
        account,
        user,
        object,
        name,
        at,
        in_millis,
        id,
    })
}

/// The reference, read aloud: `counted` is what came before and was not ignored.
fn read_plainly(counted: &[Told], event: &Told) -> Result<(), Reason> {
    let same: Vec<&Told> = counted.iter().filter(|one| one.is_of_the_same(event)).collect();
    // A newer UNENROLLMENT starts over; one that is older than the newest never counted.
    let start = same.iter().rposition(|one| one.is("UNENROLLMENT"));
    let since = &same[start.map_or(0, |at| at + 1)..];
    if event.is_progress() {
        let completed = since.iter().any(|one| one.is("COMPLETED"));
        return if completed { Err(Reason::Completed) } else { Ok(()) };
    }
    if event.is("ENROLLMENT") && since.first().is_some_and(|first| first.is_progress()) {
        return Err(Reason::ProgressFirst);
    }
    let newest = same
        .iter()
        .filter(|one| !one.is_progress())
        .map(|one| one.at)
        .max();
    if newest.is_some_and(|newest| event.at < newest) {
        Err(Reason::Stale)
    } else {
        Ok(())
    }
}

fn group(id: &str, events: Vec<Event>) -> Group {
    Group {
        id: id.to_owned(),
        events,
        place: None,
        again: None,
        arrival: Arrival::new().unwrap(),
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn inbox() -> Inbox<Memory> {
    Inbox::new(Memory::new(NonZeroUsize::new(10_000).unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn g2_g3_g4_every_history_is_judged_as_the_reference_reads(history in prop::collection::vec(told(), 0..40)) {
        let mut order = Order::default();
        let mut counted = Vec::new();
        for event in &history {
            let expected = read_plainly(&counted, event);
            prop_assert_eq!(order.judge(&event.event()), expected, "{:?} behind {:?}", event, counted);
            if expected.is_ok() {
                counted.push(event.clone());
            }
        }
    }

    /// However events are cut into groups, and whichever groups come again: of each account, name and id the first counts,
    /// and it is judged by the rules of order; no other does.
    #[test]
    fn g1_of_each_account_name_and_id_one_is_taken(
        history in prop::collection::vec(prop::collection::vec(told(), 1..5), 0..12),
        repeats in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut arriving: Vec<usize> = (0..history.len()).collect();
        for repeat in repeats.iter().filter(|_| !history.is_empty()) {
            arriving.insert(repeat.index(arriving.len() + 1), repeat.index(history.len()));
        }
        let mut inbox = inbox();
        let mut known = std::collections::BTreeSet::new();
        let mut counted = Vec::new();
        for index in arriving {
            let told = &history[index];
            let group = group(&format!("msg_{index}"), told.iter().map(Told::event).collect());
            let sorted = block_on(inbox.sort(&group)).unwrap();
            for (event, (_, verdict)) in told.iter().zip(&sorted.events) {
                let expected = if known.insert((event.account, event.name, event.id)) {
                    read_plainly(&counted, event).map_or_else(Verdict::Ignore, |()| Verdict::Take)
                } else {
                    Verdict::Duplicate
                };
                prop_assert_eq!(*verdict, expected);
                if expected == Verdict::Take {
                    counted.push(event.clone());
                }
            }
        }
    }
}

fn one(id: u8, name: &'static str) -> Event {
    let told = Told {
        account: 1,
        user: 1,
        object: 1,
        name,
        at: 0,
        in_millis: false,
        id,
    };
    told.event()
}

fn taken(inbox: &mut Inbox<Memory>, group: &Group) -> usize {
    block_on(inbox.sort(group)).unwrap().to_take().count()
}

#[test]
fn g1_what_failed_is_no_duplicate_when_it_comes_again() {
    let mut inbox = inbox();
    let first = group("msg_1", vec![one(1, "CI_STATS"), one(2, "CI_STATS")]);
    let again = group("msg_1", first.events.clone());
    let sorted = block_on(inbox.sort(&first)).unwrap();
    assert_eq!(sorted.to_take().count(), 2);
    block_on(inbox.failed(&sorted)).unwrap();
    drop(sorted);
    let sorted = block_on(inbox.sort(&again)).unwrap();
    assert_eq!(sorted.to_take().count(), 2);
    drop(sorted);
    // The first attempt has nothing left to give back.
    let late = block_on(inbox.sort(&first)).unwrap();
    assert_eq!(late.to_take().count(), 0);
    block_on(inbox.failed(&late)).unwrap();
    drop(late);
    assert_eq!(taken(&mut inbox, &group("msg_1", again.events.clone())), 0);
}

#[test]
fn g1_a_claim_that_is_repeated_for_the_same_request_stays_its_own() {
    let mut inbox = inbox();
    let request = group("msg_1", vec![one(1, "CI_STATS")]);
    assert_eq!(taken(&mut inbox, &request), 1);
    assert_eq!(
        taken(&mut inbox, &request),
        1,
        "the store's first answer may have been lost"
    );
    assert_eq!(taken(&mut inbox, &group("msg_1", request.events.clone())), 0);
}

#[test]
fn g1_what_is_asked_for_again_is_taken_once_and_is_never_too_late() {
    let mut inbox = inbox();
    let progress = group(
        "msg_1",
        vec![one(1, "LEARNER_PROGRESS"), one(2, "COURSE_COMPLETED")],
    );
    assert_eq!(taken(&mut inbox, &progress), 2);
    let replay = || Group {
        again: Some(Again::Replay),
        ..group("msg_2", progress.events.clone())
    };
    assert_eq!(taken(&mut inbox, &replay()), 2);
    assert_eq!(taken(&mut inbox, &replay()), 0, "another attempt at the same");
}

#[test]
fn g1_memory_is_bounded_and_forgets_the_oldest() {
    let mut inbox = Inbox::new(Memory::new(NonZeroUsize::new(2).unwrap()));
    let of = |id| group("msg", vec![one(id, "CI_STATS")]);
    for id in 1..=3 {
        assert_eq!(taken(&mut inbox, &of(id)), 1);
    }
    assert_eq!(taken(&mut inbox, &of(3)), 0);
    assert_eq!(taken(&mut inbox, &of(1)), 1, "it has left the window");
}

#[test]
fn g4_an_event_without_a_learner_is_never_too_late() {
    let mut order = Order::default();
    for (at, data) in [
        (9, r#"{"loId":"course:1"}"#),
        (1, r#"{"loId":"course:1"}"#),
        (0, r#"{"userId":null,"loId":"course:1"}"#),
        (0, "[]"),
    ] {
        let event = Event {
            timestamp: Timestamp::new(at),
            data: RawValue::from_string(data.to_owned()).unwrap(),
            ..one(1, "LEARNING_OBJECT_MODIFICATION")
        };
        assert_eq!(order.judge(&event), Ok(()), "{data}");
    }
}

#[test]
fn g4_a_learner_is_one_whether_written_as_a_number_or_a_text() {
    let mut order = Order::default();
    let at = |at, user: &str| Event {
        timestamp: Timestamp::new(at),
        data: RawValue::from_string(format!(r#"{{"userId":{user},"loId":"course:1"}}"#)).unwrap(),
        ..one(1, "COURSE_ENROLLMENT")
    };
    assert_eq!(order.judge(&at(5, "7")), Ok(()));
    assert_eq!(order.judge(&at(4, "\"7\"")), Err(Reason::Stale));
}

#[test]
fn g2_pairs_are_bounded_and_the_least_recent_is_forgotten() {
    let mut order = Order::new(NonZeroUsize::new(1).unwrap());
    let of = |object, name| {
        let told = Told {
            account: 1,
            user: 1,
            object,
            name,
            at: 0,
            in_millis: false,
            id: 1,
        };
        told.event()
    };
    assert_eq!(order.judge(&of(1, "LEARNER_PROGRESS")), Ok(()));
    assert_eq!(
        order.judge(&of(1, "COURSE_ENROLLMENT")),
        Err(Reason::ProgressFirst)
    );
    assert_eq!(order.judge(&of(2, "LEARNER_PROGRESS")), Ok(()));
    assert_eq!(order.judge(&of(1, "COURSE_ENROLLMENT")), Ok(()));
}
