//! Idle connections, few and not for long.
//!
//! A connection serves calls of its [`Route`] only: the same account, so that nobody sees what was left of another's
//! call; the same TLS identity; and the same generation of the egress policy, under which its address was vetted. A
//! policy that has changed finds none of the old connections, whatever their addresses. The address itself is no key:
//! to know it before, a call would look the name up although it needs no connection. A connection does not get old
//! instead, so that a receiver that moves is followed (ADR 10).

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
/// How old a connection may get, however busy it is (ADR 10).
const MAX_AGE: Duration = Duration::from_mins(5);
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
        let mut taken = None;
        while let Some(idle) = waiting.pop() {
            shelf.count -= 1;
            if idle.since.elapsed() < MAX_IDLE && !idle.connection.sender.is_closed() {
                taken = Some(idle.connection);
                break;
            }
        }
        // A route without any is none that could be closed.
        if waiting.is_empty() {
            shelf.idle.remove(route);
        }
        taken
    }

    /// Keeps a connection for the next call, if it is not too old. When the pool is full the one that has been idle for
    /// longest makes room: those that are used again and again are kept, whoever opens many others.
    pub(super) fn put(&self, route: Route, connection: Connection) {
        if connection.made_at.elapsed() >= MAX_AGE || connection.sender.is_closed() {
            return;
        }
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.count >= MAX_CONNECTIONS {
            shelf.close_longest_idle();
        }
        shelf.count += 1;
        shelf.idle.entry(route).or_default().push(Idle {
            connection,
            since: Instant::now(),
        });
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

impl Shelf {
    fn close_longest_idle(&mut self) {
        let since = |waiting: &Vec<Idle>| waiting.first().map(|idle| idle.since);
        let oldest = self.idle.iter().min_by_key(|(_, waiting)| since(waiting));
        let Some(route) = oldest.map(|(route, _)| route.clone()) else {
            return;
        };
        if let Some(waiting) = self.idle.get_mut(&route) {
            // Those of a route stand in the order in which they became idle.
            waiting.remove(0);
            self.count -= 1;
            if waiting.is_empty() {
                self.idle.remove(&route);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection that is idle until the far end, which comes with it, is dropped.
    async fn idle_connection() -> (Connection, impl Sized) {
        let (near, far) = tokio::io::duplex(64);
        let io = hyper_util::rt::TokioIo::new(near);
        let (sender, driver) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let connection = Connection {
            sender,
            meter: Arc::default(),
            address: ([127, 0, 0, 1], 80).into(),
            made_at: Instant::now(),
            _held: tokio::sync::oneshot::channel().0,
        };
        (connection, (driver, far))
    }

    fn any_route() -> Route {
        let policy = angarium_policy::egress::Policy::default().generation();
        let url = "https://example.com/".parse().unwrap();
        Route::of(AccountId::new(1).unwrap(), &url, policy)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_idle_for_30_s_is_closed() {
        let (pool, route) = (Pool::default(), any_route());
        let (connection, _open) = idle_connection().await;
        pool.put(route.clone(), connection);
        tokio::time::advance(MAX_IDLE - Duration::from_millis(1)).await;
        pool.sweep();
        let connection = pool.take(&route).unwrap();
        pool.put(route.clone(), connection);
        tokio::time::advance(MAX_IDLE).await;
        assert!(pool.take(&route).is_none());

        let (connection, _open) = idle_connection().await;
        pool.put(route.clone(), connection);
        tokio::time::advance(MAX_IDLE).await;
        pool.sweep();
        assert_eq!(pool.shelf.lock().unwrap().count, 0);
        assert!(pool.shelf.lock().unwrap().idle.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_kept_busy_is_given_up_after_5_minutes() {
        let (pool, route) = (Pool::default(), any_route());
        let (mut connection, _open) = idle_connection().await;
        for _second in 0..MAX_AGE.as_secs() {
            pool.put(route.clone(), connection);
            connection = pool.take(&route).unwrap();
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        pool.put(route.clone(), connection);
        assert!(pool.take(&route).is_none());
    }

    #[tokio::test]
    async fn beyond_2_000_idle_connections_the_one_that_was_idle_for_longest_is_closed() {
        let policy = angarium_policy::egress::Policy::default().generation();
        let account = AccountId::new(1).unwrap();
        let route = |number: usize| {
            let url = format!("https://{number}.example.com/").parse().unwrap();
            Route::of(account, &url, policy)
        };
        let pool = Pool::default();
        let mut open = Vec::new();
        for number in 0..=MAX_CONNECTIONS {
            let (connection, kept) = idle_connection().await;
            open.push(kept);
            pool.put(route(number), connection);
        }
        let count = || pool.shelf.lock().unwrap().count;
        assert_eq!(count(), 2_000);
        assert!(pool.take(&route(0)).is_none());
        let connection = pool.take(&route(1)).unwrap();
        assert_eq!(count(), 1_999);
        pool.put(route(1), connection);
        assert_eq!(count(), 2_000);
        assert!(pool.take(&route(MAX_CONNECTIONS)).is_some());
        // The route of one that is in use has none, and others come.
        for number in [1, 2] {
            let (connection, kept) = idle_connection().await;
            open.push(kept);
            pool.put(route(MAX_CONNECTIONS + number), connection);
        }
        assert_eq!(count(), 2_000);
    }

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
