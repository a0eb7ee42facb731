//! The dashboards and alerts that come along, asked of a real Prometheus over real services.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use angarium_testkit::http;
use angarium_testkit::poll::poll;
use angarium_testkit::process::Process;
use angarium_testkit::receiver::{Answer, Receiver};
use angarium_testkit::stack::{Backends, Stack};
use serde_json::Value;

use crate::setup::unsigned_webhook;
use crate::telemetry::{metrics_address, publish};

const ACCOUNT: u64 = 62;
const EVENTS: [&str; 2] = ["CI_STATS", "COURSE_ENROLLMENT_BATCH"];
const LIMIT: Duration = Duration::from_secs(90);
const SERVICES: [&str; 4] = ["registry", "ingest", "fanout", "delivery"];

fn observability(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/observability")).join(path)
}

/// A Prometheus that reads every second; killed when it is dropped.
struct Prometheus {
    child: Child,
    address: String,
    _dir: tempfile::TempDir,
}

impl Prometheus {
    fn start(targets: &[(&str, String)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [port] = angarium_local::free_ports().unwrap();
        let address = format!("127.0.0.1:{port}");
        let job = |(name, target): &(&str, String)| {
            format!("  - {{job_name: angarium-{name}, static_configs: [{{targets: ['{target}']}}]}}\n")
        };
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n{}",
            observability("prometheus/angarium.rules.yaml").display(),
            targets.iter().map(job).collect::<String>(),
        );
        let file = dir.path().join("prometheus.yaml");
        std::fs::write(&file, config).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .stdin(Stdio::null())
            .spawn()
            .expect("prometheus is installed by `cargo xtask test`");
        Self {
            child,
            address,
            _dir: dir,
        }
    }

    /// The values that a query has now, those that are no number left out.
    async fn ask(&self, query: &str) -> Vec<f64> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let Ok(reply) = http::get(&self.address, &format!("/api/v1/query?query={encoded}")).await else {
            return Vec::new();
        };
        // It has just begun.
        if reply.status == 503 {
            return Vec::new();
        }
        let answer = reply.json().unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let values = result
            .iter()
            .filter_map(|one| one["value"][1].as_str()?.parse::<f64>().ok());
        values.filter(|value| value.is_finite()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Every query of the dashboards, with where it stands.
fn of_dashboards() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for entry in std::fs::read_dir(observability("grafana")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let board: Value = serde_json::from_str(&text).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let place = format!("{} / {}", board["title"], panel["title"]);
                queries.push((place, target["expr"].as_str().unwrap().to_owned()));
            }
        }
    }
    queries
}

