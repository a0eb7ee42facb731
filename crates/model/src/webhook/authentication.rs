//! How calls prove who sends them, and the secrets that it takes (W2).

use std::fmt;

use sha2::{Digest, Sha256};

/// How calls prove who sends them. A secret is absent where it must not be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Not at all.
    None,
    /// By signatures as Standard Webhooks says.
    Signature(Signing),
    /// By a user name and a password, as RFC 7617 says.
    Basic {
        /// Has no colon.
        username: String,
        /// Goes along with every call.
        password: Option<SecretText>,
    },
    /// By a header that is the same with every call, such as `authorization: Bearer …`.
    Header {
        /// In small letters.
        name: String,
        /// Goes along with every call.
        value: Option<SecretText>,
    },
}

impl Authentication {
    /// What calls carry as it is, so that whoever gets one has it. A secret that signs is none.
    #[must_use]
    pub const fn credential(&self) -> Option<&SecretText> {
        match self {
            Self::None | Self::Signature(_) => None,
            Self::Basic { password, .. } => password.as_ref(),
            Self::Header { value, .. } => value.as_ref(),
        }
    }
}

/// The secrets that calls are signed with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signing {
    /// The current one; absent where it must not be seen, or is yet to be made.
    pub secret: Option<SecretText>,
    /// When that was set, Unix milliseconds; `None`: before this was kept.
    pub created_at_ms: Option<i64>,
    /// Those before it that sign beside it for a while, the newest first.
    pub previous: Vec<PreviousSecret>,
}

/// A secret that was replaced, and signs until a receiver has had the time to learn the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousSecret {
    /// The secret.
    pub secret: SecretText,
    /// When it was set, Unix milliseconds; `None`: before this was kept.
    pub created_at_ms: Option<i64>,
    /// From then on it signs no more, Unix milliseconds.
    pub expires_at_ms: i64,
}

impl Signing {
    /// The most secrets that sign beside the current one: a rotation needs one, and one more lets an overlap that is
    /// under way run out. Each costs every POST a signature.
    pub const MAX_PREVIOUS: usize = 2;

    /// With one secret, set then.
    #[must_use]
    pub const fn new(secret: SecretText, created_at_ms: i64) -> Self {
        Self {
            secret: Some(secret),
            created_at_ms: Some(created_at_ms),
            previous: Vec::new(),
        }
    }
}

/// A secret as text; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps the text; whoever uses it checks it.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself: for who calls, the store and the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What it is known by where it is not shown.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(&self.0).into();
        Fingerprint(u32::from_be_bytes([a, b, c, d]))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// What a secret is known by: the first 32 bits of the SHA-256 of its text. Enough to tell three apart, and of a random
/// secret of 24 bytes and more it gives nothing away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u32);

impl fmt::Display for Fingerprint {
    /// Eight hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w2_a_secret_is_not_in_debug_output() {
        let old = PreviousSecret {
            secret: SecretText::new("whsec_old".into()),
            created_at_ms: None,
            expires_at_ms: 1,
        };
        let signing = Signing {
            previous: vec![old],
            ..Signing::new(SecretText::new("whsec_new".into()), 1)
        };
        let shown = format!("{:?}", Authentication::Signature(signing));
        assert!(!shown.contains("whsec_"), "{shown}");
        let basic = Authentication::Basic {
            username: "angarium".into(),
            password: Some(SecretText::new("open sesame".into())),
        };
        assert!(!format!("{basic:?}").contains("sesame"));
    }

    #[test]
    fn w2_a_fingerprint_is_what_sha256sum_begins_with() {
        // printf %s whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | sha256sum
        let secret = SecretText::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        assert_eq!(secret.fingerprint().to_string(), "96ad2ccd");
    }
}
