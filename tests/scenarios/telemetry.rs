//! What leaves the services by OpenTelemetry, seen by a collector and as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use angarium_proto::event::v1::publisher_service_client::PublisherServiceClient;
use angarium_proto::event::v1::{Event, PublishRequest};
use angarium_runtime::grpc;
use angarium_testkit::collector::{Collector, Span};
use angarium_testkit::http;
use angarium_testkit::poll::poll;
use angarium_testkit::receiver::{Answer, Gate, Received, Receiver};
use angarium_testkit::stack::{Backends, Stack};

use crate::setup::unsigned_webhook;

const ACCOUNT: u64 = 61;
const EVENT: &str = "CI_STATS";
const LIMIT: Duration = Duration::from_secs(60);

struct World {
    collector: Collector,
    receiver: Receiver,
    stack: Stack,
}

impl World {
    async fn start() -> Self {
        let collector = Collector::start().await.unwrap();
        let mut settings = collector.variables();
        // Each process takes a port of its own, and logs where.
        settings.push(("ANGARIUM_METRICS_LISTEN".to_owned(), "127.0.0.1:0".to_owned()));
        let settings: Vec<_> = settings.iter().map(|(name, value)| (&**name, &**value)).collect();
        let stack = Stack::start_with(&Backends::shared().unwrap(), &settings)
            .await
            .unwrap();
        let receiver = Receiver::start().await.unwrap();
        stack.create_account(ACCOUNT).await.unwrap();
        unsigned_webhook(&stack, &receiver, ACCOUNT, "traced", &[EVENT])
            .await
            .unwrap();
        stack
            .wait_until_matched(&receiver, ACCOUNT, EVENT, "traced")
            .await
            .unwrap();
        Self {
            collector,
            receiver,
            stack,
        }
    }

    async fn publish(&self, traceparent: Option<&str>) {
        publish(&self.stack, ACCOUNT, EVENT, traceparent).await;
    }

    /// Waits until so many POSTs have come; the last.
    async fn post(&self, number: usize) -> Received {
        self.receiver
            .wait_for("a POST", LIMIT, |all| all.len() >= number)
            .await
            .unwrap();
        self.receiver.received().swap_remove(number - 1)
    }

    /// What a span follows from.
    async fn parent(&self, of: &Span) -> Span {
        self.collector
            .span("its parent", LIMIT, |span| {
                span.trace == of.trace && span.id == of.parent
            })
            .await
            .unwrap()
    }

    async fn span(&self, (trace, id): (&str, &str)) -> Span {
        self.collector
            .span("of this id", LIMIT, |span| span.trace == trace && span.id == id)
            .await
            .unwrap()
    }
}

/// Publishes an event over gRPC, whose producer is at this place of a trace.
pub(crate) async fn publish(stack: &Stack, account_id: u64, event_name: &str, traceparent: Option<&str>) {
    let channel = grpc::client(stack.ingest_grpc(), stack.key()).unwrap();
    let mut request = tonic::Request::new(PublishRequest {
        account_id,
        events: vec![Event {
            event_name: event_name.to_owned(),
            data: "{}".into(),
            ..Event::default()
        }],
        ..PublishRequest::default()
    });
    if let Some(traceparent) = traceparent {
        request
            .metadata_mut()
            .insert("traceparent", traceparent.parse().unwrap());
    }
    PublisherServiceClient::new(channel)
        .publish(request)
        .await
        .unwrap();
}

/// The trace, the span and the flags of a POST.
fn traceparent(post: &Received) -> (String, String, String) {
    let header = post.headers["traceparent"].to_str().unwrap();
    let parts: Vec<_> = header.split('-').map(ToOwned::to_owned).collect();
    let [version, trace, span, flags] = <[String; 4]>::try_from(parts).unwrap();
    assert_eq!(version, "00");
    (trace, span, flags)
}

fn about(span: &Span) -> (&str, &str, &str) {
    (&span.service, &span.kind, &span.name)
}

const PRODUCER: &str = "b7ad6b7169203331";

fn trace(number: u32) -> String {
    format!("{number:032x}")
}

