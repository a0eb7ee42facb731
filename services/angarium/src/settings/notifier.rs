//! Settings of the notifier.

use std::time::Duration;

use angarium_notifier::{Address, Config, Language, MailServer, Mailbox};
use angarium_runtime::config::{Reader, Section};

use super::shared::{Kafka, file};

/// `None` if it cannot be: what is wrong is told then.
pub(super) fn read(
    reader: &mut Reader,
    name: &str,
    kafka: &Kafka,
    first_reminder: Duration,
) -> Option<Config> {
    let mut section = reader.section("notifier");
    let listen = section.address(
        "listen",
        ([0, 0, 0, 0], 8087),
        "Where probes find the notifier over HTTP: the IP address and port to listen on; port 0 takes a free one",
    );
    let server = section.secret(
        "smtp_url",
        "Where mails are handed in: smtps://user:password@host, or smtp://user:password@host:587?tls=required; smtp://host without a password may do without TLS",
        MailServer::parse,
    );
    let authority = file(
        &mut section,
        "smtp_ca_file",
        "A file of PEM certificates: an authority to trust beside the public ones when mails are handed in over TLS",
    );
    let from = section.required_text(
        "from",
        "Whom mails are from, such as Acme webhooks <webhooks@acme.example>",
    );
    let from = parsed::<Mailbox>(&mut section, "from", &from);
    let fallback = section.text(
        "fallback_contacts",
        "",
        "Who is written to of a webhook that has no contacts: addresses, separated by commas; nobody if empty",
    );
    let fallback = fallback
        .split(',')
        .map(str::trim)
        .filter(|contact| !contact.is_empty());
    let fallback: Vec<_> = fallback
        .map(|contact| parsed::<Address>(&mut section, "fallback_contacts", contact))
        .collect();
    let language = section.choice(
        "language",
        &("en", Language::English),
        &[("de", Language::German)],
        "What language mails are in",
    );
    let page = section.optional_text(
        "page",
        "Where a webhook's page is, with {account} and {webhook} in the place of their ids; mails have no link without it",
    );
    let session_timeout = section.duration(
        "session_timeout",
        Duration::from_secs(20),
        Duration::from_secs(6)..=Duration::from_mins(5),
        "How long a notifier may be silent before Kafka takes it for dead and gives its partitions to others",
    );
    Some(Config {
        listen,
        group: format!("{}.notifier", kafka.prefix),
        client_id: format!("angarium-notifier-{name}"),
        session_timeout,
        server: match authority {
            Some(pem) => server?.trusting(pem),
            None => server?,
        },
        from: from?,
        fallback_contacts: fallback.into_iter().collect::<Option<_>>()?,
        language,
        page: page.filter(|page| !page.is_empty()),
        first_reminder,
    })
}

fn parsed<T: std::str::FromStr>(section: &mut Section<'_>, name: &str, given: &str) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    // That it is missing has been told.
    if given.is_empty() {
        return None;
    }
    match given.parse() {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            section.reject(name, format!("`{given}` is no address of mail: {error}"));
            None
        }
    }
}
