//! What the bearer of an API key presents: `ak_<32 hexadecimal digits>_<48 hexadecimal digits>`, the id and a secret.

use std::fmt;

use angarium_model::{KeyId, SecretHash};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The secret's bytes: as hard to find by trying as any key.
const SECRET_BYTES: usize = 24;

/// What the bearer of an API key presents. Never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: KeyId,
    /// As text, of any length: what is no secret of ours has no hash that is known.
    secret: String,
}

/// Makes a secret for a key, and what it is known by.
#[must_use]
pub fn new_token(id: KeyId) -> (Token, SecretHash) {
    let random: [u8; SECRET_BYTES] = rand::random();
    let secret = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let token = Token { id, secret };
    let hash = token.hash();
    (token, hash)
}

impl Token {
    /// Reads one; `None` if it is none by its looks.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (prefix, rest) = text.split_once('_')?;
        let (digits, secret) = rest.split_once('_')?;
        let id = format!("{prefix}_{digits}").parse().ok()?;
        Some(Self {
            id,
            secret: secret.to_owned(),
        })
    }

    /// Which key it is of.
    pub(super) const fn id(&self) -> KeyId {
        self.id
    }

    fn hash(&self) -> SecretHash {
        SecretHash::from_bytes(Sha256::digest(self.secret.as_bytes()).into())
    }

    /// Whether its secret is the one that is known by this.
    pub(super) fn is_known_by(&self, hash: &SecretHash) -> bool {
        bool::from(self.hash().as_bytes().ct_eq(hash.as_bytes()))
    }

    /// The token itself: for its bearer.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{}_{}", self.id, self.secret)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, …)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_only_its_own_secret_is_known() {
        let id = KeyId::from_bytes([7; 16]);
        let ((first, hash), (second, _)) = (new_token(id), new_token(id));
        let read = Token::parse(&first.expose()).unwrap();
        assert_eq!((read.id(), read.is_known_by(&hash)), (id, true));
        assert!(!second.is_known_by(&hash));
        assert!(!format!("{first:?}").contains(&first.secret));
    }

    #[test]
    fn what_is_no_token_is_told_by_its_looks() {
        let id = KeyId::from_bytes([7; 16]);
        for bad in [
            "",
            "_",
            "ak_",
            "ak__x",
            "wh_0_x",
            &id.to_string(),
            "0123456789abcdef",
        ] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }
}
