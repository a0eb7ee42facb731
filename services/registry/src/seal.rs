//! Secrets in the topic: sealed with a key that Kafka does not have.
//!
//! A sealed secret is AES-256-GCM under a random nonce, bound to its webhook: moved to another one it does not open. It
//! names its key, so that keys can be changed: the first of them seals, all of them open, and what an older one has
//! sealed is sealed anew by `ResealWebhook`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use angarium_model::WebhookId;
use angarium_proto::registry::v1::SealedSecret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

/// Keys that seal secrets; cheap to clone. `Debug` shows their names only.
#[derive(Clone)]
pub struct SealKeys(Arc<Inner>);

struct Inner {
    /// The name of the key that seals; none: secrets are stored as they are.
    current: Option<String>,
    keys: HashMap<String, LessSafeKey>,
}

/// Why a text is no list of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// It has no colon.
    #[error("key {0} is not written as name:base64")]
    Shape(usize),
    /// The name is not fit.
    #[error("the name of key {0} must be 1 to 64 letters, digits, `-`, `_` or `.`")]
    Name(usize),
    /// The bytes are too many or too few, or no base64.
    #[error("key {0} must be the base64 of 32 bytes: make one with `head -c 32 /dev/urandom | base64`")]
    Bytes(usize),
    /// Two have one name.
    #[error("key {0} has the name of another one")]
    Twice(usize),
}

/// Why a secret is not sealed, or does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the operating system gives no random bytes")]
    NoRandom,
    #[error("its secret is sealed with the key {0:?}, which seal.keys does not have")]
    NoKey(String),
    #[error(
        "its secret does not open with the key {0:?} of seal.keys: it is another key of that name, or the record is damaged"
    )]
    Closed(String),
}

/// The word that stands for no keys.
const NONE: &str = "none";
const MAX_NAME: usize = 64;

impl SealKeys {
    /// Secrets are stored as they are: for tests, and for what is thrown away.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::new(Inner {
            current: None,
            keys: HashMap::new(),
        }))
    }

    /// Reads `name:base64[,name:base64…]`, of which the first seals, or `none`.
    ///
    /// # Errors
    /// The first mistake, without the key.
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        if text == NONE {
            return Ok(Self::none());
        }
        let mut inner = Inner {
            current: None,
            keys: HashMap::new(),
        };
        for (number, entry) in (1..).zip(text.split(',')) {
            let (name, key) = entry.trim().split_once(':').ok_or(InvalidKeys::Shape(number))?;
            let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_fine) {
                return Err(InvalidKeys::Name(number));
            }
            let bytes = BASE64_STANDARD
                .decode(key)
                .map_err(|_error| InvalidKeys::Bytes(number))?;
            let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_error| InvalidKeys::Bytes(number))?;
            if inner
                .keys
                .insert(name.to_owned(), LessSafeKey::new(key))
                .is_some()
            {
                return Err(InvalidKeys::Twice(number));
            }
            inner.current.get_or_insert_with(|| name.to_owned());
        }
        Ok(Self(Arc::new(inner)))
    }

    /// Seals the secret of a webhook; `None` if secrets are stored as they are.
    pub(crate) fn seal(&self, webhook: WebhookId, secret: &str) -> Result<Option<SealedSecret>, SealError> {
        let Some((name, key)) = self
            .0
            .current
            .as_ref()
            .and_then(|name| Some((name, self.0.keys.get(name)?)))
        else {
            return Ok(None);
        };
        let mut nonce = [0; NONCE_LEN];
        let random = SystemRandom::new().fill(&mut nonce);
        random.map_err(|_unspecified| SealError::NoRandom)?;
        let mut sealed = secret.as_bytes().to_vec();
        let aad = Aad::from(*webhook.as_bytes());
        let done = key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed);
        // It fails only for lengths beyond any secret's.
        done.map_err(|_unspecified| SealError::NoRandom)?;
        Ok(Some(SealedSecret {
            key: name.clone(),
            nonce: nonce.to_vec().into(),
            sealed: sealed.into(),
        }))
    }

    /// Opens the secret of a webhook.
    pub(crate) fn open(&self, webhook: WebhookId, sealed: &SealedSecret) -> Result<String, SealError> {
        let name = || sealed.key.clone();
        let key = self
            .0
            .keys
            .get(&sealed.key)
            .ok_or_else(|| SealError::NoKey(name()))?;
        let nonce = Nonce::try_assume_unique_for_key(&sealed.nonce);
        let nonce = nonce.map_err(|_unspecified| SealError::Closed(name()))?;
        let mut text = sealed.sealed.to_vec();
        let opened = key.open_in_place(nonce, Aad::from(*webhook.as_bytes()), &mut text);
        let opened = opened.map_err(|_unspecified| SealError::Closed(name()))?;
        String::from_utf8(opened.to_vec()).map_err(|_error| SealError::Closed(name()))
    }

    /// Whether a secret that is so in the topic would be sealed so today.
    pub(crate) fn is_current(&self, sealed: Option<&SealedSecret>) -> bool {
        sealed.map(|sealed| &sealed.key) == self.0.current.as_ref()
    }
}

