//! How calls prove who sends them (W2): what is added to each, made ready once per change of the webhook.

use angarium_model::{Authentication, SecretText, Signing};
use angarium_signing::{Secret, SecretError, Signer, WEBHOOK_SIGNATURE_HEADER};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

/// What proves who sends a call.
#[derive(Debug)]
pub(crate) enum Proof {
    /// Nothing.
    None,
    /// Signatures as Standard Webhooks says.
    Signatures(Signatures),
    /// A header that is the same with every call; its value is marked as sensitive, so that `Debug` does not show it.
    Header(HeaderName, HeaderValue),
}

/// Signs with every secret that is valid at the time.
#[derive(Debug)]
pub(crate) struct Signatures {
    /// With the current secret alone.
    lasting: Signer,
    /// With those beside it that last at least until then, Unix milliseconds; what ends first comes first.
    overlaps: Vec<(i64, Signer)>,
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) group: &'a str,
    pub(crate) body: &'a [u8],
    /// The time of the attempt, Unix milliseconds.
    pub(crate) now_ms: i64,
}

impl Signed<'_> {
    /// As it stands in `webhook-timestamp`.
    pub(crate) fn seconds(&self) -> u64 {
        u64::try_from(self.now_ms / 1_000).unwrap_or(0)
    }
}

impl Proof {
    /// # Errors
    /// Why calls cannot be made so.
    pub(crate) fn new(authentication: &Authentication) -> Result<Self, String> {
        match authentication {
            Authentication::None => Ok(Self::None),
            Authentication::Signature(signing) => Signatures::new(signing).map(Self::Signatures),
            Authentication::Basic { username, password } => {
                let password = password.as_ref().ok_or("its password did not come along")?;
                // RFC 7617, section 2; in UTF-8, as its section 2.1 recommends.
                let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
                let value = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
                Self::carried(AUTHORIZATION, &value)
            }
            Authentication::Header { name, value } => {
                let value = value
                    .as_ref()
                    .ok_or("the value of its header did not come along")?;
                let name = HeaderName::from_bytes(name.as_bytes());
                let name = name.map_err(|error| format!("its header {error}"))?;
                Self::carried(name, value.expose())
            }
        }
    }

    fn carried(name: HeaderName, value: &str) -> Result<Self, String> {
        let value = HeaderValue::from_str(value);
        let mut value = value.map_err(|_error| format!("the value of its header {name} cannot be sent"))?;
        value.set_sensitive(true);
        Ok(Self::Header(name, value))
    }

    /// The header to add.
    pub(crate) fn header(&self, signed: Signed<'_>) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::None => None,
            Self::Header(name, value) => Some((name.clone(), value.clone())),
            Self::Signatures(signatures) => {
                let value = signatures.at(signed.now_ms);
                let value = value.sign(signed.group, signed.seconds(), signed.body);
                let value = HeaderValue::from_str(&value).ok()?;
                Some((HeaderName::from_static(WEBHOOK_SIGNATURE_HEADER), value))
            }
        }
    }
}

impl Signatures {
    fn new(signing: &Signing) -> Result<Self, String> {
        let Some(current) = &signing.secret else {
            return Err("its signing secret did not come along".into());
        };
        let mut secrets = vec![parsed(current)?];
        let lasting = signer(&secrets)?;
        let mut previous: Vec<_> = signing.previous.iter().collect();
        previous.sort_by_key(|old| std::cmp::Reverse(old.expires_at_ms));
        let mut overlaps = Vec::with_capacity(previous.len());
        for old in previous {
            secrets.push(parsed(&old.secret)?);
            overlaps.push((old.expires_at_ms, signer(&secrets)?));
        }
        overlaps.reverse();
        Ok(Self { lasting, overlaps })
    }

    /// The signer with what is valid then, whether or not the registry has forgotten what is not.
    fn at(&self, now_ms: i64) -> &Signer {
        let overlap = self.overlaps.iter().find(|(until_ms, _)| now_ms < *until_ms);
        overlap.map_or(&self.lasting, |(_, signer)| signer)
    }
}

