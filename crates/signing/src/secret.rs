//! A webhook's signing secret: read, made, and shown in one place only.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use thiserror::Error;
use zeroize::Zeroizing;

/// The shortest secret that Standard Webhooks allows, in bytes once decoded.
pub const MIN_SECRET_BYTES: usize = 24;

/// The longest secret that Standard Webhooks allows, in bytes once decoded: one block of SHA-256.
pub const MAX_SECRET_BYTES: usize = 64;

/// As long as the signature itself; more adds no strength to HMAC-SHA256.
const GENERATED_BYTES: usize = 32;

const PREFIX: &str = "whsec_";

/// Secrets made elsewhere come without padding at times, and the public libraries read them.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A signing secret of 24 to 64 bytes, wiped when dropped and hidden from `Debug`.
#[derive(Clone)]
pub struct Secret {
    /// HMAC pads a key with zeros up to its block, so this is the key as it is used, whatever `len`.
    block: Zeroizing<[u8; MAX_SECRET_BYTES]>,
    len: usize,
}

/// Why a text is no signing secret. Never carries any of the text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretError {
    /// The text does not start with `whsec_`.
    #[error("a signing secret starts with `whsec_`, this text does not")]
    MissingPrefix,
    /// The text is a key of the asymmetric scheme.
    #[error(
        "this is a key of the asymmetric scheme (`whsk_` or `whpk_`); a signing secret starts with `whsec_`"
    )]
    AsymmetricKey,
    /// What follows `whsec_` is not base64.
    #[error(
        "what follows `whsec_` is not base64 in the standard alphabet: wrong at character {at} after the prefix"
    )]
    NotBase64 {
        /// Characters after the prefix, counted from 1.
        at: usize,
    },
    /// The secret is too short or too long.
    #[error(
        "the secret has {bytes} bytes once decoded; allowed are {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES}"
    )]
    Length {
        /// Bytes after decoding.
        bytes: usize,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for a new signing secret")]
    NoRandomness(#[source] getrandom::Error),
}

impl Secret {
    /// Makes a secret of 32 bytes from the operating system's random source.
    ///
    /// # Errors
    /// [`SecretError::NoRandomness`] when that source fails.
    pub fn generate() -> Result<Self, SecretError> {
        let mut block = Zeroizing::new([0; MAX_SECRET_BYTES]);
        let (key, _padding) = block.split_at_mut(GENERATED_BYTES);
        getrandom::fill(key).map_err(SecretError::NoRandomness)?;
        Ok(Self {
            block,
            len: GENERATED_BYTES,
        })
    }

    /// The secret as `whsec_` and base64, for the one answer that shows it to its owner and for sealed storage.
    pub fn expose(&self) -> Zeroizing<String> {
        let (key, _padding) = self.block.split_at(self.len);
        // Reserved in full: a string that grew would leave copies behind.
        let mut text = String::with_capacity(PREFIX.len() + MAX_SECRET_BYTES.div_ceil(3) * 4);
        text.push_str(PREFIX);
        BASE64.encode_string(key, &mut text);
        Zeroizing::new(text)
    }

    /// The key padded to the block of HMAC-SHA256.
    pub(crate) fn block(&self) -> &[u8; MAX_SECRET_BYTES] {
        &self.block
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(encoded) = text.strip_prefix(PREFIX) else {
            let asymmetric = text.starts_with("whsk_") || text.starts_with("whpk_");
            return Err(if asymmetric {
                SecretError::AsymmetricKey
            } else {
                SecretError::MissingPrefix
            });
        };
        let key = Zeroizing::new(
            BASE64
                .decode(encoded)
                .map_err(|error| wrong_at(&error, encoded.len()))?,
        );
        if !(MIN_SECRET_BYTES..=MAX_SECRET_BYTES).contains(&key.len()) {
            return Err(SecretError::Length { bytes: key.len() });
        }
        let mut block = Zeroizing::new([0; MAX_SECRET_BYTES]);
        let (start, _padding) = block.split_at_mut(key.len());
        start.copy_from_slice(&key);
        Ok(Self {
            block,
            len: key.len(),
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Keeps the place of the mistake and drops the character, which is part of the secret.
fn wrong_at(error: &base64::DecodeError, encoded_len: usize) -> SecretError {
    let offset = match error {
        base64::DecodeError::InvalidByte(offset, _)
        | base64::DecodeError::InvalidLastSymbol { offset, .. } => *offset,
        base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => {
            encoded_len.saturating_sub(1)
        }
    };
    SecretError::NotBase64 { at: offset + 1 }
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> SecretError {
        text.parse::<Secret>().unwrap_err()
    }

    #[test]
    fn a_generated_secret_has_32_bytes_and_is_new_each_time() {
        let first = Secret::generate().unwrap().expose();
        let second = Secret::generate().unwrap().expose();
        assert_ne!(*first, *second);
        let encoded = first.strip_prefix("whsec_").unwrap();
        assert_eq!(BASE64_STANDARD.decode(encoded).unwrap().len(), 32);
    }

    #[test]
    fn missing_padding_is_read_and_written_back() {
        let padded = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let secret: Secret = padded.trim_end_matches('=').parse().unwrap();
        assert_eq!(*secret.expose(), padded);
    }

    #[test]
    fn errors_say_what_is_wrong() {
        assert_eq!(error(""), SecretError::MissingPrefix);
        assert_eq!(
            error("WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            SecretError::MissingPrefix
        );
        assert_eq!(
            error("whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            SecretError::AsymmetricKey
        );
        assert_eq!(error("whsec_"), SecretError::Length { bytes: 0 });
        assert_eq!(
            error("whsec_MfK!9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            SecretError::NotBase64 { at: 4 }
        );
        assert_eq!(
            error("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"),
            SecretError::NotBase64 { at: 33 }
        );
    }

    #[test]
    fn neither_errors_nor_debug_echo_the_secret() {
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        for text in ["MfKQ9r8GKYqr", "whsec_MfKQ9r8GKYqr", "whsec_MfKQ9r8GKYqr~~~~"] {
            let error = error(text);
            assert!(
                !format!("{error} {error:?}").contains("MfKQ"),
                "{error} {error:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_allowed_length_is_read_and_shown_unchanged(key in prop::collection::vec(any::<u8>(), 24..=64)) {
            let text = format!("whsec_{}", BASE64_STANDARD.encode(key));
            prop_assert_eq!(&*text.parse::<Secret>().unwrap().expose(), &text);
        }

        #[test]
        fn any_other_length_is_refused(
            key in prop_oneof![prop::collection::vec(any::<u8>(), 0..24), prop::collection::vec(any::<u8>(), 65..200)],
        ) {
            let text = format!("whsec_{}", BASE64_STANDARD.encode(&key));
            prop_assert_eq!(error(&text), SecretError::Length { bytes: key.len() });
        }

        #[test]
        fn any_text_is_refused_or_read_without_a_panic(text in ".*", prefixed in any::<bool>()) {
            let text = if prefixed { format!("whsec_{text}") } else { text };
            if let Ok(secret) = text.parse::<Secret>() {
                prop_assert!(secret.expose().starts_with("whsec_"));
            }
        }
    }
}
