//! Settings of the console.

use std::path::PathBuf;
use std::time::Duration;

use angarium_console::Config;
use angarium_runtime::config::Reader;

use super::shared::Kafka;

const LEAST_BYTES: usize = 16 << 20;
const MOST_BYTES: usize = 1 << 40;
const LEAST_AGE: Duration = Duration::from_hours(2);
const MOST_AGE: Duration = Duration::from_hours(90 * 24);

/// Its settings; the others are at these endpoints: registry, fanout, delivery.
pub(super) fn read(reader: &mut Reader, [registry, fanout, delivery]: [&String; 3], kafka: &Kafka) -> Config {
    let mut section = reader.section("console");
    let listen = section.address(
        "listen",
        ([0, 0, 0, 0], 8086),
        "Where the console serves its pages over HTTP: the IP address and port to listen on. Put a proxy that speaks https before it: who signs in sends an API key",
    );
    let data_dir = section.text(
        "data_dir",
        "/var/lib/angarium/console",
        "The folder in which the console keeps what the journal said; whatever is lost there is read from Kafka again. One console uses it at a time",
    );
    let usual = Config::new(
        listen,
        registry.clone(),
        fanout.clone(),
        delivery.clone(),
        PathBuf::from(data_dir),
    );
    let max_bytes = section.bytes(
        "max_size",
        usize::try_from(Config::MAX_BYTES).unwrap_or(usize::MAX),
        LEAST_BYTES..=MOST_BYTES,
        "How much of the journal the console keeps; beyond that the oldest goes. The file is up to half as large again",
    );
    Config {
        log_name: kafka.prefix.clone(),
        max_bytes: u64::try_from(max_bytes).unwrap_or(u64::MAX),
        max_age: section.duration(
            "max_age",
            Config::MAX_AGE,
            LEAST_AGE..=MOST_AGE,
            "For how long the console keeps what the journal said. Kafka keeps failures for 7 days and successes for a day: what the console has not read by then it never has",
        ),
        secure_cookies: !section.flag(
            "plain_http",
            false,
            "Whether browsers may come over plain HTTP: cookies are then not confined to https. Only inside a network that you trust",
        ),
        ..usual
    }
}