fn parsed(text: &SecretText) -> Result<Secret, String> {
    let secret = text.expose().parse();
    secret.map_err(|error: SecretError| format!("its signing secret: {error}"))
}

fn signer(secrets: &[Secret]) -> Result<Signer, String> {
    Signer::new(secrets).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use angarium_model::PreviousSecret;
    use angarium_signing::{DEFAULT_TOLERANCE, Verifier};

    use super::*;

    /// The signatures of a call at that time.
    fn signatures(signing: &Signing, now_ms: i64) -> Vec<String> {
        let signed = Signed {
            group: "g_1",
            body: b"{}",
            now_ms,
        };
        let proof = Proof::new(&Authentication::Signature(signing.clone())).unwrap();
        let (_, value) = proof.header(signed).unwrap();
        value.to_str().unwrap().split(' ').map(str::to_owned).collect()
    }

    fn verifies(secret: &Secret, signature: &str, now_ms: i64) -> bool {
        let verifier = Verifier::new(std::slice::from_ref(secret), DEFAULT_TOLERANCE).unwrap();
        let now = u64::try_from(now_ms / 1_000).unwrap();
        verifier
            .verify("g_1", &now.to_string(), signature, b"{}", now)
            .is_ok()
    }

    #[test]
    fn w2_every_valid_secret_signs_until_its_end_and_the_current_one_comes_first() {
        let [new, middle, old] = [(); 3].map(|()| Secret::generate().unwrap());
        let text = |secret: &Secret| SecretText::new(secret.expose().to_string());
        let previous = |secret, expires_at_ms| PreviousSecret {
            secret: text(secret),
            created_at_ms: None,
            expires_at_ms,
        };
        let signing = Signing {
            // The one that was replaced last ends first.
            previous: vec![previous(&middle, 5_500), previous(&old, 9_000)],
            ..Signing::new(text(&new), 1)
        };
        let both = [&new, &old, &middle];
        for (now_ms, valid) in [
            (1_000, &both[..]),
            (5_499, &both[..]),
            (5_500, &both[..2]),
            (8_999, &both[..2]),
            (9_000, &both[..1]),
            (i64::MAX, &both[..1]),
        ] {
            let made = signatures(&signing, now_ms);
            assert_eq!(made.len(), valid.len(), "at {now_ms}");
            for (signature, secret) in made.iter().zip(valid) {
                assert!(verifies(secret, signature, now_ms), "at {now_ms}");
            }
        }
    }

    #[test]
    fn w2_a_user_name_and_a_password_go_along_as_rfc_7617_says_and_are_not_in_debug_output() {
        let basic = |username: &str, password: &str| Authentication::Basic {
            username: username.into(),
            password: Some(SecretText::new(password.into())),
        };
        let signed = Signed {
            group: "g_1",
            body: b"{}",
            now_ms: 1,
        };
        // The examples of its sections 2 and 2.1.
        for (username, password, expected) in [
            ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("test", "123\u{a3}", "Basic dGVzdDoxMjPCow=="),
        ] {
            let proof = Proof::new(&basic(username, password)).unwrap();
            let (name, value) = proof.header(signed).unwrap();
            assert_eq!((name, value.to_str().unwrap()), (AUTHORIZATION, expected));
            assert!(!format!("{proof:?}").contains("Basic"), "{proof:?}");
        }
        let header = Authentication::Header {
            name: "x-key".into(),
            value: Some(SecretText::new("sesame".into())),
        };
        let (name, value) = Proof::new(&header).unwrap().header(signed).unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-key", "sesame"));
    }

    #[test]
    fn w2_without_its_secret_a_webhook_is_not_called() {
        let absent = [
            Authentication::Signature(Signing::default()),
            Authentication::Basic {
                username: "us".into(),
                password: None,
            },
            Authentication::Header {
                name: "x-key".into(),
                value: None,
            },
        ];
        for absent in absent {
            assert!(Proof::new(&absent).is_err(), "{absent:?}");
        }
        let short = Signing::new(SecretText::new("whsec_c2hvcnQ=".into()), 1);
        let told = Proof::new(&Authentication::Signature(short)).unwrap_err();
        assert!(told.contains("5 bytes") && !told.contains("c2hv"), "{told}");
    }
}
