//! What stands above and below the table.

use std::net::SocketAddr;

use angarium_runtime::access::OperatorKey;

use super::Args;
use super::screen::{ASIDE, BAD, COPY, GOOD, HEADING, styled};
use super::services::{Ports, Running};
use super::setup::{Hook, Webhooks};
use super::table::duration;
use super::tally::{SAMPLES, Stage, Tally};

/// An event that anyone may publish as often as they like: it has no id, so each is a new one.
const NEW_EVENT: &str = r#"{"eventName":"COURSE_ENROLLMENT","data":{"userId":42,"loId":"course:7","loInstanceId":"course:7_1","loType":"course","enrollmentSource":"SELF_ENROLL","dateEnrolled":1725524713}}"#;

/// What only `dev` allows.
const EGRESS: &str =
    "Webhooks may lead to this machine, over http and to any port: a deployment refuses that.";

/// The first lines: what this is, and what it stands on.
pub(super) fn opening(args: &Args, ports: &Ports) -> String {
    let events = match &args.kafka {
        Some(bootstrap) => {
            format!("on the Kafka at {bootstrap}. Topics that were missing are created.\n")
        }
        None => "on a Kafka in memory. ".to_owned(),
    };
    let lasting = match (&args.kafka, &args.redis) {
        (None, None) => "Nothing outlives this process.",
        (None, Some(_)) => "Only the state of retries, in Redis, outlives this process; no event does.",
        (Some(_), None) => {
            "Events, accounts and webhooks outlive this process; the state of retries does not."
        }
        (Some(_), Some(_)) => "Events, accounts, webhooks and the state of retries outlive this process.",
    };
    let mut text = format!(
        "{} {events}{lasting}\n{EGRESS}\n",
        styled(HEADING, "Angarium: every service in one process,")
    );
    for note in &ports.notes {
        text.push_str(&format!("{note}\n"));
    }
    text
}

/// Who listens where, and the webhooks.
pub(super) fn services(
    running: &Running,
    (receiver, metrics): (SocketAddr, Option<SocketAddr>),
    (mails, tells): (String, &str),
    webhooks: &Webhooks,
) -> String {
    let mut text = String::new();
    let rows = [
        (
            "ingest",
            format!("http://{}, gRPC {}", running.http, running.grpc),
            "takes events",
        ),
        (
            "registry",
            format!("http://{}, gRPC {}", running.registry_http, running.registry),
            "keeps accounts and webhooks",
        ),
        (
            "fanout",
            format!("gRPC {}", running.fanout),
            "matches events to webhooks",
        ),
        (
            "delivery",
            format!("gRPC {}", running.delivery),
            "calls receivers, signs, retries",
        ),
        ("notifier", mails, tells),
        (
            "console",
            format!("http://{}", running.console),
            "pages: open it in a browser",
        ),
        (
            "receiver",
            format!("http://{receiver}"),
            "a sample of yours: verifies signatures",
        ),
    ];
    text.push('\n');
    let metrics = metrics.map(|metrics| ("metrics", format!("http://{metrics}/metrics"), "for Prometheus"));
    for (name, address, does) in rows.into_iter().chain(metrics) {
        text.push_str(&format!("   {name:10} {address:46} {}\n", styled(ASIDE, does)));
    }
    text.push_str(&format!(
        "\n{}\n",
        styled(HEADING, "Two webhooks of account 1234, with signatures")
    ));
    for (hook, types) in [(Hook::Realtime, "real-time"), (Hook::Batch, "batch")] {
        let when = hook
            .timetable()
            .map_or("as they happen".to_owned(), |(cron, every)| {
                format!("{every}: {cron}")
            });
        let count = angarium_model::Catalogue
            .types()
            .filter(|known| known.lane == hook.lane())
            .count();
        let (name, id) = (hook.name(), webhooks.id(hook));
        text.push_str(&format!("   {name:14} {id:36} {count} {types} types, {when}\n"));
    }
    text
}

/// How it went, and what to try next.
pub(super) fn closing(
    tally: &Tally,
    running: &Running,
    webhooks: &Webhooks,
    key: &OperatorKey,
    args: &Args,
) -> String {
    let mut text = counts(tally);
    if args.once {
        return text;
    }
    let (ak, program) = (key.expose(), program());
    let curl = format!(
        "curl http://{}/v1/accounts/1234/events \\\n  -H 'authorization: Bearer {ak}' \\\n  \
         -H 'content-type: application/json' \\\n  -d '{NEW_EVENT}'",
        running.http
    );
    let list = format!(
        "{program} webhook list --account 1234 --registry http://{} --key {ak}",
        running.registry
    );
    let over_http = format!(
        "curl http://{}/v1/accounts/1234/webhooks -H 'authorization: Bearer {ak}'",
        running.registry_http
    );
    let test = format!(
        "{program} webhook test {} --account 1234 --delivery http://{} --key {ak}",
        webhooks.id(Hook::Realtime),
        running.delivery
    );
    let grpcurl = |address| format!("grpcurl -plaintext -H 'authorization: Bearer {ak}' {address} list");
    text.push_str(&section(
        "Open the console in a browser. Nobody signs in: whoever uses this machine acts as the operator",
        &[format!("http://{}", running.console)],
    ));
    text.push_str(&section("Publish more: it is told here as it happens", &[curl]));
    text.push_str(&section(
        "See the webhooks; `webhook --help` tells how to change them",
        &[list],
    ));
    text.push_str(&section(
        "The same over HTTP; /openapi.json there describes all of it",
        &[over_http],
    ));
    text.push_str(&section(
        "Send a webhook a sample, and see what the receiver answers",
        &[test],
    ));
    text.push_str(&section(
        "Speak gRPC with ingest (Publish, PublishStream), the registry, fanout (Explain) and delivery (TestWebhook)",
        &[
            grpcurl(running.grpc),
            grpcurl(running.registry),
            grpcurl(running.fanout),
            grpcurl(running.delivery),
        ],
    ));
    text.push_str("\nCtrl-C ends it.\n\n");
    text
}

fn counts(tally: &Tally) -> String {
    let refused = tally.refused();
    let (accepted, delivered, verified) = (
        tally.reached(Stage::Accepted),
        tally.reached(Stage::Delivered),
        tally.reached(Stage::Verified),
    );
    let missing = tally.not_as_promised();
    let (style, verdict) = if missing.is_empty() {
        (GOOD, "as promised")
    } else {
        (BAD, "not as promised")
    };
    let mut text = format!("\n{}\n", styled(HEADING, &format!("Of the {SAMPLES} samples")));
    let line =
        format!("accepted {accepted}   refused {refused}   delivered {delivered}   verified {verified}");
    text.push_str(&format!("   {line}   {}\n", styled(style, verdict)));
    for line in missing {
        text.push_str(&format!("   {}\n", styled(BAD, &line)));
    }
    let times = tally.realtime_ms();
    if let (Some(median), Some(longest)) = (times.get(times.len() / 2), times.last()) {
        let (median, longest) = (duration(*median), duration(*longest));
        text.push_str(&format!(
            "   from acceptance to receipt, {} real-time events: p50 {median}, max {longest}\n",
            times.len()
        ));
    }
    text
}

fn section(heading: &str, commands: &[String]) -> String {
    let mut text = format!("\n{}\n", styled(HEADING, heading));
    for command in commands {
        text.push_str(&format!("{}\n", styled(COPY, command)));
    }
    text
}

/// How this program was called, so that a line can be pasted.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "angarium".to_owned())
}
