//! What every part is told, read once.
//!
//! All settings are always read, whatever the role: one file serves all of them, and a mistyped name is found
//! wherever it is. What is wrong in a section that a role does not use is left to the roles that do.

mod console;
mod delivery;
mod egress;
mod fanout;
mod ingest;
mod notifier;
mod profile;
mod registry;
mod shared;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use angarium_model::AccountRef;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::config::{Mistakes, Reader, Secret, environment};
use angarium_runtime::grpc::Place;
use angarium_telemetry::{FILTER_VARIABLE, Format};
use shared::{Kafka, Topics};

use self::profile::Profile;
pub(crate) use self::profile::WrongProfile;
use crate::account_ref::Named;
use crate::cli::{Given, PROFILE_VARIABLE, PROFILES_VARIABLE, Reach};

/// Everything that can be set.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) log: Format,
    /// Where Prometheus finds metrics.
    pub(crate) metrics: Option<SocketAddr>,
    /// What this process is called.
    pub(crate) name: String,
    /// How long a process may take to end.
    pub(crate) drain: Duration,
    pub(crate) kafka: Kafka,
    pub(crate) topics: Topics,
    pub(crate) redis: Secret,
    pub(crate) key: OperatorKey,
    /// What commands present, if it is not the operator's key.
    api_key: Option<OperatorKey>,
    /// What commands are about that are given none: of the profile.
    pub(crate) account: Option<AccountRef>,
    pub(crate) registry_endpoint: String,
    pub(crate) ingest_endpoint: String,
    /// Where others find a fanout worker, and where one listens.
    pub(crate) fanout_endpoint: String,
    pub(crate) fanout_listen: SocketAddr,
    pub(crate) delivery_endpoint: String,
    pub(crate) ingest: angarium_ingest::Config,
    pub(crate) registry: angarium_registry::Config,
    pub(crate) fanout: angarium_fanout::Config,
    pub(crate) delivery: angarium_delivery::Config,
    /// Absent where it is not configured, which is a mistake of the notifier alone.
    pub(crate) notifier: Option<angarium_notifier::Config>,
    pub(crate) console: angarium_console::Config,
}

impl Settings {
    /// Reads all settings, and checks those of `sections`.
    ///
    /// # Errors
    /// Every mistake, together.
    pub(crate) fn read(given: &Given, sections: &[&str]) -> Result<Self, Mistakes> {
        let overrides = given.overrides.iter();
        let overrides: Vec<_> = overrides
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let (reader, settings) = Self::read_all(given.config.as_deref(), &overrides);
        reader.finish_for(sections)?;
        Ok(settings)
    }

    /// The settings of a command that calls a service, that of `section`: where it is and what is presented to it. Flags of
    /// the command beat its profile, which beats everything else.
    ///
    /// # Errors
    /// Every mistake, together; but those of the profile first.
    pub(crate) fn read_to_call(reach: &Reach, endpoint: Option<&str>, section: &str) -> anyhow::Result<Self> {
        let profile = Profile::chosen(reach.profile.as_deref(), reach.profiles.as_deref())?;
        let endpoint_name = format!("{section}.endpoint");
        let mut above = Vec::new();
        // The registry is asked for accounts that are named by their external ids.
        for (name, section) in [("registry.endpoint", "registry"), (&endpoint_name, section)] {
            above.extend(profile.endpoint(section).map(|endpoint| (name, endpoint)));
        }
        above.extend(profile.key.as_deref().map(|key| ("api.key", key)));
        let overrides = reach.given.overrides.iter();
        above.extend(overrides.map(|(name, value)| (name.as_str(), value.as_str())));
        above.extend(endpoint.map(|endpoint| (endpoint_name.as_str(), endpoint)));
        above.extend(reach.key.as_deref().map(|key| ("api.key", key)));
        let (reader, mut settings) = Self::read_all(reach.given.config.as_deref(), &above);
        settings.account = profile.account.map(|Named(account)| account);
        let presented = if settings.api_key.is_some() {
            "api"
        } else {
            "operator"
        };
        reader.finish_for(&[section, "api", presented])?;
        Ok(settings)
    }

    /// What a command presents to services.
    pub(crate) const fn presented(&self) -> &OperatorKey {
        match &self.api_key {
            Some(key) => key,
            None => &self.key,
        }
    }

    /// What comes later in `overrides` beats what comes before.
    fn read_all(file: Option<&Path>, overrides: &[(&str, &str)]) -> (Reader, Self) {
        let mut reader = Reader::new(file, environment());
        for (name, value) in overrides {
            reader.set(*name, *value);
        }
        let settings = Self::from(&mut reader);
        (reader, settings)
    }

