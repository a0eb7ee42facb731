//! Settings.

use std::net::SocketAddr;
use std::time::Duration;

use lettre::Address;
use lettre::message::Mailbox;

use crate::post::MailServer;

/// Settings of the notifier.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where probes ask.
    pub listen: SocketAddr,
    /// The consumer group of all notifiers.
    pub group: String,
    /// How Kafka's group and logs name this one: it alone, and the same when it is started again.
    pub client_id: String,
    /// How long one may be silent before Kafka gives its partitions to others.
    pub session_timeout: Duration,
    /// Where mails are handed in.
    pub server: MailServer,
    /// Whom they are from.
    pub from: Mailbox,
    /// Who is written to of a webhook that has no contacts.
    pub fallback_contacts: Vec<Address>,
    /// What language they are in.
    pub language: Language,
    /// Where a webhook's page is, with `{account}` and `{webhook}` in the place of their ids; mails have no link without it.
    pub page: Option<String>,
    /// For how long a webhook must have failed until anyone hears of it, as delivery has it (D4): its recovery is told if its
    /// failure was.
    pub first_reminder: Duration,
}

/// What language mails are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}
