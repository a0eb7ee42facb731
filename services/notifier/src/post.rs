//! Hands mails to a server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use angarium_runtime::chain;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::sync::mpsc;
use url::Url;

use crate::letter::Letter;

/// The longest that the server may take for a step: RFC 5321 allows minutes, but nobody waits for a mail that long.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Connections that are kept for the next mail: notices come seldom.
const CONNECTIONS: u32 = 4;
/// Answers of a server that are ours to mend although they say "for good": authentication is missing, weak or wrong (RFC 4954).
const OURS: [u16; 3] = [530, 534, 535];

/// The address of the mail server is wrong, or what it is to be trusted by. Does not show it: it may carry a password.
#[derive(Debug, thiserror::Error)]
pub enum InvalidServer {
    /// The address.
    #[error(
        "the address of the mail server is wrong: write it as smtps://user:password@host, or smtp://user:password@host:587?tls=required"
    )]
    Url(#[source] smtp::Error),
    /// The address, which is no URL.
    #[error("the address of the mail server is no URL")]
    Address(#[source] url::ParseError),
    /// A password would be shown to the network.
    #[error(
        "the mail server is given a password, but no TLS: write smtps://, or add ?tls=required to smtp://"
    )]
    PasswordInTheClear,
    /// The certificate authority.
    #[error("the certificates of the mail server's authority cannot be read: they must be PEM")]
    Certificates(#[source] smtp::Error),
}

/// A mail that no server was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whom it would have gone to.
    pub to: Address,
    /// What it would have been about: one line without control characters.
    pub subject: String,
    /// Its text part.
    pub text: String,
}

/// Where mails are handed in.
#[derive(Clone)]
pub struct MailServer(To);

#[derive(Clone)]
enum To {
    Server {
        url: Url,
        /// PEM certificates of an authority to trust beside the public ones.
        authority: Option<Arc<[u8]>>,
    },
    Screen(mpsc::Sender<Shown>),
}

impl MailServer {
    /// None: mails are shown to whoever reads `shown`, whose room is the bound. While there is none, mails wait.
    #[must_use]
    pub const fn shown_to(shown: mpsc::Sender<Shown>) -> Self {
        Self(To::Screen(shown))
    }

    /// The server at `smtps://user:password@host`, or `smtp://user:password@host:587?tls=required`. `smtp://host` without a
    /// password may do without TLS.
    ///
    /// # Errors
    /// When it is none; the value is not shown.
    pub fn parse(url: &str) -> Result<Self, InvalidServer> {
        AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(InvalidServer::Url)?;
        let url = Url::parse(url).map_err(InvalidServer::Address)?;
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        if has_credentials && !is_over_tls(&url) {
            return Err(InvalidServer::PasswordInTheClear);
        }
        Ok(Self(To::Server { url, authority: None }))
    }

    /// The same, whose certificate may also be of this authority.
    #[must_use]
    pub fn trusting(self, pem: Vec<u8>) -> Self {
        Self(match self.0 {
            To::Server { url, .. } => To::Server {
                url,
                authority: Some(pem.into()),
            },
            screen @ To::Screen(_) => screen,
        })
    }
}

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailServer").finish_non_exhaustive()
    }
}

/// A mail server. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    outlet: Outlet,
    from: Mailbox,
}

#[derive(Clone, Debug)]
enum Outlet {
    Server(AsyncSmtpTransport<Tokio1Executor>),
    Screen(mpsc::Sender<Shown>),
}

