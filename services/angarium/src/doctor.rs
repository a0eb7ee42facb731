//! `angarium doctor`: asks everything that the settings lead to, one after the other, whether it is as it should be.
//!
//! It changes nothing but one key in Redis, which it takes away again. Whatever is wrong, all of it is told, each with what to do.

mod finding;
mod redis_server;
mod services;

use std::process::ExitCode;
use std::time::Duration;

use angarium_kafka::topics::{self, State};
use angarium_runtime::chain;
use serde_json::json;

use self::finding::{Finding, Verdict};
use crate::cli::{Doctor, Shape};
use crate::output::print;
use crate::settings::Settings;

/// What it needs to know. Of roles, only where they are.
const SECTIONS: &[&str] = &[
    "kafka", "topics", "redis", "operator", "registry", "ingest", "fanout", "delivery",
];

/// For all that Kafka is asked.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks, and prints what it found.
///
/// # Errors
/// Mistakes in the settings. What it finds wrong is in the exit code.
pub(crate) async fn run(asked: Doctor) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(&asked.given, SECTIONS)?;
    let mut findings = kafka(&settings).await;
    findings.extend(redis_server::ask(settings.redis.expose(), &settings.kafka.prefix).await);
    findings.extend(services::ask(&settings).await);
    print(&written(&findings, asked.output))?;
    let is_wrong = findings.iter().any(|finding| finding.verdict == Verdict::Wrong);
    Ok(ExitCode::from(u8::from(is_wrong)))
}

async fn kafka(settings: &Settings) -> Vec<Finding> {
    let layout = settings.topics.layout(&settings.kafka);
    let connection = settings.kafka.connection();
    let away = |found| {
        let todo = "see that kafka.bootstrap is right, that it runs, and that nothing is between";
        vec![Finding::wrong("kafka", found, todo)]
    };
    let looked = match tokio::time::timeout(PATIENCE, topics::look(&connection, &layout)).await {
        Ok(Ok(looked)) => looked,
        Ok(Err(error)) => return away(chain(&error)),
        Err(_elapsed) => {
            let (bootstrap, seconds) = (&settings.kafka.bootstrap, PATIENCE.as_secs());
            return away(format!("{bootstrap} gives no answer within {seconds} s"));
        }
    };
    let mut findings = vec![Finding::good(
        "kafka",
        format!("{} answers", settings.kafka.bootstrap),
    )];
    findings.extend(
        looked
            .into_iter()
            .map(|looked| of_topic(&looked.topic, looked.state)),
    );
    findings
}

fn of_topic(topic: &str, state: State) -> Finding {
    match state {
        State::Good => Finding::good(topic, "as it should be"),
        State::Missing => Finding::wrong(topic, "does not exist", "run `angarium topics apply`"),
        State::Leaderless => Finding::wrong(
            topic,
            "has a partition that nobody leads",
            "see which brokers are away: too few of its copies are left",
        ),
        State::Differs(settings) => Finding::odd(
            topic,
            format!("differs in {}", settings.join(", ")),
            "run `angarium topics apply`, which sets them",
        ),
        State::Wrong(error) => Finding::wrong(
            topic,
            chain(&error),
            "until then `topics apply` refuses, and services may not start",
        ),
    }
}

/// Findings are sentences: no column cuts them.
fn written(findings: &[Finding], shape: Shape) -> String {
    if shape == Shape::Json {
        let findings: Vec<_> = findings.iter().map(Finding::json).collect();
        return format!("{:#}\n", json!(findings));
    }
    let width = findings.iter().map(|finding| finding.of.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Finding {
        of,
        verdict,
        found,
        todo,
    } in findings
    {
        text.push_str(&format!("{:<5}  {of:width$}  {found}\n", verdict.name()));
        if let Some(todo) = todo {
            text.push_str(&format!("{:<5}  {:width$}  → {todo}\n", "", ""));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_has_a_line_and_what_to_do_below_it() {
        let findings = [
            Finding::good("redis", "answers"),
            of_topic("angarium.events", State::Missing),
        ];
        let expected = "\
ok     redis            answers
wrong  angarium.events  does not exist
                        → run `angarium topics apply`
";
        assert_eq!(written(&findings, Shape::Table), expected);
        let parsed: serde_json::Value = serde_json::from_str(&written(&findings, Shape::Json)).unwrap();
        assert_eq!(parsed[1]["verdict"], "wrong");
        assert_eq!(parsed[0]["todo"], serde_json::Value::Null);
    }
}
