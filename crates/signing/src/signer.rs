//! The sending side: one signature per valid secret, made anew for every attempt.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::keys::{Keys, KeysError};
use crate::{Secret, VERSION_PREFIX};

/// `v1,`, 44 characters of base64, and the space before the next.
const SIGNATURE_CHARS: usize = VERSION_PREFIX.len() + 44 + 1;

/// Signs the requests of one webhook with all of its valid secrets.
#[derive(Debug, Clone)]
pub struct Signer {
    keys: Keys,
}

impl Signer {
    /// Keys the signer; do it once per webhook, not per request.
    ///
    /// # Errors
    /// [`KeysError`] unless there are 1 to [`crate::MAX_SECRETS`] secrets.
    pub fn new(secrets: &[Secret]) -> Result<Self, KeysError> {
        Ok(Self {
            keys: Keys::new(secrets)?,
        })
    }

    /// The value of the `webhook-signature` header for this attempt, one signature per secret in their order.
    ///
    /// `webhook_id` must not be empty nor contain a `.`, or receivers refuse it.
    pub fn sign(&self, webhook_id: &str, timestamp_unix_seconds: u64, body: &[u8]) -> String {
        let timestamp = timestamp_unix_seconds.to_string();
        let mut header = String::with_capacity(self.keys.len() * SIGNATURE_CHARS);
        for tag in self.keys.tags(webhook_id, &timestamp, body) {
            if !header.is_empty() {
                header.push(' ');
            }
            header.push_str(VERSION_PREFIX);
            BASE64_STANDARD.encode_string(tag, &mut header);
        }
        header
    }
}