/// Why a mail was not handed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSent {
    /// The server is away, busy, or does not know us: to be tried again.
    #[error("the mail server does not take mails now")]
    Later(#[source] smtp::Error),
    /// The server will never take this mail to this recipient.
    #[error("the mail server refuses this mail")]
    Refused(#[source] smtp::Error),
    /// The server answers, and does not take it: to be tried again for a while.
    #[error("the mail server turns this mail away")]
    TurnedAway(#[source] smtp::Error),
    /// Whoever mails were shown to has gone.
    #[error("nobody looks at mails any more")]
    NobodyLooks,
    /// It cannot be written.
    #[error("a mail cannot be written")]
    Unwritable(#[from] lettre::error::Error),
}

impl Post {
    /// Nothing is contacted yet.
    ///
    /// # Errors
    /// When the server is none.
    pub(crate) fn new(server: &MailServer, from: Mailbox) -> Result<Self, InvalidServer> {
        let outlet = match &server.0 {
            To::Server { url, authority } => Outlet::Server(transport(url, authority.as_deref())?),
            To::Screen(shown) => Outlet::Screen(shown.clone()),
        };
        Ok(Self { outlet, from })
    }

    /// Sends a letter to one person, under this id.
    ///
    /// # Errors
    /// When the server did not take it.
    pub(crate) async fn send(&self, letter: &Letter, to: &Address, id: &str) -> Result<(), NotSent> {
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(letter.subject.clone())
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .date_now()
            .multipart(MultiPart::alternative_plain_html(
                letter.text.clone(),
                letter.html.clone(),
            ))?;
        match &self.outlet {
            Outlet::Server(server) => match server.send(message).await {
                Ok(_taken) => Ok(()),
                Err(error) => Err(NotSent::of(error)),
            },
            Outlet::Screen(shown) => {
                let mail = Shown {
                    to: to.clone(),
                    subject: letter.subject.clone(),
                    text: letter.text.clone(),
                };
                shown.send(mail).await.map_err(|_gone| NotSent::NobodyLooks)
            }
        }
    }
}

/// Whether nothing is said to the server before TLS is there.
fn is_over_tls(url: &Url) -> bool {
    url.scheme() == "smtps" || {
        // The first one counts: so it is read where connections are made.
        let tls = url.query_pairs().find(|(name, _)| name == "tls");
        tls.is_some_and(|(_, how)| how == "required")
    }
}

fn transport(
    url: &Url,
    authority: Option<&[u8]>,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, InvalidServer> {
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str())
        .map_err(InvalidServer::Url)?
        .timeout(Some(TIMEOUT))
        .pool_config(PoolConfig::new().max_size(CONNECTIONS));
    if let Some(pem) = authority {
        let host = url.host_str().unwrap_or_default().to_owned();
        let certificate = Certificate::from_pem(pem).map_err(InvalidServer::Certificates)?;
        let parameters = TlsParameters::builder(host)
            .add_root_certificate(certificate)
            .build();
        let parameters = parameters.map_err(InvalidServer::Certificates)?;
        builder = builder.tls(if url.scheme() == "smtps" {
            Tls::Wrapper(parameters)
        } else {
            Tls::Required(parameters)
        });
    }
    Ok(builder.build())
}

/// Answering machines leave mails alone that say so (RFC 3834).
fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Whether an answer is about the recipient: its enhanced status says that the address or the mailbox is none (RFC 3463). Without one it may
/// be about us.
fn is_of_recipient(answer: &str) -> bool {
    answer
        .split([' ', '-', ':', ')'])
        .any(|word| word.starts_with("5.1.") || word.starts_with("5.2."))
}

impl NotSent {
    fn of(error: smtp::Error) -> Self {
        match error.status().map(u16::from) {
            None => Self::Later(error),
            Some(code) if OURS.contains(&code) => Self::Later(error),
            Some(_) if error.is_permanent() && is_of_recipient(&error.to_string()) => Self::Refused(error),
            Some(_) => Self::TurnedAway(error),
        }
    }

    /// With its causes, for the log.
    pub(crate) fn told(&self) -> String {
        chain(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_the_recipient_is_told_from_what_may_be_about_us() {
        assert!(is_of_recipient("permanent error (550): 5.1.1 no such user"));
        assert!(is_of_recipient("permanent error (552): 5.2.2 mailbox full"));
        for ours in [
            "permanent error (550): 5.7.1 relay access denied",
            "permanent error (554): sender not verified",
        ] {
            assert!(!is_of_recipient(ours), "{ours}");
        }
    }

    #[test]
    fn a_password_is_given_to_a_server_over_tls_alone_and_shown_nowhere() {
        for url in [
            "smtps://u:hunter22@mail.example.com",
            "smtp://u:hunter22@mail.example.com:587?tls=required",
            "smtp://127.0.0.1:2525",
        ] {
            let server = MailServer::parse(url).unwrap();
            assert!(!format!("{server:?}").contains("hunter22"));
        }
        for url in [
            "smtp://u:hunter22@mail.example.com",
            "SMTP://u:hunter22@mail.example.com",
            "smtp://u:hunter22@mail.example.com?tls=opportunistic",
            "smtp://u:hunter22@mail.example.com#tls=required",
        ] {
            let clear = MailServer::parse(url).unwrap_err();
            assert!(matches!(clear, InvalidServer::PasswordInTheClear), "{url}");
        }
        let wrong = MailServer::parse("imap://u:hunter22@mail.example.com").unwrap_err();
        assert!(!chain(&wrong).contains("hunter22"), "{}", chain(&wrong));
    }

    #[tokio::test]
    async fn without_a_server_a_mail_is_shown_and_waits_where_nobody_looks() {
        let (shown, mut mails) = mpsc::channel(1);
        let from = "Angarium <angarium@localhost>".parse().unwrap();
        let post = Post::new(&MailServer::shown_to(shown), from).unwrap();
        let letter = Letter {
            subject: "Webhook \"orders\" answers again".to_owned(),
            text: "There is nothing to do.".to_owned(),
            html: "<p>There is nothing to do.</p>".to_owned(),
        };
        let to = "ops@acme.example".parse().unwrap();
        post.send(&letter, &to, "notice-0-0-0").await.unwrap();
        let mail = mails.recv().await.unwrap();
        assert_eq!((mail.to, mail.subject), (to.clone(), letter.subject.clone()));
        drop(mails);
        let error = post.send(&letter, &to, "notice-0-1-0").await.unwrap_err();
        assert!(matches!(error, NotSent::NobodyLooks), "{error}");
    }
}