    fn from(reader: &mut Reader) -> Self {
        reader.foreign("ANGARIUM_CONFIG", "The path of the settings file, as `--config`");
        reader.foreign(
            FILTER_VARIABLE,
            "What is logged: a level (error, warn, info, debug, trace), also per part of the program, for example `info,angarium_delivery=debug`; default `info`",
        );
        reader.foreign(
            PROFILE_VARIABLE,
            "The profile of a command that calls services, as `--profile`",
        );
        reader.foreign(
            PROFILES_VARIABLE,
            "The path of the file of profiles, as `--profiles`; default `~/.config/angarium/profiles.toml`",
        );
        let log = shared::log(reader);
        let metrics = shared::metrics(reader);
        let name = shared::name(reader);
        let drain = shared::drain(reader);
        let kafka = shared::kafka(reader);
        let topics = shared::topics(reader);
        let redis = shared::redis(reader);
        let key = shared::key(reader);
        let api_key = shared::api_key(reader);
        let egress = egress::read(reader);
        let (registry_endpoint, mut registry) = registry::read(reader, (&name, &kafka, &key), egress.clone());
        let (ingest_endpoint, ingest) = ingest::read(reader, &key, (&redis, &kafka.prefix), drain);
        let (fanout_endpoint, fanout_listen, fanout) = fanout::read(reader, &name, &kafka);
        let (delivery_endpoint, delivery) = delivery::read(reader, &name, &key, &kafka, egress);
        registry.fanout = Place::at(&*fanout_endpoint);
        registry.delivery = Place::at(&*delivery_endpoint);
        let first_reminder = delivery.reminders.first();
        let notifier = notifier::read(reader, &name, &kafka, first_reminder);
        let endpoints = [&registry_endpoint, &fanout_endpoint, &delivery_endpoint];
        let console = console::read(reader, endpoints, &kafka);
        Self {
            log,
            metrics,
            name,
            drain,
            kafka,
            topics,
            redis,
            key,
            api_key,
            account: None,
            registry_endpoint,
            ingest_endpoint,
            fanout_endpoint,
            fanout_listen,
            delivery_endpoint,
            ingest,
            registry,
            fanout,
            delivery,
            notifier,
            console,
        }
    }
}

const HEAD: &str = "\
# Configuration

<!-- Generated by `angarium config reference`; a test of the `angarium` crate compares. -->

Settings come from a TOML file (`--config FILE`), from variables, which beat the file, and from the command line
(`--set name=value`), which beats both. `ingest.listen` is the key `listen` of the table `[ingest]`. One file can
serve all roles: each takes what it needs. A secret can be given as the path of a file that holds it: the same name
with `_file` at its end.

A time has a unit: `200ms`, `5s`, `1m`, `1h`, `7d`, or several, `7d 12h`. A size is in bytes, or has a unit: `256KiB`,
`5MiB`, `1GiB`. *Allowed* gives the least and the most, both included; where it is empty, anything of the kind will
do. Limits hold for each process by itself.

All mistakes are reported together, before anything starts (exit code 2); `angarium config check ROLE` only looks.

";

