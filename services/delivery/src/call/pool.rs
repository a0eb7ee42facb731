//! Idle connections, few and not for long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::connect::Connection;

/// How long a connection may be idle (DESIGN §7).
pub(crate) const MAX_IDLE: Duration = Duration::from_secs(30);
/// How many connections may be idle in all (DESIGN §7).
const MAX_CONNECTIONS: usize = 2_000;

/// Where a connection leads: connections with the same route serve the same calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Route {
    tls: bool,
    /// Name or address; an IPv6 address without brackets.
    host: String,
    port: u16,
}

impl Route {
    /// Where a URL leads. Webhook URLs were checked when they were written: they have a host and a known scheme.
    pub(super) fn of(url: &Url) -> Self {
        let tls = url.scheme() == "https";
        let host = match url.host() {
            Some(url::Host::Ipv6(address)) => address.to_string(),
            _ => url.host_str().unwrap_or_default().to_owned(),
        };
        let port = url.port().unwrap_or(if tls { 443 } else { 80 });
        Self { tls, host, port }
    }

    pub(super) fn is_tls(&self) -> bool {
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
        match (self.tls, self.port) {
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
pub(crate) struct Pool {
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
            if idle.since.elapsed() < MAX_IDLE && !idle.connection.is_closed() {
                return Some(idle.connection);
            }
        }
        None
    }

    /// Keeps a connection for the next call, if there is room.
    pub(super) fn put(&self, route: Route, connection: Connection) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.count < MAX_CONNECTIONS && !connection.is_closed() {
            shelf.count += 1;
            shelf.idle.entry(route).or_default().push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.idle.retain(|_, waiting| {
            waiting.retain(|idle| idle.since.elapsed() < MAX_IDLE && !idle.connection.is_closed());
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
        let authority = |url: &str| Route::of(&url.parse().unwrap()).authority();
        assert_eq!(authority("https://example.com/x"), "example.com");
        assert_eq!(authority("http://example.com:8080/"), "example.com:8080");
        assert_eq!(authority("http://[::1]:8080/"), "[::1]:8080");
        assert_eq!(Route::of(&"http://[::1]/".parse().unwrap()).host(), "::1");
        assert_eq!(authority("http://127.0.0.1:80/"), "127.0.0.1");
    }
}
