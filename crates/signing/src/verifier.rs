//! The receiving side: is this request ours, untouched and fresh?

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

use crate::keys::{Keys, KeysError, Tag};
use crate::{Secret, VERSION_PREFIX};

/// How far the sender's clock may be from ours: what the public Standard Webhooks libraries use.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// How many signatures of a header are looked at, so that a long header buys no work. A sender uses at most 8 secrets.
pub const MAX_SIGNATURES: usize = 16;

/// Verifies requests against the secrets that the receiver knows.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Keys,
    tolerance: Duration,
}

/// Why a request is refused. Answer 401 or 403 and do nothing else with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// The id is absent or contains a `.`.
    #[error("header `webhook-id` is missing or contains a `.`")]
    InvalidId,
    /// The timestamp is absent.
    #[error("header `webhook-timestamp` is missing")]
    MissingTimestamp,
    /// The timestamp is no number of seconds.
    #[error("header `webhook-timestamp` is not a whole number of seconds since 1970")]
    InvalidTimestamp,
    /// The request was signed too long ago: replayed, long on its way, or a clock is wrong.
    #[error(
        "the request was signed {age:?} ago, the tolerance is {tolerance:?}: a replay, or check both clocks"
    )]
    TooOld {
        /// Time since it was signed.
        age: Duration,
        /// Time allowed.
        tolerance: Duration,
    },
    /// The request was signed too far in the future: a clock is wrong.
    #[error(
        "the request was signed {ahead:?} in the future, the tolerance is {tolerance:?}: check both clocks"
    )]
    TooNew {
        /// Time until the instant at which it says it was signed.
        ahead: Duration,
        /// Time allowed.
        tolerance: Duration,
    },
    /// The signature is absent.
    #[error("header `webhook-signature` is missing")]
    MissingSignature,
    /// No `v1` signature matches any secret.
    #[error(
        "no signature in `webhook-signature` matches: wrong secret, or the body is not the bytes that were sent"
    )]
    NoMatchingSignature,
}

impl Verifier {
    /// Keys the verifier; do it once, not per request. [`DEFAULT_TOLERANCE`] suits most.
    ///
    /// # Errors
    /// [`KeysError`] unless there are 1 to [`crate::MAX_SECRETS`] secrets.
    pub fn new(secrets: &[Secret], tolerance: Duration) -> Result<Self, KeysError> {
        Ok(Self {
            keys: Keys::new(secrets)?,
            tolerance,
        })
    }

    /// Checks a request by its three headers (an absent one is passed as `""`) and the body's bytes as received.
    ///
    /// # Errors
    /// [`VerifyError`] when the request is not to be trusted.
    pub fn verify(
        &self,
        webhook_id: &str,
        timestamp: &str,
        signature: &str,
        body: &[u8],
        now_unix_seconds: u64,
    ) -> Result<(), VerifyError> {
        if webhook_id.is_empty() || webhook_id.contains('.') {
            return Err(VerifyError::InvalidId);
        }
        self.check_freshness(parse_timestamp(timestamp)?, now_unix_seconds)?;
        if signature.is_empty() {
            return Err(VerifyError::MissingSignature);
        }
        let candidates: Vec<Tag> = candidates(signature).collect();
        // Every pair is compared and nothing returns early: the time taken tells nothing about a tag.
        let mut matches = Choice::from(0);
        for expected in self.keys.tags(webhook_id, timestamp, body) {
            for candidate in &candidates {
                matches |= expected.as_slice().ct_eq(candidate.as_slice());
            }
        }
        if bool::from(matches) {
            Ok(())
        } else {
            Err(VerifyError::NoMatchingSignature)
        }
    }

    fn check_freshness(&self, signed_at: u64, now: u64) -> Result<(), VerifyError> {
        let tolerance = self.tolerance;
        let age = Duration::from_secs(now.saturating_sub(signed_at));
        let ahead = Duration::from_secs(signed_at.saturating_sub(now));
        if age > tolerance {
            return Err(VerifyError::TooOld { age, tolerance });
        }
        if ahead > tolerance {
            return Err(VerifyError::TooNew { ahead, tolerance });
        }
        Ok(())
    }
}

