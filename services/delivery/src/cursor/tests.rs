//! Keys, records and sets.

use angarium_model::{Lane, Revision, WebhookId};
use angarium_proto::delivery::v1::cursor_record::Entry;
use angarium_proto::delivery::v1::{Claim, CursorRecord, Place};
use prost::Message as _;

use super::*;

fn id(number: u8) -> WebhookId {
    WebhookId::from_bytes([number; 16])
}

fn cursor(resume: i64, standing: Standing) -> Cursor {
    Cursor {
        account: AccountId::new(1234).unwrap(),
        generation: 2,
        resume,
        done: Some(Mark {
            source_offset: 77,
            revision: Revision::from_offset(5),
        }),
        newest_view: Revision::from_offset(6),
        standing,
    }
}

fn behind(head: &[i64]) -> Standing {
    Standing::Behind {
        since_ms: 1_727_414_643_000,
        head: Head::new(head.iter().copied()),
        slot_end: Some(9),
        rested_at_ms: 5,
        replay: None,
        parked: vec![Parked {
            head: Head::new([3, 4, 1_000]),
            since_ms: 1_727_414_643_000,
            generation: 1,
            is_replay: true,
        }],
    }
}

fn write(sets: &mut Sets, offset: i64, key: Key, entry: Option<Entry>) {
    let value = entry.map(|entry| CursorRecord { entry: Some(entry) }.encode_to_vec());
    sets.read(offset, key.to_string().as_bytes(), value.as_deref());
}

fn write_cursor(sets: &mut Sets, epoch: i64, number: u8, cursor: &Cursor) {
    let key = Key::Webhook(Lane::Realtime, epoch, id(number));
    write(sets, 0, key, Some(Entry::from(cursor)));
}

fn place(sets: &mut Sets, epoch: i64, offset: i64) {
    let entry = Entry::Place(Place { offset });
    write(sets, 0, Key::Place(Lane::Realtime, epoch), Some(entry));
}

#[test]
fn a_key_is_text_and_comes_back() {
    for lane in Lane::ALL {
        for key in [
            Key::Claim(lane),
            Key::Place(lane, 0),
            Key::Webhook(lane, 77, id(3)),
        ] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
    }
    for text in [
        "",
        "realtime",
        "other/claim",
        "realtime/x/place",
        "realtime/1/wh_",
        "realtime/1",
    ] {
        assert!(text.parse::<Key>().is_err(), "{text}");
    }
}

#[test]
fn a_cursor_comes_back_as_it_was_written() {
    for standing in [
        Standing::Live,
        behind(&[]),
        behind(&[0]),
        behind(&[7, 8, 1_000_000]),
    ] {
        let mut sets = Sets::new(Lane::Realtime);
        let written = cursor(12, standing);
        write_cursor(&mut sets, 3, 1, &written);
        place(&mut sets, 3, 12);
        assert_eq!(sets.found().unwrap().cursors[&id(1)], written);
        assert_eq!(sets.unreadable(), 0);
    }
}

#[test]
fn only_the_highest_set_with_a_place_counts() {
    let mut sets = Sets::new(Lane::Realtime);
    assert!(sets.found().is_none());
    write_cursor(&mut sets, 3, 1, &cursor(5, behind(&[5])));
    place(&mut sets, 3, 9);
    write_cursor(&mut sets, 8, 2, &cursor(6, behind(&[])));
    let found = sets.found().unwrap();
    assert_eq!((found.epoch, found.place, found.cursors.len()), (3, 9, 1));
    place(&mut sets, 8, 10);
    let found = sets.found().unwrap();
    assert_eq!((found.epoch, found.place), (8, 10));
    assert!(
        found.cursors.contains_key(&id(2)) && found.cursors.len() == 1,
        "sets are not mixed"
    );
    // A zombie writes on under its own epoch.
    write_cursor(&mut sets, 3, 2, &cursor(0, behind(&[0])));
    place(&mut sets, 3, 99);
    assert_eq!(sets.found().unwrap().place, 10);
    assert_eq!(
        sets.keys_below(8),
        [
            Key::Place(Lane::Realtime, 3),
            Key::Webhook(Lane::Realtime, 3, id(1)),
            Key::Webhook(Lane::Realtime, 3, id(2)),
        ]
    );
}

#[test]
fn tombstones_remove_and_the_other_lane_is_passed_over() {
    let mut sets = Sets::new(Lane::Realtime);
    write_cursor(&mut sets, 3, 1, &cursor(5, behind(&[5])));
    place(&mut sets, 3, 9);
    write(&mut sets, 0, Key::Webhook(Lane::Realtime, 3, id(1)), None);
    assert!(sets.found().unwrap().cursors.is_empty());
    write(
        &mut sets,
        7,
        Key::Place(Lane::Batch, 50),
        Some(Entry::Place(Place { offset: 1 })),
    );
    write(
        &mut sets,
        8,
        Key::Claim(Lane::Batch),
        Some(Entry::Claim(Claim::default())),
    );
    write(
        &mut sets,
        6,
        Key::Claim(Lane::Realtime),
        Some(Entry::Claim(Claim::default())),
    );
    assert_eq!((sets.found().unwrap().epoch, sets.newest_claim()), (3, Some(6)));
    write(&mut sets, 0, Key::Place(Lane::Realtime, 3), None);
    assert!(sets.found().is_none());
}

#[test]
fn what_cannot_be_read_is_counted_and_changes_nothing() {
    let mut sets = Sets::new(Lane::Realtime);
    place(&mut sets, 3, 9);
    sets.read(
        0,
        Key::Place(Lane::Realtime, 3).to_string().as_bytes(),
        Some(b"\xff"),
    );
    write(
        &mut sets,
        0,
        Key::Place(Lane::Realtime, 3),
        Some(Entry::Claim(Claim::default())),
    );
    sets.read(0, b"\xff\xfe", Some(b""));
    assert_eq!((sets.found().unwrap().place, sets.unreadable()), (9, 1));
    write(&mut sets, 0, Key::Place(Lane::Realtime, 3), None);
    assert_eq!(sets.unreadable(), 0, "what is removed is in nobody's way");
}
