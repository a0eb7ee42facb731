//! Settings of the registry, and of those who call it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use angarium_model::MaxWebhooks;
use angarium_policy::egress;
use angarium_registry::{Config, Election, SealKeys};
use angarium_runtime::access::OperatorKey;
use angarium_runtime::config::{Reader, Section};
use angarium_runtime::grpc::check_endpoint;
use angarium_runtime::host_name;

use super::shared::{Kafka, endpoint};

const MOST_WEBHOOKS: NonZeroU32 = NonZeroU32::new(MaxWebhooks::MAX).unwrap();
const MOST_WAITING: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
const MOST_CHANGES: NonZeroUsize = NonZeroUsize::new(10_000_000).unwrap();

/// Where others find it, and its own settings.
pub(super) fn read(
    reader: &mut Reader,
    (name, kafka, key): (&str, &Kafka, &OperatorKey),
    egress: egress::Rules,
) -> (String, Config) {
    let seal_keys = reader.section("seal").secret(
        "keys",
        "What seals the secrets of webhooks in Kafka: name:base64 of 32 bytes, several separated by commas, of which the first seals and all open; `none` stores secrets as they are. To change the key give the new one behind the old one to every registry, then put it first, run `angarium webhook reseal`, and take the old one away",
        SealKeys::parse,
    );
    let mut section = reader.section("registry");
    let endpoint = endpoint(
        &mut section,
        "http://localhost:8082",
        "Where other roles and commands find the registry: http://host:port",
    );
    let listen = section.address(
        "listen",
        ([0, 0, 0, 0], 8082),
        "Where the registry serves gRPC: the IP address and port to listen on; port 0 takes a free one",
    );
    let listen_http = section.address(
        "http_listen",
        ([0, 0, 0, 0], 8085),
        "Where the registry serves HTTP with JSON: the IP address and port to listen on; port 0 takes a free one",
    );
    let advertise = section.optional_text(
        "advertise",
        "Where other registries reach this one: http://host:port; by default the address that it listens on, or the name of the machine if it listens on all",
    );
    if let Some(Err(error)) = advertise.as_deref().map(check_endpoint) {
        section.reject("advertise", error);
    }
    let listens_on_all = listen.ip().is_unspecified() && listen.port() != 0;
    let default = Config::new(listen, key.clone());
    let config = Config {
        listen_http,
        advertise: advertise.or_else(|| listens_on_all.then(|| format!("http://{}:{}", host_name(), listen.port()))),
        election: Election::Group {
            group: format!("{}.registry", kafka.prefix),
            name: format!("angarium-registry-{name}"),
            session_timeout: session_timeout(&mut section),
        },
        write_timeout: section.duration(
            "write_timeout",
            default.write_timeout,
            Duration::from_millis(100)..=Duration::from_mins(1),
            "The longest that a write waits for Kafka's acknowledgement, and then as long again to be read back; then the call fails",
        ),
        max_waiting: section.integer(
            "max_waiting",
            default.max_waiting,
            NonZeroUsize::MIN..=MOST_WAITING,
            "The most writes that wait their turn, per partition of the registry topic; further ones are refused",
        ),
        recent_changes: section.integer(
            "recent_changes",
            default.recent_changes,
            NonZeroUsize::MIN..=MOST_CHANGES,
            "How many of the latest changes are kept in memory for followers that reconnect; one that missed more gets everything anew",
        ),
        deleted_webhooks_kept: section.duration(
            "deleted_webhooks_kept",
            default.deleted_webhooks_kept,
            Duration::ZERO..=Duration::from_hours(30 * 24),
            "For how long a deleted webhook may be brought back with its secrets; 0s: not at all",
        ),
        egress,
        seal_keys: seal_keys.unwrap_or_else(SealKeys::none),
        webhooks_per_account: webhooks_per_account(&mut section, default.webhooks_per_account),
        ..default
    };
    (endpoint, config)
}

fn session_timeout(section: &mut Section<'_>) -> Duration {
    section.duration(
        "session_timeout",
        Duration::from_secs(6),
        Duration::from_secs(6)..=Duration::from_mins(5),
        "How long a registry may be silent before Kafka takes it for dead and lets others write what it wrote",
    )
}

fn webhooks_per_account(section: &mut Section<'_>, default: MaxWebhooks) -> MaxWebhooks {
    let most = section.integer(
        "webhooks_per_account",
        default.get(),
        NonZeroU32::MIN..=MOST_WEBHOOKS,
        "The most webhooks of an account that has no max_webhooks of its own",
    );
    // It is within the bounds.
    MaxWebhooks::new(most.get()).unwrap_or(default)
}