/// All settings as Markdown.
pub(crate) fn reference() -> String {
    let mut reader = Reader::new(None, []);
    Settings::from(&mut reader);
    format!("{HEAD}{}", reader.reference())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Role;

    const KEY: (&str, &str) = ("ANGARIUM_OPERATOR_KEY", "0123456789abcdef");

    const SEAL: (&str, &str) = ("ANGARIUM_SEAL_KEYS", "none");

    const SMTP: (&str, &str) = (
        "ANGARIUM_NOTIFIER_SMTP_URL",
        "smtps://u:hunter22@mail.example.com",
    );
    const FROM: (&str, &str) = ("ANGARIUM_NOTIFIER_FROM", "Acme webhooks <webhooks@acme.example>");

    fn read(pairs: &[(&str, &str)], role: Role) -> Result<Settings, Mistakes> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut reader = Reader::new(None, pairs);
        let settings = Settings::from(&mut reader);
        reader.finish_for(role.sections()).map(|()| settings)
    }

    #[test]
    fn the_reference_in_docs_is_current() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFIGURATION.md");
        let written = std::fs::read_to_string(file).unwrap_or_default();
        let remedy = "run `cargo run --release -- config reference > docs/CONFIGURATION.md`";
        assert!(
            written == reference(),
            "docs/CONFIGURATION.md is not current: {remedy}"
        );
    }

    #[test]
    fn the_key_is_enough_but_the_registry_needs_what_seals_and_the_notifier_a_server_and_a_sender() {
        for role in Role::ALL {
            read(&[KEY, SEAL, SMTP, FROM], role).unwrap();
            let mailless = read(&[KEY, SEAL], role).map_err(|mistakes| mistakes.to_string());
            assert_eq!(mailless.is_err(), role == Role::Notifier, "{mailless:?}");
            let keyless = read(&[SEAL, SMTP, FROM], role).map_err(|mistakes| mistakes.to_string());
            // The console presents its callers' own keys.
            assert_eq!(keyless.is_ok(), role == Role::Console, "{keyless:?}");
            let said = keyless
                .err()
                .unwrap_or_else(|| "operator.key is missing".to_owned());
            assert!(said.contains("operator.key is missing"), "{said}");
            let sealless = read(&[KEY, SMTP, FROM], role).map_err(|mistakes| mistakes.to_string());
            assert_eq!(sealless.is_err(), role == Role::Registry, "{sealless:?}");
        }
        let short = [KEY, ("ANGARIUM_SEAL_KEYS", "k1:QUFB")];
        let mistakes = read(&short, Role::Registry).unwrap_err().to_string();
        assert!(
            mistakes.contains("key 1 must be the base64 of 32 bytes"),
            "{mistakes}"
        );
        assert!(!mistakes.contains("QUFB"), "{mistakes}");
    }

    #[test]
    fn what_is_wrong_with_the_mail_server_is_told_without_its_password() {
        let cases = [
            ("smtp://u:hunter22@mail.example.com", "no TLS"),
            (
                "imap://u:hunter22@mail.example.com",
                "the address of the mail server is wrong",
            ),
        ];
        for (url, said) in cases {
            let given = [KEY, FROM, ("ANGARIUM_NOTIFIER_SMTP_URL", url)];
            let mistakes = read(&given, Role::Notifier).unwrap_err().to_string();
            assert!(
                mistakes.contains(said) && !mistakes.contains("hunter22"),
                "{mistakes}"
            );
        }
        let given = [
            KEY,
            SMTP,
            FROM,
            ("ANGARIUM_NOTIFIER_FALLBACK_CONTACTS", "a@acme.example, nobody"),
        ];
        let mistakes = read(&given, Role::Notifier).unwrap_err().to_string();
        assert!(mistakes.contains("`nobody` is no address of mail"), "{mistakes}");
    }

    #[test]
    fn the_defaults_of_the_services_are_within_the_bounds_given_here() {
        let given = [KEY, SEAL, SMTP, FROM].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut reader = Reader::new(None, given);
        Settings::from(&mut reader);
        reader.finish().unwrap();
    }

    #[test]
    fn a_role_starts_whatever_is_wrong_with_another() {
        let wrong = [KEY, ("ANGARIUM_DELIVERY_MAX_GROUP_EVENTS", "1000")];
        read(&wrong, Role::Fanout).unwrap();
        let mistakes = read(&wrong, Role::Delivery).unwrap_err().to_string();
        assert!(mistakes.contains("`1000` is more than 256"), "{mistakes}");
    }

    #[test]
    fn settings_that_do_not_go_together_are_told() {
        let wrong = [
            KEY,
            ("ANGARIUM_DELIVERY_RETRY_FIRST", "10m"),
            ("ANGARIUM_REGISTRY_ENDPOINT", "https://registry"),
        ];
        let mistakes = read(&wrong, Role::Delivery).unwrap_err().to_string();
        assert!(
            mistakes.contains("delivery.retry_first (ANGARIUM_DELIVERY_RETRY_FIRST): back-off from"),
            "{mistakes}"
        );
        assert!(
            mistakes.contains("registry.endpoint (ANGARIUM_REGISTRY_ENDPOINT): `https://registry`"),
            "{mistakes}"
        );
        let wrong = [KEY, ("ANGARIUM_INGEST_MAX_REQUEST", "100KiB")];
        let mistakes = read(&wrong, Role::Ingest).unwrap_err().to_string();
        assert!(
            mistakes.contains("ingest.max_request (ANGARIUM_INGEST_MAX_REQUEST): is less than"),
            "{mistakes}"
        );
    }

    #[test]
    fn calls_lead_to_the_public_over_https_until_the_operator_allows_more() {
        let strict = read(&[KEY], Role::Delivery).unwrap();
        assert_eq!(strict.delivery.egress, angarium_policy::egress::Rules::default());
        let given = [
            KEY,
            ("ANGARIUM_EGRESS_ALLOW_HTTP", "true"),
            ("ANGARIUM_EGRESS_PORTS", "443, 8000-8999"),
            ("ANGARIUM_EGRESS_ALLOW", "10.20.0.0/16, fd12::/16"),
        ];
        let open = read(&given, Role::Delivery).unwrap().delivery.egress;
        assert!(open.allow_http && !open.allow_private);
        assert_eq!(open.ports.to_string(), "443, 8000-8999");
        assert_eq!(open.allow.to_string(), "10.20.0.0/16, fd12::/16");
        let wrong = [KEY, ("ANGARIUM_EGRESS_ALLOW", "10.20.0.1/16")];
        let mistakes = read(&wrong, Role::Delivery).unwrap_err().to_string();
        assert!(mistakes.contains("did you mean 10.20.0.0/16?"), "{mistakes}");
    }

    #[test]
    fn topics_of_another_prefix_have_consumer_groups_of_their_own() {
        let settings = read(&[KEY, ("ANGARIUM_KAFKA_PREFIX", "trial")], Role::Fanout).unwrap();
        assert_eq!(settings.fanout.group, "trial.fanout");
        assert_eq!(settings.delivery.group, "trial.delivery");
        assert_eq!(settings.kafka.names().events(), "trial.events");
    }
}
