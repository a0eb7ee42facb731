//! Several addresses, one connection: a simple form of Happy Eyeballs (RFC 8305).
//!
//! The addresses are tried in turn, both families alternating. Each has a quarter of a second before the next one is
//! tried too; one that fails makes room at once. The first that connects wins, the others are dropped.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How long an address has before the next one is tried as well (RFC 8305, 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to the first that takes it. The caller bounds the time and the number of addresses.
pub(super) async fn connect(addresses: Vec<SocketAddr>) -> Result<(TcpStream, SocketAddr), Failed> {
    let mut waiting = interleave(addresses).into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = Failed::nowhere();
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(attempt(address));
        } else if attempts.is_empty() {
            return Err(last);
        }
        let more = waiting.len() > 0;
        tokio::select! {
            Some(end) = attempts.next() => match end {
                Ok(connected) => return Ok(connected),
                Err(failed) => last = failed,
            },
            () = sleep(HEAD_START), if more => {}
        }
    }
}

/// How the last attempt failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) address: SocketAddr,
    pub(super) source: io::Error,
}

impl Failed {
    /// There is no address. Names without one are errors of their own, before it comes to this.
    fn nowhere() -> Self {
        Self {
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            source: io::ErrorKind::AddrNotAvailable.into(),
        }
    }
}

async fn attempt(address: SocketAddr) -> Result<(TcpStream, SocketAddr), Failed> {
    let failed = |source| Failed { address, source };
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    // Small requests must not wait for the answer to the one before.
    stream.set_nodelay(true).map_err(failed)?;
    Ok((stream, address))
}

/// IPv4 and IPv6 alternating, beginning with the family of the first, which the system prefers; within a family the
/// order stays.
pub(super) fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let count = addresses.len();
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (one, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == first_is_v4);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut order = Vec::with_capacity(count);
    while order.len() < count {
        order.extend(one.next().into_iter().chain(other.next()));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_the_first_stays_first() {
        let order = |texts: &[&str]| {
            let addresses = texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 1));
            let order = interleave(addresses.collect()).into_iter();
            order.map(|address| address.ip().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            order(&["::1", "::2", "::3", "1.1.1.1", "1.1.1.2"]),
            ["::1", "1.1.1.1", "::2", "1.1.1.2", "::3"]
        );
        assert_eq!(
            order(&["1.1.1.1", "1.1.1.2", "::1"]),
            ["1.1.1.1", "::1", "1.1.1.2"]
        );
        assert!(order(&[]).is_empty());
    }

    #[tokio::test]
    async fn no_address_is_an_end_and_not_a_wait() {
        assert!(connect(Vec::new()).await.is_err());
    }
}
