//! The notifier of `dev`, and the mails that it would send: a line for each, unless there is a server for them.

use std::time::Duration;

use angarium_notifier::{Config, Language, MailServer, Service, Shown};
use angarium_runtime::access::OperatorKey;
use angarium_runtime::{Clock, Shutdown, Tasks, grpc};
use anyhow::Context;
use tokio::sync::mpsc;

use super::Args;
use super::screen::{ASIDE, Screen, styled};
use super::services::{Kafka, Running, loopback};

/// Mails that may wait to be told; the notifier waits for room.
const WAITING: usize = 16;
/// The widest line, as elsewhere in the account of `dev`.
const WIDTH: usize = 100;
/// Whom mails are from, and who is written to of a webhook without contacts.
const FROM: &str = "Angarium <angarium@localhost>";
const OPERATOR: &str = "operator@localhost";
/// As production has it.
const SESSION: Duration = Duration::from_secs(20);

/// Starts the notifier, whose mails lead to the console's pages.
///
/// # Errors
/// If the server of `--smtp-url` is none, or the notifier cannot start.
pub(super) async fn start(
    args: &Args,
    kafka: &Kafka,
    running: &Running,
    key: &OperatorKey,
    screen: &Screen,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let server = match &args.smtp_url {
        Some(url) => MailServer::parse(url).context("--smtp-url")?,
        None => {
            let (shown, mails) = mpsc::channel(WAITING);
            tasks.spawn("mails", tell(mails, screen.clone(), tasks.shutdown().clone()));
            MailServer::shown_to(shown)
        }
    };
    let page = format!(
        "http://{}/accounts/{{account}}/webhooks/{{webhook}}",
        running.console
    );
    let config = Config {
        // Only probes ask there, and `dev` has none.
        listen: loopback(0),
        group: "angarium.notifier".to_owned(),
        client_id: "angarium-notifier-dev".to_owned(),
        session_timeout: SESSION,
        server,
        from: FROM.parse().context("whom mails are from")?,
        fallback_contacts: vec![OPERATOR.parse().context("who is written to")?],
        language: Language::English,
        page: Some(page),
        first_reminder: angarium_policy::Reminders::default().first(),
    };
    let registry = grpc::client(&format!("http://{}", running.registry), key)?;
    let on = (&kafka.connection, &kafka.topics);
    let starting = Service::start(config, on, registry, Clock::system(), tasks);
    starting.await.context("cannot start the notifier")?;
    Ok(())
}

/// Where mails go, for the list of services: who takes them, and what that does.
pub(super) fn taker(args: &Args) -> (String, &'static str) {
    match &args.smtp_url {
        Some(_) => (
            "the mail server of --smtp-url".to_owned(),
            "mails whom a webhook needs",
        ),
        None => (
            format!("{OPERATOR}, or contacts"),
            "a line for each mail it would send",
        ),
    }
}

/// Ends with the shutdown: what is not told then is told by the next run, if Kafka outlives this one.
async fn tell(mut mails: mpsc::Receiver<Shown>, screen: Screen, shutdown: Shutdown) {
    loop {
        let mail = tokio::select! {
            () = shutdown.begun() => return,
            mail = mails.recv() => mail,
        };
        let Some(mail) = mail else { return };
        screen.show(&line(&mail));
    }
}

fn line(mail: &Shown) -> String {
    let said = format!("   ✉ {}: {}", mail.to, mail.subject);
    let said = if said.chars().count() > WIDTH {
        let shortened: String = said.chars().take(WIDTH - 1).collect();
        shortened + "…"
    } else {
        said
    };
    format!("{}\n", styled(ASIDE, &said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d4_a_mail_is_a_line_that_fits() {
        let mail = |subject: String| Shown {
            to: "ops@acme.example".parse().unwrap(),
            subject,
            text: String::new(),
        };
        let short = anstream::adapter::strip_str(&line(&mail("Webhook \"orders\" answers again".to_owned())))
            .to_string();
        assert_eq!(short, "   ✉ ops@acme.example: Webhook \"orders\" answers again\n");
        let long = anstream::adapter::strip_str(&line(&mail("ä".repeat(500)))).to_string();
        assert_eq!(long.trim_end().chars().count(), WIDTH);
    }
}
