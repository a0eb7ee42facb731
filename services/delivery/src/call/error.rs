//! Why there is no answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use angarium_policy::Failure;
use angarium_policy::egress::Refusal;
use rustix::io::Errno;

/// A call without an answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Our egress policy refuses the URL, or an address of its host. Nothing was sent.
    #[error("the egress policy refuses to call {host}")]
    Refused {
        /// The host of the URL.
        host: String,
        /// What is refused, why, and what to do.
        #[source]
        source: Refusal,
    },
    /// The name has no address.
    #[error("the host {host} was not found")]
    Dns {
        /// The name.
        host: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The name's addresses did not come in time.
    #[error("the addresses of {host} were not found within {within:?}")]
    DnsTimeout {
        /// The name.
        host: String,
        /// The time.
        within: Duration,
    },
    /// No address took the connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// The one that failed last.
        address: SocketAddr,
        /// How it failed.
        #[source]
        source: io::Error,
    },
    /// No connection in time.
    #[error("no connection to {host} within {within:?}")]
    ConnectTimeout {
        /// The host of the URL.
        host: String,
        /// The time.
        within: Duration,
    },
    /// The TLS handshake failed.
    #[error("no TLS connection to {host}")]
    Tls {
        /// The host of the URL.
        host: String,
        /// How it failed.
        #[source]
        source: io::Error,
    },
    /// The receiver's certificate is not accepted. Nothing was sent.
    #[error("the certificate of {host} is not accepted: {fault}")]
    Certificate {
        /// The host of the URL.
        host: String,
        /// What is wrong with it, and what to do.
        fault: String,
    },
    /// The host's name cannot stand in a certificate.
    #[error("{host} is no name for a TLS certificate")]
    TlsName {
        /// The host of the URL.
        host: String,
    },
    /// No answer in time.
    #[error("no answer within {within:?}")]
    AnswerTimeout {
        /// The time.
        within: Duration,
    },
    /// The connection broke.
    #[error("the receiver closed the connection before it answered")]
    Reset(#[source] hyper::Error),
    /// The answer is no HTTP.
    #[error("the receiver's answer is not HTTP, or its head is over 32 KiB")]
    Protocol(#[source] hyper::Error),
    /// So much came before the answer's head that it is not waited for.
    #[error("over 32 KiB came, interim answers (1xx) included, before the head of the answer was complete")]
    Interim,
    /// The lease on the partition would have ended before the call: nothing was sent. Not the receiver's failure.
    #[error("the lease on the partition does not last for the call")]
    LeaseOver,
    /// This machine has no descriptors, ports or memory left for a connection: nothing was sent. Not the receiver's
    /// failure.
    #[error("this machine cannot make another connection")]
    Exhausted(#[source] io::Error),
    /// The request could not be made.
    #[error("no request can be made for this URL")]
    Request(#[source] http::Error),
}

impl CallError {
    /// The kind of failure, for the policy; `None` when it was ours, and nothing was sent.
    #[must_use]
    pub const fn failure(&self) -> Option<Failure> {
        Some(match self {
            Self::LeaseOver | Self::Exhausted(_) => return None,
            Self::Refused { .. } => Failure::EgressRefused,
            Self::Dns { .. } | Self::DnsTimeout { .. } => Failure::Dns,
            Self::Connect { .. } => Failure::Connect,
            Self::ConnectTimeout { .. } => Failure::ConnectTimeout,
            Self::Tls { .. } | Self::Certificate { .. } | Self::TlsName { .. } => Failure::Tls,
            Self::AnswerTimeout { .. } => Failure::AnswerTimeout,
            Self::Reset(_) => Failure::Reset,
            Self::Protocol(_) | Self::Interim | Self::Request(_) => Failure::Protocol,
        })
    }

    /// The whole chain, for a person; at most 512 bytes, as the journal wants it.
    #[must_use]
    pub fn detail(&self) -> String {
        const MAX_BYTES: usize = 512;
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        let mut end = text.len().min(MAX_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text
    }

    /// Why an address took no connection.
    pub(super) fn of_connect(address: SocketAddr, source: io::Error) -> Self {
        let is_ours = match Errno::from_io_error(&source) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => true,
            // All local ports are taken; for IPv6 it may say that this machine has no such network.
            Some(Errno::ADDRNOTAVAIL) => address.is_ipv4(),
            _ => false,
        };
        if is_ours {
            Self::Exhausted(source)
        } else {
            Self::Connect { address, source }
        }
    }

    pub(super) fn of_hyper(error: hyper::Error) -> Self {
        if error.is_parse() || error.is_parse_too_large() {
            Self::Protocol(error)
        } else {
            Self::Reset(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d2_what_this_machine_lacks_is_not_the_receivers_failure() {
        let address = |text: &str| text.parse().unwrap();
        let failure = |to, errno: Errno| CallError::of_connect(address(to), errno.into()).failure();
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::ADDRNOTAVAIL] {
            assert_eq!(failure("192.0.2.1:443", errno), None, "{errno}");
        }
        assert_eq!(
            failure("[2001:db8::1]:443", Errno::ADDRNOTAVAIL),
            Some(Failure::Connect)
        );
        assert_eq!(
            failure("192.0.2.1:443", Errno::CONNREFUSED),
            Some(Failure::Connect)
        );
    }
}
