//! Ids in a Redis that all replicas share. A mark is a letter (`p` or `d`), the fingerprint, and the position.

use std::time::Duration;

use angarium_model::Position;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Pipeline, RedisError, Script};

use super::{Claim, Mark};
use crate::draft::Fingerprint;

/// Claims each key that is free; answers what the others hold.
const CLAIM: &str = "
local marks = {}
for i, key in ipairs(KEYS) do
  local mark = redis.call('GET', key)
  if not mark then redis.call('SET', key, ARGV[i + 1], 'PX', ARGV[1]) end
  marks[i] = mark
end
return marks";

/// Removes each key that still holds what it was claimed with.
const RELEASE: &str = "
for i, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[i] then redis.call('DEL', key) end
end";

const PENDING: u8 = b'p';
const ACCEPTED: u8 = b'd';

pub(super) struct RedisStore {
    connection: ConnectionManager,
    /// Installations with topics of their own may share a Redis.
    prefix: String,
    claim: Script,
    release: Script,
}

/// The address of Redis is wrong. Does not show it: it may carry a password.
#[derive(Debug, thiserror::Error)]
#[error("the address of Redis is wrong: write it as redis://[:password@]host:port[/database]")]
pub struct Error(#[source] RedisError);

impl RedisStore {
    /// Connects at the first request, and again whenever the connection is lost.
    pub(super) fn open(url: &str, prefix: &str, timeout: Duration) -> Result<Self, Error> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            // Requests do not wait for a Redis that is away; the next one tries again.
            .set_number_of_retries(0);
        let client = Client::open(url).map_err(Error)?;
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(client, config).map_err(Error)?,
            prefix: prefix.to_owned(),
            claim: Script::new(CLAIM),
            release: Script::new(RELEASE),
        })
    }

    pub(super) async fn claim(
        &self,
        claims: &[Claim],
        lifetime: Duration,
    ) -> Result<Vec<Option<Mark>>, RedisError> {
        let mut call = self.claim.prepare_invoke();
        call.arg(milliseconds(lifetime));
        for claim in claims {
            call.key(self.key(claim)).arg(encoded(&Mark::pending(claim)));
        }
        let marks: Vec<Option<Vec<u8>>> = call.invoke_async(&mut self.connection.clone()).await?;
        // A mark that cannot be read is none: it is written anew when the event is accepted.
        Ok(marks
            .into_iter()
            .map(|mark| mark.and_then(|bytes| decoded(&bytes)))
            .collect())
    }

    pub(super) async fn accepted(
        &self,
        events: &[(&Claim, Position)],
        lifetime: Duration,
    ) -> Result<(), RedisError> {
        let mut pipeline = Pipeline::with_capacity(events.len());
        for (claim, position) in events {
            let mark = Mark {
                fingerprint: claim.fingerprint,
                position: Some(*position),
            };
            pipeline
                .pset_ex(self.key(claim), encoded(&mark), milliseconds(lifetime))
                .ignore();
        }
        pipeline.query_async(&mut self.connection.clone()).await
    }

    pub(super) async fn release(&self, claims: &[&Claim]) -> Result<(), RedisError> {
        let mut call = self.release.prepare_invoke();
        for claim in claims {
            call.key(self.key(claim)).arg(encoded(&Mark::pending(claim)));
        }
        call.invoke_async(&mut self.connection.clone()).await
    }

    fn key(&self, claim: &Claim) -> String {
        format!("{}:{}", self.prefix, claim.key())
    }
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

/// Redis refuses a lifetime of zero.
fn milliseconds(lifetime: Duration) -> u64 {
    u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn encoded(mark: &Mark) -> Vec<u8> {
    let mut bytes = vec![if mark.position.is_some() {
        ACCEPTED
    } else {
        PENDING
    }];
    bytes.extend_from_slice(mark.fingerprint.as_bytes());
    if let Some(position) = mark.position {
        bytes.extend_from_slice(position.to_string().as_bytes());
    }
    bytes
}

fn decoded(bytes: &[u8]) -> Option<Mark> {
    let (state, rest) = bytes.split_first()?;
    let (fingerprint, rest) = rest.split_first_chunk::<{ Fingerprint::BYTES }>()?;
    let position = match (*state, rest) {
        (PENDING, []) => None,
        (ACCEPTED, position) => Some(std::str::from_utf8(position).ok()?.parse().ok()?),
        _ => return None,
    };
    Some(Mark {
        fingerprint: Fingerprint::new(*fingerprint),
        position,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_as_it_was_written_and_noise_is_none() {
        let fingerprint = Fingerprint::new([7; Fingerprint::BYTES]);
        for position in [
            None,
            Some(Position {
                partition: 7,
                offset: 10_488,
            }),
        ] {
            let mark = Mark {
                fingerprint,
                position,
            };
            assert_eq!(decoded(&encoded(&mark)), Some(mark));
        }
        for noise in [&b""[..], b"p", b"x7777777777777777777777777777777"] {
            assert_eq!(decoded(noise), None);
        }
        let mut torn = encoded(&Mark {
            fingerprint,
            position: None,
        });
        torn.push(b'1');
        assert_eq!(decoded(&torn), None);
    }
}
