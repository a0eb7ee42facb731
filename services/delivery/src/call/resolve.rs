//! From a host to addresses that may be called.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use angarium_policy::egress::Policy;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::error::CallError;
use super::race;

/// How long a name's addresses may take: half of what the connection has (D1), so that time is left to use them.
pub(super) const LOOKUP: Duration = Duration::from_secs(5);
/// How many addresses of a name are tried at most: all of them may be silent, and then a call has as many sockets.
pub(super) const MAX_ADDRESSES: usize = 8;

/// Who knows the addresses of names.
#[derive(Clone, Debug)]
pub(super) enum Resolver {
    /// The system: its hosts file, its name servers.
    System,
    /// What a test says.
    #[cfg(test)]
    Scripted(fn(&str) -> Option<Vec<IpAddr>>),
}

impl Resolver {
    /// All addresses of `host`, every one of them allowed by `policy`.
    ///
    /// **One refused address refuses the name.** A name with public and internal addresses is a mistake, or DNS
    /// rebinding under way. If we picked the good ones, it would be luck whether a call gets through, and an attacker
    /// could try until it gets through to the wrong one.
    pub(super) async fn resolve(
        &self,
        policy: &Policy,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, CallError> {
        let mut addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_name) => self.look_up(host, port).await?,
        };
        for address in &addresses {
            let vetted = policy.vet_address(address.ip(), address.port());
            vetted.map_err(|source| CallError::Refused {
                host: host.to_owned(),
                source,
            })?;
        }
        // Of both families.
        addresses = race::interleave(addresses);
        addresses.truncate(MAX_ADDRESSES);
        Ok(addresses)
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, CallError> {
        let not_found = |source| CallError::Dns {
            host: host.to_owned(),
            source,
        };
        let found = timeout(LOOKUP, self.ask(host, port)).await;
        let found = found.map_err(|_elapsed| CallError::DnsTimeout {
            host: host.to_owned(),
            within: LOOKUP,
        })?;
        let addresses = found.map_err(not_found)?;
        if addresses.is_empty() {
            return Err(not_found(io::Error::other("the name has no address")));
        }
        Ok(addresses)
    }

    async fn ask(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::System => Ok(lookup_host((host, port)).await?.collect()),
            #[cfg(test)]
            Self::Scripted(script) => match script(host) {
                Some(addresses) => Ok(addresses
                    .into_iter()
                    .map(|ip| SocketAddr::new(ip, port))
                    .collect()),
                None => std::future::pending().await,
            },
        }
    }
}
