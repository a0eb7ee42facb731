//! How many events a core matches: from the record of the events topic to the records of the deliveries topics, without
//! Kafka, against 100,000 webhooks in 10,000 accounts. The floor does what is left without webhooks: it reads the same
//! records, and writes one delivery of each. `docs/PERFORMANCE.md` has the figures.
//!
//! `cargo bench -p angarium-fanout --features simulation`

use std::hint::black_box;
use std::num::NonZeroU32;

use angarium_directory::Directory;
use angarium_fanout::Config;
use angarium_fanout::simulation::Source;
use angarium_kafka::Record;
use angarium_model::{
    AcceptedAt, AccountId, Catalogue, Event, EventName, EventType, FilterText, Position, TargetUrl,
    TypePattern, Webhook, WebhookId,
};
use angarium_proto::convert;
use angarium_proto::event::v1::EventRecord;
use angarium_webhooks::example;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;

const ACCOUNTS: u64 = 10_000;
const WEBHOOKS_EACH: u64 = 10;
/// As `deliveries.*` have.
const PARTITIONS: NonZeroU32 = match NonZeroU32::new(12) {
    Some(partitions) => partitions,
    None => NonZeroU32::MIN,
};
/// Events of a round, of as many accounts.
const EVENTS: u64 = 1_000;
/// Of an event of every third type it is true.
const FILTER: &str = "has(data.loType) && data.loType == 'course'";

/// Which types the webhooks of an account take.
#[derive(Clone, Copy)]
enum Taste {
    /// Three of the 27 each: an event goes to one, or two.
    Three,
    /// All: an event goes to ten.
    All,
}

fn account(number: u64) -> AccountId {
    AccountId::new(number).unwrap_or_else(|error| unreachable!("{error}"))
}

fn patterns(taste: Taste, number: u64) -> Vec<TypePattern> {
    let Taste::Three = taste else {
        return vec![TypePattern::Any];
    };
    let exact = |known: EventType| EventName::new(known.name).map(TypePattern::Exact);
    let from = usize::try_from(number * 3).unwrap_or_default();
    let twice = Catalogue.types().chain(Catalogue.types());
    let types = twice.skip(from % Catalogue.types().count()).take(3);
    types.filter_map(|known| exact(known).ok()).collect()
}

fn webhooks(taste: Taste, filtered: bool) -> impl Iterator<Item = Webhook> {
    (0..ACCOUNTS * WEBHOOKS_EACH).map(move |number| Webhook {
        event_types: patterns(taste, number),
        filter: FilterText::new(FILTER)
            .ok()
            .filter(|_| filtered && number % 10 == 0),
        ..Webhook::new(
            WebhookId::from_bytes(
                u128::from(number)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
                    .to_be_bytes(),
            ),
            account(number / WEBHOOKS_EACH),
            "HR",
            TargetUrl::parse("https://example.com/").unwrap_or_else(|error| unreachable!("{error}")),
        )
    })
}

/// The catalogue's examples, in turn, of accounts that are spread over all there are.
fn events() -> Vec<Record> {
    let types: Vec<EventType> = Catalogue.types().collect();
    let record = |number: u64| {
        let known = types.iter().cycle().nth(usize::try_from(number).ok()?)?;
        let event: Event = example(*known, account(number * 7 % ACCOUNTS));
        Some(Record {
            partition: 0,
            offset: i64::try_from(number).ok()?,
            timestamp_ms: 1_725_524_713_000,
            key: Bytes::from(event.account.to_string()),
            value: Some(convert::event_to_record(event).encode_to_vec().into()),
            headers: Vec::new(),
        })
    };
    (0..EVENTS).filter_map(record).collect()
}

/// Matches all events and takes their records, as if each were acknowledged at once.
fn match_all(source: &mut Source, events: &[Record]) -> usize {
    let mut bytes = 0;
    for event in events {
        if source.forward(event).is_err() {
            continue;
        }
        while let Some(produced) = source.hand_over() {
            bytes += produced.value.len();
            // Nobody waits for it once the next round goes back.
            let _sent = produced.promise.send(());
        }
        if source.settle().is_err() {
            source.go_back();
        }
    }
    source.go_back();
    bytes
}

fn read_and_write(event: &Record) -> usize {
    let position = Position {
        partition: event.partition,
        offset: event.offset,
    };
    let value = event.value.clone().unwrap_or_default();
    let read = EventRecord::decode(value).ok().map(convert::event_from_record);
    let Some(Ok(read)) = read else { return 0 };
    convert::delivery_of(read, position, AcceptedAt::from_unix_ms(event.timestamp_ms))
        .encode_to_vec()
        .len()
}

fn matching(criterion: &mut Criterion) {
    let events = events();
    let mut group = criterion.benchmark_group("matching");
    group.throughput(Throughput::Elements(EVENTS));
    group.bench_function("floor: read, write one delivery", |bencher| {
        bencher.iter(|| {
            events
                .iter()
                .map(|event| black_box(read_and_write(event)))
                .sum::<usize>()
        });
    });
    for (taste, matched) in [(Taste::Three, "1"), (Taste::All, "10")] {
        for (filtered, with) in [(false, "no filters"), (true, "filters on a tenth")] {
            let directory = Directory::fixed([], webhooks(taste, filtered));
            let mut source = Source::new(directory, &Config::default(), PARTITIONS, 0);
            group.bench_function(format!("{matched} of 10 webhooks match, {with}"), |bencher| {
                bencher.iter(|| black_box(match_all(&mut source, &events)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, matching);
criterion_main!(benches);
