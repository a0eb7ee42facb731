//! Idle connections, few and not for long.
//!
//! A connection serves calls of its [`Route`] only: the same account, so that nobody sees what was left of another's
//! call; the same TLS identity; and the same generation of the egress policy, under which its address was vetted. A
//! policy that has changed finds none of the old connections, whatever their addresses. The address itself is no key:
//! to know it before, a call would look the name up although it needs no connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use angarium_model::AccountId;
use angarium_policy::egress::Generation;
use tokio::time::Instant;
use url::Url;

use super::connect::{Connection, TlsIdentity};

/// How long a connection may be idle (DESIGN §7).
const MAX_IDLE: Duration = Duration::from_secs(30);
/// How many connections may be idle in all (DESIGN §7).
const MAX_CONNECTIONS: usize = 2_000;

/// Where a connection leads: connections with the same route serve the same calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Route {
    account: AccountId,
    policy: Generation,
    /// `None` over plain http.
    tls: Option<TlsIdentity>,
    /// Name or address; an IPv6 address without brackets.
    host: String,
    port: u16,
}

impl Route {
    /// Where a URL leads, for an account, under a policy. Webhook URLs were checked when they were written: they have a
    /// host and a known scheme; the policy, which every new connection has to pass, refuses others.
    pub(super) fn of(account: AccountId, url: &Url, policy: Generation) -> Self {
        let tls = (url.scheme() == "https").then_some(TlsIdentity::Public);
        let host = match url.host() {
            Some(url::Host::Ipv6(address)) => address.to_string(),
            _ => url.host_str().unwrap_or_default().to_owned(),
        };
        let port = url.port().unwrap_or(if tls.is_some() { 443 } else { 80 });
        Self {
            account,
            policy,
            tls,
            host,
            port,
        }
    }

    pub(super) fn tls(&self) -> Option<TlsIdentity> {
        self.tls
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The header `Host`: the port only when it is not the scheme's own.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.tls.is_some(), self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

#[derive(Debug, Default)]
struct Shelf {
    idle: HashMap<Route, Vec<Idle>>,
    count: usize,
}

/// Idle connections by route. Cheap to clone: all clones are one pool.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    shelf: Arc<Mutex<Shelf>>,
}

impl Pool {
    /// The connection that was used last; it is the least likely to have been closed meanwhile.
    pub(super) fn take(&self, route: &Route) -> Option<Connection> {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = &mut *shelf;
        let waiting = shelf.idle.get_mut(route)?;
        while let Some(idle) = waiting.pop() {
            shelf.count -= 1;
            if idle.since.elapsed() < MAX_IDLE && !idle.connection.sender.is_closed() {
                return Some(idle.connection);
            }
        }
        None
    }

    /// Keeps a connection for the next call, if there is room.
    pub(super) fn put(&self, route: Route, connection: Connection) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.count < MAX_CONNECTIONS && !connection.sender.is_closed() {
            shelf.count += 1;
            shelf.idle.entry(route).or_default().push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }

    /// Closes what has been idle for too long.
    pub fn sweep(&self) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.idle.retain(|_, waiting| {
            waiting.retain(|idle| idle.since.elapsed() < MAX_IDLE && !idle.connection.sender.is_closed());
            !waiting.is_empty()
        });
        shelf.count = shelf.idle.values().map(Vec::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_names_host_and_port_as_the_url_does() {
        let policy = angarium_policy::egress::Policy::default().generation();
        let account = AccountId::new(1).unwrap();
        let route = |url: &str| Route::of(account, &url.parse().unwrap(), policy);
        let authority = |url: &str| route(url).authority();
        assert_eq!(authority("https://example.com/x"), "example.com");
        assert_eq!(authority("http://example.com:8080/"), "example.com:8080");
        assert_eq!(authority("http://[::1]:8080/"), "[::1]:8080");
        assert_eq!(route("http://[::1]/").host(), "::1");
        assert_eq!(authority("http://127.0.0.1:80/"), "127.0.0.1");
    }
}
