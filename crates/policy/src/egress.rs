//! Where calls may lead.
//!
//! Strangers choose the URLs of webhooks, so a call must not reach what only our own network can reach (DESIGN §7, the
//! call). A [`Policy`] is asked twice: about the URL ([`Policy::vet_url`]), and about **every** address that its host
//! has ([`Policy::vet_address`]), right before the connection, which then goes to a vetted address and to no other.
//!
//! By default a call goes over https, to port 443 or 80, to a public address. [`Rules`] widen or narrow that:
//!
//! - `deny` beats everything; `allow` lifts what is refused by default, never a denial.
//! - An address that carries an IPv4 address (mapped, 6to4, NAT64, Teredo, …) is refused by default for its form. Where
//!   that form is allowed, the IPv4 address in it must pass as well.
//! - The addresses of cloud metadata services hand out credentials: a network in `allow` does not lift them, only an
//!   entry for exactly that address does.

mod list;
mod range;
mod refusal;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

pub use list::{Hosts, ListError, Networks, Ports};
pub use range::Kind;
pub use refusal::Refusal;

/// What an operator sets. The default suits an installation that is open to strangers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Whether URLs may begin with `http://`: nothing is encrypted then.
    pub allow_http: bool,
    /// Whether calls may lead to the worker's own machine.
    pub allow_loopback: bool,
    /// Whether calls may lead to private networks: RFC 1918 and unique local addresses.
    pub allow_private: bool,
    /// The ports that calls may lead to.
    pub ports: Ports,
    /// Networks that calls may lead to although they are refused by default.
    pub allow: Networks,
    /// Networks that no call leads to, whatever else is allowed.
    pub deny: Networks,
    /// When there are any: the only hosts that are called. An address in place of a name is none of them.
    pub only_hosts: Hosts,
    /// Hosts that are not called, whatever else is allowed.
    pub deny_hosts: Hosts,
}

impl Rules {
    /// For trying things out and for tests: the default, and this machine over http on any port.
    #[must_use]
    pub fn this_machine() -> Self {
        Self {
            allow_http: true,
            allow_loopback: true,
            ports: Ports::any(),
            ..Self::default()
        }
    }
}

/// Names the rules of a policy: what was vetted under one generation says nothing under another.
///
/// Equal within a process for equal rules; it is not kept or compared beyond that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation(u64);

/// Decides where calls may lead.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Rules,
    generation: Generation,
}

impl Default for Policy {
    fn default() -> Self {
        Self::new(Rules::default())
    }
}

impl Policy {
    /// A policy of these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let mut hasher = DefaultHasher::new();
        rules.hash(&mut hasher);
        Self {
            rules,
            generation: Generation(hasher.finish()),
        }
    }

    /// Which rules these are.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether calls may go to this URL, as far as the URL itself tells: scheme, port, host, and the address when the
    /// host is one. Other spellings of IPv4 addresses (decimal, octal, hexadecimal) are addresses to [`Url`] too.
    ///
    /// # Errors
    /// Why not.
    pub fn vet_url(&self, url: &Url) -> Result<(), Refusal> {
        match url.scheme() {
            "https" => {}
            "http" if self.rules.allow_http => {}
            "http" => return Err(Refusal::PlainHttp),
            other => return Err(Refusal::Scheme(other.to_owned())),
        }
        let host = url.host().ok_or(Refusal::NoHost)?;
        let port = url.port_or_known_default().ok_or(Refusal::NoHost)?;
        self.vet_port(port)?;
        match host {
            Host::Domain(name) => self.vet_name(name),
            Host::Ipv4(address) => self.vet_literal(address.into()),
            Host::Ipv6(address) => self.vet_literal(address.into()),
        }
    }

    /// Whether a connection may go to this address.
    ///
    /// # Errors
    /// Why not.
    pub fn vet_address(&self, address: IpAddr, port: u16) -> Result<(), Refusal> {
        self.vet_port(port)?;
        self.vet_ip(address)
    }

    fn vet_port(&self, port: u16) -> Result<(), Refusal> {
        if self.rules.ports.contain(port) {
            return Ok(());
        }
        Err(Refusal::Port {
            port,
            allowed: self.rules.ports.clone(),
        })
    }

    fn vet_name(&self, name: &str) -> Result<(), Refusal> {
        // The final dot of a name that is written in full changes nothing.
        let name = name.strip_suffix('.').unwrap_or(name);
        let host = || name.to_owned();
        if let Some(entry) = self.rules.deny_hosts.find(name) {
            return Err(Refusal::HostDenied { host: host(), entry });
        }
        if !self.rules.only_hosts.is_empty() && self.rules.only_hosts.find(name).is_none() {
            return Err(Refusal::HostNotListed(host()));
        }
        if is_localhost(name) && !self.reaches_this_machine() {
            return Err(Refusal::Localhost(host()));
        }
        Ok(())
    }

    fn vet_literal(&self, address: IpAddr) -> Result<(), Refusal> {
        if !self.rules.only_hosts.is_empty() {
            return Err(Refusal::HostNotListed(address.to_string()));
        }
        self.vet_ip(address)
    }

    /// The name would resolve to a loopback address, which is vetted then; said at once it is understood better.
    fn reaches_this_machine(&self) -> bool {
        let local = [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::from(Ipv6Addr::LOCALHOST),
        ];
        local.into_iter().any(|address| self.vet_ip(address).is_ok())
    }

    fn vet_ip(&self, address: IpAddr) -> Result<(), Refusal> {
        if let Some(network) = self.rules.deny.find(address) {
            return Err(Refusal::AddressDenied { address, network });
        }
        if let Some(range) = range::of(address)
            && !self.lifts(range, address)
        {
            return Err(Refusal::Special {
                address,
                kind: range.kind,
                network: range.network,
            });
        }
        for carried in range::carried(address) {
            self.vet_ip(carried.into()).map_err(|reason| Refusal::Carried {
                address,
                reason: Box::new(reason),
            })?;
        }
        Ok(())
    }

    fn lifts(&self, range: &range::Range, address: IpAddr) -> bool {
        match range.kind {
            Kind::Loopback if self.rules.allow_loopback => true,
            Kind::Private | Kind::UniqueLocal if self.rules.allow_private => true,
            _ => self.rules.allow.holds(address, range.lifted_from),
        }
    }
}

/// RFC 6761, 6.3.
fn is_localhost(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests;
