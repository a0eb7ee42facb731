//! Why a call is refused, for the administrator of the webhook and for the operator.

use std::net::IpAddr;

use ipnet::IpNet;

use super::list::Ports;
use super::range::Kind;

/// What is refused, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Neither http nor https.
    #[error("{0}: is no scheme of a webhook; use https://")]
    Scheme(String),
    /// Not encrypted.
    #[error("plain http is refused: use https://, or let the operator set egress.allow_http")]
    PlainHttp,
    /// The URL leads nowhere.
    #[error("the URL has no host; write it in full, for example https://example.com/hooks")]
    NoHost,
    /// A port that is not allowed.
    #[error("port {port} is refused: use one of {allowed}, or let the operator add it to egress.ports")]
    Port {
        /// The port.
        port: u16,
        /// Those that are allowed.
        allowed: Ports,
    },
    /// The operator denies the name.
    #[error(
        "the host {host} is refused by the operator's list egress.deny_hosts ({entry}): use another host"
    )]
    HostDenied {
        /// The name.
        host: String,
        /// The entry of the list.
        entry: String,
    },
    /// The operator lists the names that are called, and this is none of them.
    #[error(
        "the host {0} is refused: the operator's list egress.only_hosts does not have it; ask for it to be added"
    )]
    HostNotListed(String),
    /// A name of this machine.
    #[error(
        "the host {0} is the machine that calls, and refused: use the receiver's public name, or let the operator set \
         egress.allow_loopback"
    )]
    Localhost(String),
    /// The operator denies the address.
    #[error(
        "the address {address} is refused by the operator's list egress.deny ({network}): use another host"
    )]
    AddressDenied {
        /// The address.
        address: IpAddr,
        /// The entry of the list.
        network: IpNet,
    },
    /// Not a public address.
    #[error("{address} is {kind} ({network}) and refused: use a public address, or let the operator {}", remedy(*kind))]
    Special {
        /// The address.
        address: IpAddr,
        /// What is special about it.
        kind: Kind,
        /// The range that it lies in.
        network: IpNet,
    },
    /// The form is allowed, what it carries is not. The reason is part of the text.
    #[error("{address} is refused for the IPv4 address in it: {reason}")]
    Carried {
        /// The address.
        address: IpAddr,
        /// Why the IPv4 address is refused.
        reason: Box<Refusal>,
    },
}

fn remedy(kind: Kind) -> &'static str {
    match kind {
        Kind::Loopback => "set egress.allow_loopback",
        Kind::Private | Kind::UniqueLocal => "set egress.allow_private, or add the network to egress.allow",
        Kind::Metadata => "add this very address to egress.allow (it hands out credentials: think twice)",
        Kind::LocalNat64 => "add the translator's prefix, of 96 bits or more, to egress.allow",
        _ => "add the network to egress.allow",
    }
}