fn came(number: u32, sampled: bool) -> String {
    format!("00-{}-{PRODUCER}-{:02x}", trace(number), u8::from(sampled))
}

/// From the POST back to the producer.
async fn walk(world: &World, post: &Received, expected: &str) {
    let (trace, id, flags) = traceparent(post);
    assert_eq!((trace.as_str(), flags.as_str()), (expected, "01"));
    let call = world.span((&trace, &id)).await;
    assert_eq!(about(&call), ("angarium-delivery", "CLIENT", "POST"));
    assert_eq!(call.attributes["http.response.status_code"], "200");
    assert_eq!(call.attributes["angarium.account.id"], ACCOUNT.to_string());
    let matched = world.parent(&call).await;
    assert_eq!(about(&matched), ("angarium-fanout", "CONSUMER", "process events"));
    assert_eq!(matched.attributes["angarium.webhooks.matched"], "1");
    let accepted = world.parent(&matched).await;
    let name = "angarium.event.v1.PublisherService/Publish";
    assert_eq!(about(&accepted), ("angarium-ingest", "SERVER", name));
    assert_eq!(accepted.attributes["rpc.response.status_code"], "OK");
    assert_eq!(accepted.parent, PRODUCER);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_follows_an_event_from_its_producer_to_the_post_and_groups_link_what_they_join() {
    let world = World::start().await;
    world.publish(Some(&came(1, true))).await;
    walk(&world, &world.post(1).await, &trace(1)).await;

    // While a POST waits for its answer, two more events form the next group.
    let gate = Gate::closed();
    world
        .receiver
        .next("traced", 1, &Answer::Gated(gate.clone(), 200));
    for number in [2, 3, 4] {
        world.publish(Some(&came(number, true))).await;
        if number == 2 {
            world.post(2).await;
        }
    }
    let matched = |span: &Span| span.trace == trace(4) && span.service == "angarium-fanout";
    let last = world
        .collector
        .span("fanout's of the last event", LIMIT, matched)
        .await
        .unwrap();
    until_queued(&world).await;
    gate.open();
    let (group, id, _) = traceparent(&world.post(3).await);
    let call = world.span((&group, &id)).await;
    assert_eq!(group, trace(3), "it follows from its first event");
    assert_eq!(call.attributes["messaging.batch.message_count"], "2");
    assert_eq!(call.links, [(trace(4), last.id)], "and links to the other");

    // A producer that knows of no trace: ingest begins one.
    world.publish(None).await;
    let (trace, id, flags) = traceparent(&world.post(4).await);
    assert_eq!(flags, "01");
    let matched = world.parent(&world.span((&trace, &id)).await).await;
    assert_eq!(world.parent(&matched).await.parent, "");
}

/// Waits until delivery has what was published in its queue: metrics tell.
async fn until_queued(world: &World) {
    let queued = poll(LIMIT, async || {
        let text = scrape(world, "delivery").await;
        let queued = text
            .lines()
            .filter(|line| line.starts_with("angarium_delivery_queued_bytes"));
        let bytes: f64 = queued
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        // Two events of `{}`, each with some 100 bytes around it.
        Ok((bytes > 160.0).then_some(()))
    });
    queued.await.unwrap().expect("two events are queued");
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_a_failed_attempt_is_recorded_though_nobody_asked_for_its_trace_and_nothing_else_is() {
    let world = World::start().await;
    world.receiver.next("traced", 1, &Answer::Status(500));
    world.publish(Some(&came(7, false))).await;
    let post = world.post(1).await;
    let (of, _, flags) = traceparent(&post);
    assert_eq!((of.as_str(), flags.as_str()), (trace(7).as_str(), "00"));
    let is = |span: &Span| span.trace == trace(7) && span.failed;
    let failed = world
        .collector
        .span("the failed attempt", LIMIT, is)
        .await
        .unwrap();
    assert_eq!(about(&failed), ("angarium-delivery", "CLIENT", "POST"));
    assert_eq!(failed.attributes["error.type"], "server_error");
    assert_eq!(failed.attributes["http.response.status_code"], "500");
    // The retry gets through; a trace that is asked for shows that what came before it has been exported.
    world.post(2).await;
    world.publish(Some(&came(8, true))).await;
    walk(&world, &world.post(3).await, &trace(8)).await;
    let of_it: Vec<_> = world
        .collector
        .spans()
        .into_iter()
        .filter(|span| span.trace == trace(7))
        .collect();
    assert_eq!(of_it.len(), 1, "{of_it:#?}");
}

/// Where a process has metrics: its log says.
pub(crate) async fn metrics_address(stack: &Stack, name: &str) -> String {
    let log = stack.dir().join(format!("{name}.log"));
    let served = poll(LIMIT, async || {
        let log = std::fs::read_to_string(&log)?;
        let line = log.lines().find(|line| line.contains("metrics are served"));
        let address = line.and_then(|line| line.split("address=").nth(1));
        Ok(address
            .and_then(|rest| rest.split_whitespace().next())
            .map(str::to_owned))
    });
    served.await.unwrap().expect("it logs where metrics are")
}

/// What a process tells Prometheus.
async fn scrape(world: &World, name: &str) -> String {
    let address = metrics_address(&world.stack, name).await;
    let reply = http::get(&address, "/metrics").await.unwrap();
    assert_eq!(reply.status, 200);
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// The names of the metrics in an answer, and their kinds.
fn families(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let pairs = types.filter_map(|line| line.split_once(' '));
    pairs
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

/// The names of the documented metrics, as Prometheus has them, and their kinds.
fn documented() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/METRICS.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let row = |row: &str| {
        let mut cells = row.split(" | ");
        let name = cells
            .next()?
            .split("<br>`")
            .nth(1)?
            .trim_end_matches('`')
            .to_owned();
        Some((name, cells.next()?.to_owned()))
    };
    rows.filter_map(row).collect()
}

/// What is there only once something was wrong, by class.
const OF_TROUBLE: [&str; 1] = ["angarium_kafka_errors_total"];
/// What needs something that this scenario does not do.
const ELSEWHERE: [&str; 2] = ["http_server_request_duration_seconds", "angarium_notifier_"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_measured_is_what_the_catalogue_documents_for_prometheus_and_over_otlp() {
    let world = World::start().await;
    world.receiver.next("traced", 1, &Answer::Status(500));
    world.publish(None).await;
    world.post(2).await;
    let documented = documented();
    let (mut seen, mut lacking) = (BTreeMap::new(), BTreeSet::new());
    let all = poll(LIMIT, async || {
        for name in ["registry", "ingest", "fanout", "delivery"] {
            seen.extend(families(&scrape(&world, name).await));
        }
        seen.remove("target_info").expect("who is measured");
        let all: BTreeSet<_> = documented
            .keys()
            .filter(|name| !seen.contains_key(*name))
            .cloned()
            .collect();
        lacking = all;
        let rare = |name: &String| {
            OF_TROUBLE.contains(&&**name) || ELSEWHERE.iter().any(|elsewhere| name.starts_with(elsewhere))
        };
        Ok(lacking.iter().all(rare).then_some(()))
    });
    let all = all.await.unwrap();
    assert!(all.is_some(), "documented, but not measured: {lacking:?}");
    for (name, kind) in &seen {
        assert_eq!(documented.get(name), Some(kind), "{name} is not documented so");
    }

    let pushed = world.collector.metrics_of("angarium-delivery");
    assert!(pushed.contains("angarium.delivery.latency"), "{pushed:?}");
    let logged = world.collector.logs_of("angarium-registry");
    assert!(
        logged.iter().any(|line| line.contains("the registry serves")),
        "{logged:?}"
    );
    // They are counted every 10 s.
    let counted = poll(LIMIT, async || {
        let webhooks = scrape(&world, "registry").await;
        let is_active =
            |line: &&str| line.starts_with("angarium_registry_webhooks{") && line.contains("\"active\"");
        let active = webhooks.lines().find(is_active);
        Ok(active.filter(|line| line.ends_with(" 1")).map(|_line| ()))
    });
    counted.await.unwrap().expect("one webhook is on");
}
