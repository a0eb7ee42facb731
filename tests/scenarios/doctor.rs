//! The doctor finds a running installation well, and names what the settings ask for and Kafka does not have.

use std::process::Command;

use angarium_testkit::process;
use angarium_testkit::stack::{Backends, Stack};
use serde_json::Value;

/// What it says of each thing whose name begins so: the verdict, and what it found.
fn verdicts(findings: &[Value], of: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings
        .iter()
        .filter(|finding| finding["of"].as_str().unwrap().starts_with(of))
        .map(|finding| (text(&finding["verdict"]), text(&finding["found"])))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_installation_is_well_and_another_layout_is_named() {
    let stack = Stack::start(&Backends::shared().unwrap()).await.unwrap();
    let doctor = |set: &str| {
        let output = Command::new(process::binary().unwrap())
            .args(["doctor", "--output", "json", "--set", set])
            .args([
                "--set",
                &format!("ingest.endpoint=http://{}", stack.ingest_http()),
            ])
            .envs(stack.env())
            .output()
            .unwrap();
        let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), findings)
    };
    let prefix = &stack.env()["ANGARIUM_KAFKA_PREFIX"];

    let (_, findings) = doctor("log.format=text");
    assert_eq!(verdicts(&findings, prefix).len(), 9, "{findings:#?}");
    for of in [prefix, "kafka", "redis", "clock", "registry", "ingest"] {
        let found = verdicts(&findings, of);
        assert!(!found.is_empty(), "{of}: {findings:#?}");
        assert!(found.iter().all(|(verdict, _)| verdict == "ok"), "{found:#?}");
    }

    let (code, findings) = doctor("topics.journal=77");
    assert_eq!(code, Some(1));
    let wrong: Vec<_> = verdicts(&findings, prefix)
        .into_iter()
        .filter(|(verdict, _)| verdict == "wrong")
        .collect();
    assert_eq!(wrong.len(), 2, "{findings:#?}");
    assert!(
        wrong.iter().all(|(_, found)| found.contains("wanted 77")),
        "{wrong:#?}"
    );
}
