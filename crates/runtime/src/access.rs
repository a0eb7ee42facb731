//! Who is let in, and with what: the operator's key, which opens everything, and API keys, which open what they allow.
//!
//! A [`Gate`] stands before every service. It knows API keys from whoever follows the registry ([`Keys`]).

pub(crate) mod gate;
mod token;
mod uses;

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq;

pub use gate::{Caller, Denied, Gate, Keys};
pub use token::{Token, new_token};
pub use uses::{TOLD_EVERY, Used, Uses};

/// The fewest bytes of a key: shorter ones can be guessed.
pub const MIN_KEY_BYTES: usize = 16;

/// The key of the settings that opens everything; for callers, whatever key they present as `authorization: Bearer <key>`.
/// Never printed by `Debug`.
#[derive(Clone)]
pub struct OperatorKey(Arc<str>);

/// Why a text is no key. Does not hold the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Too easy to guess.
    #[error("a key has at least {MIN_KEY_BYTES} bytes; this one has {0}")]
    TooShort(usize),
    /// Cannot travel in a header.
    #[error("a key has only visible ASCII characters and no spaces")]
    NotVisibleAscii,
}

impl OperatorKey {
    /// Takes a key of at least 16 visible ASCII characters.
    ///
    /// # Errors
    /// When it is shorter, or holds a character that cannot travel in a header.
    pub fn new(text: &str) -> Result<Self, InvalidKey> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidKey::NotVisibleAscii);
        }
        if text.len() < MIN_KEY_BYTES {
            return Err(InvalidKey::TooShort(text.len()));
        }
        Ok(Self(text.into()))
    }

    /// Makes a key of 192 random bits.
    #[must_use]
    pub fn generate() -> Self {
        let random: [u8; 24] = rand::random();
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("op_{digits}").into())
    }

    /// The key itself, for a request to another service.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is the key. The comparison takes the same time wherever two keys of one length differ.
    fn is(&self, presented: &str) -> bool {
        bool::from(presented.as_bytes().ct_eq(self.0.as_bytes()))
    }
}

/// What an `authorization` header presents. The scheme is case-insensitive (RFC 9110).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, presented) = authorization.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| presented.trim_start())
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0123456789abcdef";

    #[test]
    fn only_the_bearer_of_the_key_passes() {
        let key = OperatorKey::new(TEXT).unwrap();
        let opens = |header| bearer(header).is_some_and(|presented| key.is(presented));
        for good in [
            "Bearer 0123456789abcdef",
            "bearer 0123456789abcdef",
            "BEARER  0123456789abcdef ",
        ] {
            assert!(opens(good), "{good}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            TEXT,
            "Basic 0123456789abcdef",
            "Bearer 0123456789abcdeF",
            "Bearer 0123456789abcdef0",
        ] {
            assert!(!opens(bad), "{bad}");
        }
    }

    #[test]
    fn a_key_that_is_short_or_cannot_travel_in_a_header_is_refused() {
        assert_eq!(OperatorKey::new("short").unwrap_err(), InvalidKey::TooShort(5));
        assert_eq!(
            OperatorKey::new("0123456789 abcdef").unwrap_err(),
            InvalidKey::NotVisibleAscii
        );
        assert_eq!(
            OperatorKey::new("0123456789abcdef\n").unwrap_err(),
            InvalidKey::NotVisibleAscii
        );
    }

    #[test]
    fn generated_keys_differ_are_valid_and_are_not_printed() {
        let (first, second) = (OperatorKey::generate(), OperatorKey::generate());
        assert_ne!(first.expose(), second.expose());
        assert!(OperatorKey::new(first.expose()).is_ok());
        assert!(!format!("{first:?}").contains(first.expose()));
    }
}
