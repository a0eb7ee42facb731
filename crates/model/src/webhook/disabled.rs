//! Why a webhook was switched off without anyone asking for it.

/// Why, and when, a webhook was switched off without anyone asking for it (D3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disabled {
    reason: DisabledReason,
    detail: String,
    at_ms: i64,
}

/// Why a webhook was switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisabledReason {
    /// It failed for as long as events are kept (D3).
    FailedForRetention,
    /// Its receiver answered 410 Gone (D2).
    Gone,
}

/// A text that is too long for [`Disabled`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has {0} bytes; at most {max} are allowed", max = Disabled::MAX_DETAIL)]
pub struct DetailTooLong(usize);

impl Disabled {
    /// The longest detail, in bytes.
    pub const MAX_DETAIL: usize = 512;

    /// For this reason; `detail` tells people more, `at_ms` is in Unix milliseconds.
    ///
    /// # Errors
    /// When the detail is too long.
    pub fn new(reason: DisabledReason, detail: String, at_ms: i64) -> Result<Self, DetailTooLong> {
        if detail.len() > Self::MAX_DETAIL {
            return Err(DetailTooLong(detail.len()));
        }
        Ok(Self {
            reason,
            detail,
            at_ms,
        })
    }

    /// Why.
    #[must_use]
    pub const fn reason(&self) -> DisabledReason {
        self.reason
    }

    /// What people are told beside the reason; may be empty.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// When, in Unix milliseconds.
    #[must_use]
    pub const fn at_ms(&self) -> i64 {
        self.at_ms
    }
}
