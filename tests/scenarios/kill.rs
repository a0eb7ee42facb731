//! D6, D7: any service may be killed in the middle of a stream.

use std::time::Duration;

use angarium_testkit::process::Process;
use angarium_testkit::receiver::Receiver;
use angarium_testkit::stack::{Backends, Stack};
use angarium_testkit::tracker::Count;
use tokio::time::timeout;

use crate::setup::assert_all_verified;
use crate::stream::Stream;

const BATCH: usize = 100;
const BATCHES: usize = 60;
const LIMIT: Duration = Duration::from_secs(120);

/// Publishes until ingest has accepted, as a producer does that gives its events ids: sending again is safe.
async fn publish_until_accepted(stack: &Stack, account: u64, body: &str) {
    let accepted = async {
        loop {
            match stack
                .publish(account, "application/x-ndjson", body.to_owned())
                .await
            {
                Ok(reply) if reply.status == 202 => return,
                Ok(reply) => assert!(reply.status >= 500 || reply.status == 429, "{:?}", reply.json()),
                // Nobody listens, or the connection broke: ingest is being restarted.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    timeout(LIMIT, accepted)
        .await
        .expect("ingest accepts again within the limit");
}

/// Publishes a stream, kills a service (`kill -9`) in its middle, and starts it again.
async fn kill_and_restart(victim: impl Fn(&mut Stack) -> &mut Process) {
    let receiver = Receiver::start().await.unwrap();
    let mut stack = Stack::start(&Backends::shared().unwrap()).await.unwrap();
    let mut stream = Stream::set_up(&stack, &receiver, 4).await;
    for batch in 0..BATCHES {
        if batch == BATCHES / 3 {
            wait_for_first_receipts(&receiver, &mut stream).await;
        }
        if batch == BATCHES / 3 || batch == BATCHES / 2 {
            // Twice, the second time while it may still be recovering from the first.
            victim(&mut stack).kill().unwrap();
            victim(&mut stack).restart().unwrap();
        }
        let account = u64::try_from(batch).unwrap() % stream.accounts + 1;
        let body = stream.batch(account, BATCH);
        publish_until_accepted(&stack, account, &body).await;
    }
    let tracker = &mut stream.tracker;
    receiver
        .wait_for("every event", LIMIT, |received| tracker.look(received).unwrap())
        .await
        .unwrap_or_else(|error| panic!("{}; {error}\n{}", tracker.count(), stack.logs()));
    let count = tracker.count();
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

/// In the middle: some of what was published has arrived, some has not.
async fn wait_for_first_receipts(receiver: &Receiver, stream: &mut Stream) {
    let tracker = &mut stream.tracker;
    let some = |received: &[_]| {
        tracker.look(received).unwrap();
        tracker.receipts() > 0
    };
    receiver.wait_for("a first event", LIMIT, some).await.unwrap();
}

#[tokio::test]
async fn d6_d7_ingest_killed_loses_nothing_and_keeps_the_order() {
    kill_and_restart(|stack| &mut stack.ingest).await;
}

#[tokio::test]
async fn d6_d7_registry_killed_loses_nothing_and_keeps_the_order() {
    kill_and_restart(|stack| &mut stack.registry).await;
}

#[tokio::test]
async fn d6_d7_fanout_killed_loses_nothing_and_keeps_the_order() {
    kill_and_restart(|stack| &mut stack.fanout).await;
}

#[tokio::test]
async fn d6_d7_delivery_killed_loses_nothing_and_keeps_the_order() {
    kill_and_restart(|stack| &mut stack.delivery).await;
}
