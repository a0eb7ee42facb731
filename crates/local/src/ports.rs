//! Ports to listen on.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use crate::Error;

/// Below Linux's ephemeral ports (32768 and up): a stopped server's port is not handed to some client's outgoing
/// connection meanwhile, least of all to one that is trying to reach that very port.
const RANGE: RangeInclusive<u16> = 20_000..=31_999;

/// Between looking for a free port and listening on it somebody else may take it: that often we try again.
const TRIES: usize = 5;

/// Calls `start` with free ports; when it fails and one of them is no longer free, again with others.
pub(crate) fn with_free<T, const N: usize>(
    mut start: impl FnMut([u16; N]) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut left = TRIES;
    loop {
        let ports = free()?;
        let result = start(ports);
        left -= 1;
        // A failed start has ended its processes, so a port that is taken now was taken by somebody else.
        let clash = result.is_err() && !ports.iter().all(|port| is_free(*port));
        if left == 0 || !clash {
            return result;
        }
    }
}

/// Ports that nobody listens on now, below the ephemeral range. Somebody else may take one before you do.
///
/// # Errors
/// When there are not so many.
pub fn free<const N: usize>() -> Result<[u16; N], Error> {
    let (first, last) = (*RANGE.start(), *RANGE.end());
    // Test processes look at the same time: each begins somewhere else.
    let skip = RandomState::new().build_hasher().finish() % u64::from(last - first);
    let begin = first + u16::try_from(skip).unwrap_or_default();
    let ports: Vec<u16> = (begin..=last)
        .chain(first..begin)
        .filter(|port| is_free(*port))
        .take(N)
        .collect();
    ports
        .try_into()
        .map_err(|_too_few: Vec<u16>| Error::NoPort { first, last })
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Error {
        Error::NoIdentity {
            name: "a test".into(),
        }
    }

    #[test]
    fn free_ports_are_distinct_and_can_be_listened_on() {
        let ports: [u16; 6] = free().unwrap();
        let listeners: Vec<_> = ports
            .iter()
            .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).unwrap())
            .collect();
        assert_eq!(listeners.len(), 6);
    }

    #[test]
    fn a_start_that_lost_its_port_is_tried_with_another() {
        let mut thief = None;
        let port = with_free(|[port]| {
            if thief.is_some() {
                return Ok(port);
            }
            thief = Some(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
            Err(failure())
        })
        .unwrap();
        assert_ne!(port, thief.unwrap().local_addr().unwrap().port());
    }

    #[test]
    fn a_start_that_failed_for_another_reason_is_not_tried_again() {
        let mut starts = 0;
        let result: Result<(), Error> = with_free(|_: [u16; 1]| {
            starts += 1;
            Err(failure())
        });
        assert!(result.is_err());
        assert_eq!(starts, 1);
    }
}
