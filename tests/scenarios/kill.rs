//! D6, D7: any service may be killed in the middle of a stream.

use std::time::Duration;

use angarium_testkit::poll::poll;
use angarium_testkit::process::Process;
use angarium_testkit::receiver::Receiver;
use angarium_testkit::stack::{Backends, Stack};
use angarium_testkit::tracker::Count;
use futures::stream::{FuturesUnordered, StreamExt as _};
use rustix::process::{Pid, Signal, kill_process};

use crate::setup::assert_all_verified;
use crate::stream::Stream;

/// 20,000 events: in each of ten rounds 200 to each of ten accounts.
const ACCOUNTS: u64 = 10;
const BATCH: usize = 200;
const LIMIT: Duration = Duration::from_secs(120);

/// A service of a stack.
type Service = fn(&mut Stack) -> &mut Process;

/// Each is killed in two rounds on end, the second time while it may still be recovering from the first.
const VICTIMS: [Service; 4] = [
    |stack| &mut stack.ingest,
    |stack| &mut stack.registry,
    |stack| &mut stack.fanout,
    |stack| &mut stack.delivery[0],
];

/// Publishes a batch to every account at once. The victim is killed as soon as the first is accepted: the others are
/// under way then, and what was accepted is on its way to the receivers.
async fn round(stack: &mut Stack, stream: &mut Stream, victim: Option<Service>) {
    let batches: Vec<(u64, String)> = (1..=ACCOUNTS)
        .map(|account| (account, stream.batch(account, BATCH)))
        .collect();
    let mut to_kill = victim.map(|victim| victim(stack).id());
    let mut not_accepted = Vec::new();
    let shared = &*stack;
    let attempts = batches
        .iter()
        .map(|batch| async move { (accepts(shared, batch).await, batch) });
    let mut attempts: FuturesUnordered<_> = attempts.collect();
    while let Some((accepted, batch)) = attempts.next().await {
        if !accepted {
            not_accepted.push(batch);
        }
        if let Some(process) = to_kill.take() {
            kill(process);
        }
    }
    drop(attempts);
    if let Some(victim) = victim {
        // It has ended; this takes note.
        victim(stack).kill().unwrap();
        victim(stack).restart().unwrap();
    }
    for batch in not_accepted {
        // As a producer does that gives its events ids: sending again is safe.
        let again = poll(LIMIT, async || Ok(accepts(stack, batch).await.then_some(())));
        again
            .await
            .unwrap()
            .expect("ingest accepts again within the limit");
    }
}

/// Whether ingest has accepted; if not, then for a reason that passes.
async fn accepts(stack: &Stack, (account, body): &(u64, String)) -> bool {
    match stack
        .publish(*account, "application/x-ndjson", body.clone())
        .await
    {
        Ok(reply) if reply.status == 202 => true,
        Ok(reply) => {
            assert!(reply.status >= 500 || reply.status == 429, "{:?}", reply.json());
            false
        }
        // Nobody listens, or the connection broke: ingest was killed.
        Err(_) => false,
    }
}

/// By its id, while the stack is in use.
fn kill(process: u32) {
    let process = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    kill_process(process, Signal::KILL).unwrap();
}

#[tokio::test]
async fn d6_d7_each_service_killed_in_a_stream_of_twenty_thousand_events_loses_nothing_and_keeps_the_order() {
    let receiver = Receiver::start().await.unwrap();
    let mut stack = Stack::start(&Backends::shared().unwrap()).await.unwrap();
    let mut stream = Stream::set_up(&stack, &receiver, ACCOUNTS).await;
    round(&mut stack, &mut stream, None).await;
    let mut before = 0;
    for victim in VICTIMS {
        // In the middle: something of the round before has arrived, so all services work, also the one killed before.
        let role = victim(&mut stack).role();
        receiver
            .wait_for("an event of the last round", LIMIT, |received| {
                stream.look(received);
                stream.receipts() > before
            })
            .await
            .unwrap_or_else(|error| panic!("before {role} is killed: {error}\n{}", stack.logs()));
        round(&mut stack, &mut stream, Some(victim)).await;
        before = stream.expected();
        round(&mut stack, &mut stream, Some(victim)).await;
    }
    round(&mut stack, &mut stream, None).await;
    receiver
        .wait_for("every event", LIMIT, |received| stream.look(received))
        .await
        .unwrap_or_else(|error| panic!("{}; {error}\n{}", stream.count(), stack.logs()));
    let count = stream.count();
    assert_eq!(
        Count {
            duplicates: 0,
            ..count
        },
        Count::default(),
        "lost and disorder are none; duplicates may be"
    );
    assert_all_verified(&receiver);
}