/// The metrics that the rules speak of.
fn of_rules() -> BTreeSet<String> {
    let rules = std::fs::read_to_string(observability("prometheus/angarium.rules.yaml")).unwrap();
    let words = rules.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let kinds = [
        "_total",
        "_seconds",
        "_ratio",
        "_count",
        "_bucket",
        "_off",
        "_webhooks",
        "_limit",
        "_way",
    ];
    let ours = words.filter(|word| {
        ["angarium_", "db_client_", "process_"]
            .iter()
            .any(|start| word.starts_with(start))
    });
    // Nothing is wrong with Kafka here.
    let ours = ours.filter(|word| *word != "angarium_kafka_errors_total");
    ours.filter(|word| kinds.iter().any(|kind| word.ends_with(kind)))
        .map(ToOwned::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_the_dashboards_and_every_metric_of_the_alerts_has_data_in_a_real_prometheus() {
    let settings = [("ANGARIUM_METRICS_LISTEN", "127.0.0.1:0")];
    let stack = Stack::start_with(&Backends::shared().unwrap(), &settings)
        .await
        .unwrap();
    let receiver = Receiver::start().await.unwrap();
    stack.create_account(ACCOUNT).await.unwrap();
    unsigned_webhook(&stack, &receiver, ACCOUNT, "seen", &EVENTS)
        .await
        .unwrap();
    stack
        .wait_until_matched(&receiver, ACCOUNT, EVENTS[0], "seen")
        .await
        .unwrap();
    let mut targets = Vec::new();
    for name in SERVICES {
        targets.push((name, metrics_address(&stack, name).await));
    }
    // Nobody has to be mailed: that it runs is measured.
    let mut env = stack.env().clone();
    for (name, value) in [
        ("ANGARIUM_NOTIFIER_LISTEN", "127.0.0.1:0"),
        ("ANGARIUM_NOTIFIER_SMTP_URL", "smtp://127.0.0.1:9"),
        ("ANGARIUM_NOTIFIER_FROM", "webhooks@angarium.example"),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    let _notifier = Process::start("notifier", env, stack.dir()).unwrap();
    targets.push(("notifier", metrics_address(&stack, "notifier").await));
    let prometheus = Prometheus::start(&targets);
    receiver.next("seen", 2, &Answer::Status(500));

    let metrics = of_rules()
        .into_iter()
        .map(|name| ("an alert".to_owned(), format!("count({name})")));
    let mut open: Vec<_> = of_dashboards().into_iter().chain(metrics).collect();
    let all = open.len();
    assert!(all > 90, "{all} queries are all there are");
    let mut accounts = 0;
    let answered = poll(LIMIT, async || {
        // Rates rise between two looks: what was counted before the first is seen in none.
        accounts += 1;
        stack.create_account(ACCOUNT * 1_000 + accounts).await?;
        for event in EVENTS {
            let body = format!(r#"{{"eventName":"{event}","data":{{}}}}"#);
            assert_eq!(
                stack.publish(ACCOUNT, "application/json", body).await?.status,
                202
            );
            publish(&stack, ACCOUNT, event, None).await;
        }
        assert_eq!(
            stack.publish(ACCOUNT, "application/json", "{}").await?.status,
            422
        );
        let mut still = Vec::new();
        for (place, query) in open.drain(..) {
            if prometheus.ask(&query).await.is_empty() {
                still.push((place, query));
            }
        }
        open = still;
        Ok(open.is_empty().then_some(()))
    });
    let answered = answered.await.unwrap();
    assert!(answered.is_some(), "no data for {open:#?}");
    println!("{all} queries have data");
    assert_eq!(
        prometheus.ask("count(ALERTS{alertstate=\"firing\"})").await,
        Vec::<f64>::new(),
        "nothing is wrong"
    );
}

#[test]
fn each_alert_fires_when_what_it_is_about_happens_and_has_a_runbook() {
    for arguments in [
        ["check", "rules", "angarium.rules.yaml"],
        ["test", "rules", "angarium.tests.yaml"],
    ] {
        let output = Command::new("promtool")
            .args(arguments)
            .current_dir(observability("prometheus"))
            .output()
            .expect("promtool is installed by `cargo xtask test`");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
    let rules = std::fs::read_to_string(observability("prometheus/angarium.rules.yaml")).unwrap();
    let tests = std::fs::read_to_string(observability("prometheus/angarium.tests.yaml")).unwrap();
    let all = |start: &str| -> BTreeSet<String> {
        let lines = rules.lines().filter_map(|line| line.trim().strip_prefix(start));
        lines.map(ToOwned::to_owned).collect()
    };
    for alert in all("- alert: ") {
        let tested = format!("alertname: {alert}\n        exp_alerts:");
        assert!(
            tests.contains(&tested),
            "{alert} is not seen to fire in angarium.tests.yaml"
        );
    }
    let runbooks = all("runbook: ");
    for runbook in &runbooks {
        let page = observability("../..").join(runbook);
        assert!(page.exists(), "{runbook} is missing");
    }
    let written = std::fs::read_dir(observability("../../docs/runbooks"))
        .unwrap()
        .count();
    assert_eq!(written, runbooks.len(), "a page of docs/runbooks is of no alert");
}
