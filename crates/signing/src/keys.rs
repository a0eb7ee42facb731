//! HMAC states that have already taken their key, shared by signer and verifier.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

use crate::Secret;

/// How many secrets sign at once: a rotation needs two, the rest is for the careful. Bounds the header to 383 bytes.
pub const MAX_SECRETS: usize = 8;

/// The number of secrets is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeysError {
    /// There is nothing to sign or verify with.
    #[error("no signing secret given: at least one is needed")]
    NoSecret,
    /// More secrets than a rotation needs.
    #[error("{count} signing secrets given: at most {MAX_SECRETS} are used at once, retire the oldest")]
    TooManySecrets {
        /// How many were given.
        count: usize,
    },
}

/// One keyed state per secret. Cloning it saves the two SHA-256 blocks that setting the key costs each time.
#[derive(Clone)]
pub(crate) struct Keys(Vec<Hmac<Sha256>>);

/// HMAC-SHA256's output.
pub(crate) type Tag = [u8; 32];

impl Keys {
    pub(crate) fn new(secrets: &[Secret]) -> Result<Self, KeysError> {
        match secrets.len() {
            0 => Err(KeysError::NoSecret),
            1..=MAX_SECRETS => Ok(Self(
                secrets
                    .iter()
                    .map(|secret| Hmac::new(secret.block().into()))
                    .collect(),
            )),
            count => Err(KeysError::TooManySecrets { count }),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The tag of each secret, in the order of the secrets. The content is fed piece by piece, never copied.
    pub(crate) fn tags(&self, id: &str, timestamp: &str, body: &[u8]) -> impl Iterator<Item = Tag> {
        self.0.iter().map(move |keyed| {
            let mut mac = keyed.clone();
            for piece in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
                mac.update(piece);
            }
            mac.finalize().into_bytes().into()
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} hidden)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::*;

    #[test]
    fn keyed_hash_states_are_wiped_when_dropped() {
        fn wiped<T: ZeroizeOnDrop>() {}
        // `Hmac` is two of these and a buffer that holds none of the key.
        wiped::<<Sha256 as hmac::EagerHash>::Core>();
    }

    #[test]
    fn the_number_of_secrets_is_bounded() {
        let secrets = vec![Secret::generate().unwrap(); MAX_SECRETS + 1];
        assert_eq!(Keys::new(&[]).unwrap_err(), KeysError::NoSecret);
        assert_eq!(
            Keys::new(&secrets).unwrap_err(),
            KeysError::TooManySecrets {
                count: MAX_SECRETS + 1
            }
        );
        assert_eq!(Keys::new(&secrets[..MAX_SECRETS]).unwrap().len(), MAX_SECRETS);
    }
}