impl fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&String> = self.0.keys.keys().collect();
        names.sort_unstable();
        f.debug_struct("SealKeys")
            .field("current", &self.0.current)
            .field("names", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Base64 of 32 bytes.
    const A: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    const B: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

    fn id(number: u8) -> WebhookId {
        WebhookId::from_bytes([number; 16])
    }

    pub(crate) fn keys(names: &str) -> SealKeys {
        let entry = |name: char| format!("{name}:{}", if name == '1' { A } else { B });
        let list: Vec<String> = names.chars().map(entry).collect();
        SealKeys::parse(&list.join(",")).unwrap()
    }

    #[test]
    fn a_secret_opens_with_its_key_for_its_webhook_and_not_otherwise() {
        let sealed = keys("1").seal(id(1), "whsec_x").unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&sealed.sealed).contains("whsec"));
        assert_eq!(keys("21").open(id(1), &sealed).unwrap(), "whsec_x");
        assert_eq!(keys("2").open(id(1), &sealed), Err(SealError::NoKey("1".into())));
        assert_eq!(
            keys("1").open(id(2), &sealed),
            Err(SealError::Closed("1".into())),
            "moved to another webhook"
        );
        let mut damaged = sealed.clone();
        damaged.sealed = sealed
            .sealed
            .iter()
            .map(|byte| byte ^ 1)
            .collect::<Vec<_>>()
            .into();
        assert!(keys("1").open(id(1), &damaged).is_err());
        let again = keys("1").seal(id(1), "whsec_x").unwrap().unwrap();
        assert_ne!(
            (again.nonce, again.sealed),
            (sealed.nonce, sealed.sealed),
            "no nonce is used twice"
        );
    }

    #[test]
    fn the_first_key_seals_and_what_another_has_sealed_is_outdated() {
        let old = keys("1").seal(id(1), "x").unwrap();
        assert!(keys("12").is_current(old.as_ref()));
        assert!(!keys("21").is_current(old.as_ref()));
        assert!(!keys("1").is_current(None) && SealKeys::none().is_current(None));
        assert_eq!(SealKeys::parse("none").unwrap().seal(id(1), "x"), Ok(None));
    }

    #[test]
    fn what_is_no_list_of_keys_is_told_without_showing_it() {
        let told = |text: &str| SealKeys::parse(text).unwrap_err();
        assert_eq!(told(A), InvalidKeys::Shape(1));
        assert_eq!(told(&format!("a:{A},:{B}")), InvalidKeys::Name(2));
        assert_eq!(told("a:QUFB"), InvalidKeys::Bytes(1));
        assert_eq!(told(&format!("a:{A},a:{B}")), InvalidKeys::Twice(2));
        let shown = format!("{:?} {}", keys("12"), told(&format!("a b:{A}")));
        assert!(shown.contains("\"1\"") && !shown.contains("QUFB"), "{shown}");
    }
}
