//! Hands mails to a server.

use std::fmt;
use std::time::Duration;

use angarium_runtime::chain;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

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
    /// A password would be shown to the network.
    #[error(
        "the mail server is given a password, but no TLS: write smtps://, or add ?tls=required to smtp://"
    )]
    PasswordInTheClear,
    /// The certificate authority.
    #[error("the certificates of the mail server's authority cannot be read: they must be PEM")]
    Certificates(#[source] smtp::Error),
}

/// Where mails are handed in.
#[derive(Clone)]
pub struct MailServer {
    url: String,
    /// PEM certificates of an authority to trust beside the public ones.
    authority: Option<Vec<u8>>,
}

impl MailServer {
    /// The server at `smtps://user:password@host`, or `smtp://user:password@host:587?tls=required`. `smtp://host` without a
    /// password may do without TLS.
    ///
    /// # Errors
    /// When it is none; the value is not shown.
    pub fn parse(url: &str) -> Result<Self, InvalidServer> {
        if url.contains('@') && url.starts_with("smtp://") && !url.contains("tls=required") {
            return Err(InvalidServer::PasswordInTheClear);
        }
        AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(InvalidServer::Url)?;
        Ok(Self {
            url: url.to_owned(),
            authority: None,
        })
    }

    /// The same, whose certificate may also be of this authority.
    #[must_use]
    pub fn trusting(self, pem: Vec<u8>) -> Self {
        Self {
            authority: Some(pem),
            ..self
        }
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
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
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
        let url = server.url.as_str();
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(InvalidServer::Url)?
            .timeout(Some(TIMEOUT))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS));
        if let Some(pem) = &server.authority {
            let host = host(url).to_owned();
            let certificate = Certificate::from_pem(pem).map_err(InvalidServer::Certificates)?;
            let parameters = TlsParameters::builder(host)
                .add_root_certificate(certificate)
                .build();
            let parameters = parameters.map_err(InvalidServer::Certificates)?;
            builder = builder.tls(if url.starts_with("smtps://") {
                Tls::Wrapper(parameters)
            } else {
                Tls::Required(parameters)
            });
        }
        Ok(Self {
            server: builder.build(),
            from,
        })
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
        match self.server.send(message).await {
            Ok(_taken) => Ok(()),
            Err(error) if is_for_good(&error) => Err(NotSent::Refused(error)),
            Err(error) => Err(NotSent::Later(error)),
        }
    }
}

/// Answering machines leave mails alone that say so (RFC 3834).
fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn is_for_good(error: &smtp::Error) -> bool {
    let code = error.status().map(u16::from);
    error.is_permanent() && code.is_some_and(|code| !OURS.contains(&code))
}

/// The host of an address that was read before.
fn host(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.rsplit_once(':').map_or(host, |(host, _port)| host)
}

impl NotSent {
    /// With its causes, for the log.
    pub(crate) fn told(&self) -> String {
        chain(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let clear = MailServer::parse("smtp://u:hunter22@mail.example.com").unwrap_err();
        assert!(matches!(clear, InvalidServer::PasswordInTheClear));
        let wrong = MailServer::parse("imap://u:hunter22@mail.example.com").unwrap_err();
        assert!(!chain(&wrong).contains("hunter22"), "{}", chain(&wrong));
    }

    #[test]
    fn the_host_of_an_address_is_what_its_certificate_is_for() {
        assert_eq!(
            host("smtp://u:p@mail.example.com:587?tls=required"),
            "mail.example.com"
        );
        assert_eq!(host("smtps://localhost"), "localhost");
    }
}