/// Digits only: what is signed is the header's own text, so `+1` and `1.5` must not pass as a number.
fn parse_timestamp(text: &str) -> Result<u64, VerifyError> {
    if text.is_empty() {
        return Err(VerifyError::MissingTimestamp);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(VerifyError::InvalidTimestamp);
    }
    text.parse()
        .map_err(|_overflow: std::num::ParseIntError| VerifyError::InvalidTimestamp)
}

/// The well-formed `v1` signatures among the first [`MAX_SIGNATURES`] of the header.
fn candidates(header: &str) -> impl Iterator<Item = Tag> {
    header
        .split(' ')
        .take(MAX_SIGNATURES)
        .filter_map(|signature| signature.strip_prefix(VERSION_PREFIX))
        .filter_map(|encoded| BASE64_STANDARD.decode(encoded).ok()?.try_into().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Signer;

    const NOW: u64 = 1_727_414_643;
    const ID: &str = "grp_1";
    const BODY: &[u8] = br#"{"accountId":1234,"events":[]}"#;

    fn secrets(count: usize) -> Vec<Secret> {
        (0..count).map(|_| Secret::generate().unwrap()).collect()
    }

    fn verifier(secrets: &[Secret]) -> Verifier {
        Verifier::new(secrets, DEFAULT_TOLERANCE).unwrap()
    }

    fn sign(secrets: &[Secret], at: u64) -> String {
        Signer::new(secrets).unwrap().sign(ID, at, BODY)
    }

    fn verify_signed_at(signed_at: u64, now: u64, tolerance: Duration) -> Result<(), VerifyError> {
        let secrets = secrets(1);
        let signature = sign(&secrets, signed_at);
        Verifier::new(&secrets, tolerance)
            .unwrap()
            .verify(ID, &signed_at.to_string(), &signature, BODY, now)
    }

    #[test]
    fn either_side_of_a_rotation_is_accepted() {
        let secrets = secrets(3);
        let (old, new, stranger) = (&secrets[..1], &secrets[1..2], &secrets[2..]);
        let header = sign(&secrets[..2], NOW);
        let now = NOW.to_string();
        assert_eq!(header, format!("{} {}", sign(old, NOW), sign(new, NOW)));
        assert_eq!(verifier(old).verify(ID, &now, &header, BODY, NOW), Ok(()));
        assert_eq!(verifier(new).verify(ID, &now, &header, BODY, NOW), Ok(()));
        assert_eq!(
            verifier(&secrets).verify(ID, &now, &sign(new, NOW), BODY, NOW),
            Ok(())
        );
        let refused = verifier(stranger).verify(ID, &now, &header, BODY, NOW);
        assert_eq!(refused, Err(VerifyError::NoMatchingSignature));
    }

    #[test]
    fn the_tolerance_itself_passes_and_one_second_more_does_not() {
        let tolerance = DEFAULT_TOLERANCE;
        let one_more = Duration::from_secs(301);
        assert_eq!(verify_signed_at(NOW, NOW + 300, tolerance), Ok(()));
        assert_eq!(verify_signed_at(NOW, NOW - 300, tolerance), Ok(()));
        assert_eq!(
            verify_signed_at(NOW, NOW + 301, tolerance),
            Err(VerifyError::TooOld {
                age: one_more,
                tolerance
            })
        );
        assert_eq!(
            verify_signed_at(NOW, NOW - 301, tolerance),
            Err(VerifyError::TooNew {
                ahead: one_more,
                tolerance
            })
        );
    }

    #[test]
    fn extreme_times_are_compared_without_overflow() {
        assert_eq!(verify_signed_at(u64::MAX, u64::MAX, Duration::ZERO), Ok(()));
        assert_eq!(verify_signed_at(0, 0, Duration::ZERO), Ok(()));
        assert!(matches!(
            verify_signed_at(0, u64::MAX, DEFAULT_TOLERANCE),
            Err(VerifyError::TooOld { .. })
        ));
        assert!(matches!(
            verify_signed_at(u64::MAX, 0, DEFAULT_TOLERANCE),
            Err(VerifyError::TooNew { .. })
        ));
    }

    #[test]
    fn an_absent_or_unreadable_header_is_named() {
        let secrets = secrets(1);
        let header = sign(&secrets, NOW);
        let now = NOW.to_string();
        let verify = |id: &str, timestamp: &str, signature: &str| {
            verifier(&secrets)
                .verify(id, timestamp, signature, BODY, NOW)
                .unwrap_err()
        };
        assert_eq!(verify("", &now, &header), VerifyError::InvalidId);
        assert_eq!(verify("grp.1", &now, &header), VerifyError::InvalidId);
        assert_eq!(verify(ID, "", &header), VerifyError::MissingTimestamp);
        for text in [
            "now",
            "+1727414643",
            "1727414643.5",
            " 1727414643",
            "-1",
            "18446744073709551616",
        ] {
            assert_eq!(verify(ID, text, &header), VerifyError::InvalidTimestamp, "{text}");
        }
        assert_eq!(verify(ID, &now, ""), VerifyError::MissingSignature);
        for text in ["v1", "v1,", "v1,AAAA", "v2", ",", "   "] {
            assert_eq!(verify(ID, &now, text), VerifyError::NoMatchingSignature, "{text}");
        }
    }

    #[test]
    fn the_bytes_signed_cannot_be_split_another_way() {
        let secrets = secrets(1);
        let now = NOW.to_string();
        let signature = Signer::new(&secrets)
            .unwrap()
            .sign("a", NOW, format!("{NOW}.x").as_bytes());
        let resplit = verifier(&secrets).verify(&format!("a.{NOW}"), &now, &signature, b"x", NOW);
        assert_eq!(resplit, Err(VerifyError::InvalidId));
    }

    #[test]
    fn unknown_versions_are_skipped_and_never_trusted() {
        let secrets = secrets(1);
        let now = NOW.to_string();
        let good = sign(&secrets, NOW);
        let among_others = format!("v1a,AAAA v2,BBBB {good} v9");
        assert_eq!(
            verifier(&secrets).verify(ID, &now, &among_others, BODY, NOW),
            Ok(())
        );
        let relabelled = good.replace("v1,", "v1a,");
        let refused = verifier(&secrets).verify(ID, &now, &relabelled, BODY, NOW);
        assert_eq!(refused, Err(VerifyError::NoMatchingSignature));
    }

    #[test]
    fn signatures_beyond_the_bound_are_not_looked_at() {
        let secrets = secrets(1);
        let now = NOW.to_string();
        let after = |others: usize| format!("{}{}", "v2,x ".repeat(others), sign(&secrets, NOW));
        let verifier = verifier(&secrets);
        assert_eq!(
            verifier.verify(ID, &now, &after(MAX_SIGNATURES - 1), BODY, NOW),
            Ok(())
        );
        let refused = verifier.verify(ID, &now, &after(MAX_SIGNATURES), BODY, NOW);
        assert_eq!(refused, Err(VerifyError::NoMatchingSignature));
    }

    /// Changes one byte of an ASCII text to another ASCII byte.
    fn flip(text: &str, at: prop::sample::Index, mask: u8) -> String {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at.index(text.len())] ^= mask;
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn whatever_is_signed_verifies(
            id in "[!-\\-/-~]{1,80}",
            body in prop::collection::vec(any::<u8>(), 0..2000),
            at in any::<u64>(),
            count in 1_usize..=8,
        ) {
            let secrets = secrets(count);
            let signature = Signer::new(&secrets).unwrap().sign(&id, at, &body);
            prop_assert_eq!(verifier(&secrets).verify(&id, &at.to_string(), &signature, &body, at), Ok(()));
        }

        #[test]
        fn one_changed_byte_anywhere_is_refused(
            id in "[!-\\-/-~]{1,40}",
            body in prop::collection::vec(any::<u8>(), 1..200),
            at in any::<prop::sample::Index>(),
            mask in 1_u8..128,
        ) {
            let secrets = secrets(1);
            let verifier = verifier(&secrets);
            let now = NOW.to_string();
            let signature = Signer::new(&secrets).unwrap().sign(&id, NOW, &body);
            let mut changed_body = body.clone();
            changed_body[at.index(body.len())] ^= mask;

            prop_assert!(verifier.verify(&flip(&id, at, mask), &now, &signature, &body, NOW).is_err());
            prop_assert!(verifier.verify(&id, &flip(&now, at, mask), &signature, &body, NOW).is_err());
            prop_assert!(verifier.verify(&id, &now, &flip(&signature, at, mask), &body, NOW).is_err());
            prop_assert!(verifier.verify(&id, &now, &signature, &changed_body, NOW).is_err());
        }
    }
}
