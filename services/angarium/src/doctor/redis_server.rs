//! Redis: whether it forgets, whether it lets us do what we do, and what time it has.

use std::time::Duration;

use angarium_runtime::{Clock, millis};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisResult};

use super::finding::Finding;

const OF: &str = "redis";
/// For all of it: services wait for a tenth of a second at most.
const PATIENCE: Duration = Duration::from_secs(5);
/// Ids are remembered and reserved for seconds and more.
const APART: Duration = Duration::from_secs(5);

/// What it says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct About {
    version: String,
    policy: Option<String>,
    most: u64,
    used: u64,
}

pub(super) async fn ask(url: &str, prefix: &str) -> Vec<Finding> {
    let away = |found| {
        let todo = "see that redis.url is right, password included, and that it runs; until then repeats are not recognised";
        vec![Finding::wrong(OF, found, todo)]
    };
    let asked = tokio::time::timeout(PATIENCE, examine(url, prefix));
    match asked.await {
        Err(_elapsed) => away(format!("no answer within {} s", PATIENCE.as_secs())),
        // It does not tell the URL, which may have a password.
        Ok(Err(error)) => away(format!("does not let us in: {error}")),
        Ok(Ok(findings)) => findings,
    }
}

/// # Errors
/// When it cannot be reached, or lets nobody in.
async fn examine(url: &str, prefix: &str) -> RedisResult<Vec<Finding>> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let client = redis::Client::open(url)?;
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    redis::cmd("PING").exec_async(&mut connection).await?;
    let mut findings = match redis::cmd("INFO").query_async::<String>(&mut connection).await {
        Ok(info) => judge(&about(&info)),
        Err(error) => vec![Finding::odd(
            OF,
            format!("does not tell its memory policy: {error}"),
            "allow INFO, or see yourself that maxmemory-policy is noeviction",
        )],
    };
    findings.extend(rights(&mut connection, &format!("{prefix}:doctor")).await);
    findings.push(clock(&mut connection).await);
    Ok(findings)
}

/// Of the answer to INFO, lines `name:value`.
fn about(info: &str) -> About {
    let value = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.trim().split_once(':'));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value)
    };
    let number = |name| value(name).and_then(|value| value.parse().ok()).unwrap_or(0);
    About {
        version: value("redis_version").unwrap_or("unknown").to_owned(),
        policy: value("maxmemory_policy").map(str::to_owned),
        most: number("maxmemory"),
        used: number("used_memory"),
    }
}

fn judge(about: &About) -> Vec<Finding> {
    let mut findings = vec![Finding::good(OF, format!("version {} answers", about.version))];
    match about.policy.as_deref() {
        Some("noeviction") => {}
        Some(policy) => findings.push(Finding::wrong(
            OF,
            format!("maxmemory-policy is {policy}: when memory is full it forgets what we noted"),
            "set maxmemory-policy noeviction, in its configuration too",
        )),
        None => findings.push(Finding::odd(
            OF,
            "does not tell its memory policy",
            "see yourself that maxmemory-policy is noeviction",
        )),
    }
    // 90 %, without a product that could overflow.
    if about.most > 0 && about.used >= about.most - about.most / 10 {
        findings.push(Finding::wrong(
            OF,
            format!(
                "{} of {} bytes are used: soon it refuses to write",
                about.used, about.most
            ),
            "give it more memory, or remember ids for less time (ingest.ids_remember)",
        ));
    }
    findings
}

/// Each command that services send.
async fn rights(connection: &mut MultiplexedConnection, key: &str) -> Vec<Finding> {
    let script = "return redis.call('GET', KEYS[1])";
    let commands: [(&str, &[&str]); 7] = [
        ("SET", &[key, "1", "EX", "60"]),
        ("GET", &[key]),
        ("EVAL", &[script, "1", key]),
        ("DEL", &[key]),
        ("HSET", &[key, "field", "1"]),
        ("HGETALL", &[key]),
        ("DEL", &[key]),
    ];
    let mut refused = Vec::new();
    for (name, args) in commands {
        let mut command = redis::cmd(name);
        command.arg(args);
        if let Err(error) = command.exec_async(connection).await {
            refused.push(Finding::wrong(
                OF,
                format!("refuses {name} of {key}: {error}"),
                "let the user of redis.url read and write all keys that begin with kafka.prefix, scripts included",
            ));
        }
    }
    if refused.is_empty() {
        refused.push(Finding::good(OF, "lets us read, write and run scripts"));
    }
    refused
}

async fn clock(connection: &mut MultiplexedConnection) -> Finding {
    let told: RedisResult<(i64, i64)> = redis::cmd("TIME").query_async(connection).await;
    match told {
        Ok((seconds, micros)) => {
            let theirs_ms = seconds.saturating_mul(1_000).saturating_add(micros / 1_000);
            apart(Clock::system().now_ms().saturating_sub(theirs_ms))
        }
        Err(error) => Finding::odd(OF, format!("does not tell its time: {error}"), "allow TIME"),
    }
}

fn apart(ahead_ms: i64) -> Finding {
    if ahead_ms.saturating_abs() <= millis(APART) {
        return Finding::good("clock", "ours and that of Redis agree");
    }
    Finding::odd(
        "clock",
        format!("ours is ahead of that of Redis by {ahead_ms} ms"),
        "see that both machines keep time (NTP): by 5 minutes apart from Kafka's, delivery gives nothing up and switches nothing off",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    const INFO: &str = "# Server\r\nredis_version:7.0.15\r\nused_memory:95\r\nmaxmemory:100\r\nmaxmemory_policy:allkeys-lru\r\n";

    #[test]
    fn a_redis_that_forgets_or_is_full_is_wrong() {
        let findings = judge(&about(INFO));
        let verdicts: Vec<_> = findings.iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Good, Verdict::Wrong, Verdict::Wrong]);
        assert!(findings[0].found.contains("7.0.15"), "{findings:?}");
        assert!(findings[1].found.contains("allkeys-lru"), "{findings:?}");
        let well = INFO
            .replace("allkeys-lru", "noeviction")
            .replace("maxmemory:100", "maxmemory:0");
        assert_eq!(judge(&about(&well)).len(), 1);
        assert_eq!(judge(&about(""))[1].verdict, Verdict::Odd);
    }

    #[test]
    fn clocks_that_are_apart_are_told_either_way() {
        assert_eq!(apart(-5_000).verdict, Verdict::Good);
        assert_eq!(apart(5_001).verdict, Verdict::Odd);
        assert_eq!(apart(i64::MIN).verdict, Verdict::Odd);
    }
}
