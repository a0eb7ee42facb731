//! Where a webhook's calls go, and how they are signed: what delivery needs of the registry's webhook, made once per
//! change of it.

use std::num::NonZeroU32;
use std::sync::Arc;

use angarium_directory::Directory;
use angarium_model::{AccountId, Header, PayloadFormat, Revision, Webhook, WebhookId};
use angarium_policy::Timetable;
use http::{HeaderName, HeaderValue};
use url::Url;

use crate::body::around;
use crate::group::GroupLimit;
use crate::proof::Proof;

/// What a call needs to know of its webhook.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) account: AccountId,
    pub(crate) url: Url,
    /// How calls prove who sends them (W2).
    pub(crate) proof: Proof,
    /// What calls carry beside that.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// When the batch lane goes (E1).
    pub(crate) timetable: Timetable,
    /// What the body of a POST looks like.
    pub(crate) format: PayloadFormat,
    /// What the webhook may be sent at once, as far as it says so.
    terms: OwnTerms,
    /// After how many attempts what is refused for good is put aside; `None`: never.
    pub(crate) dead_letter_after: Option<NonZeroU32>,
    /// The version of the webhook.
    pub(crate) changed_at: Revision,
}

/// What a webhook says of what it may be sent at once.
#[derive(Clone, Copy, Debug)]
struct OwnTerms {
    events: Option<usize>,
    bytes: Option<usize>,
    interval_us: i64,
    in_flight: usize,
}

/// What a webhook may be sent at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) group: GroupLimit,
    /// Between the beginnings of two calls, in microseconds; 0: none.
    pub(crate) interval_us: i64,
    /// How many calls may be under way; 1: in order (D7).
    pub(crate) in_flight: usize,
}

/// Whether a webhook's events may be sent.
#[derive(Clone, Debug)]
pub(crate) enum Subscription {
    /// They may.
    Active(Arc<Target>),
    /// Not now: it is switched off (W7), or nothing is known of it yet. What waits, waits.
    Held {
        /// The version of the webhook, if there is one.
        changed_at: Revision,
    },
    /// Never again: it was deleted, by a revision at or above that of every record that names it.
    Deleted,
}

impl Subscription {
    /// Looks a webhook up. `newest_view` is the newest revision that any of its records was made under: a view older
    /// than that knows nothing, one at least as new that does not have the webhook says that it was deleted.
    pub(crate) fn look_up(
        directory: &Directory,
        id: WebhookId,
        account: AccountId,
        newest_view: Revision,
    ) -> Self {
        match directory.webhook(id) {
            Some(webhook) if webhook.active => Self::of_active(&webhook),
            Some(webhook) => Self::held(&webhook),
            None if directory.is_ready() && directory.revision(account) >= newest_view => Self::Deleted,
            None => Self::Held {
                changed_at: Revision::default(),
            },
        }
    }

    const fn held(webhook: &Webhook) -> Self {
        Self::Held {
            changed_at: webhook.revision,
        }
    }

    /// A webhook that cannot be used as the registry tells it is our trouble, not the receiver's: its events wait.
    fn of_active(webhook: &Webhook) -> Self {
        match Target::new(webhook) {
            Ok(target) => Self::Active(Arc::new(target)),
            Err(reason) => {
                tracing::error!(webhook = %webhook.id, reason, "events of a webhook wait: it cannot be used");
                Self::held(webhook)
            }
        }
    }

    /// Whether an active webhook is still the one that this was made of: the usual case, and cheap to see.
    pub(crate) fn is_current(&self, directory: &Directory, id: WebhookId) -> bool {
        let Self::Active(target) = self else { return false };
        directory
            .webhook(id)
            .is_some_and(|webhook| webhook.active && webhook.revision == target.changed_at)
    }

    /// The version of the webhook as far as it is known.
    pub(crate) fn changed_at(&self) -> Revision {
        match self {
            Self::Active(target) => target.changed_at,
            Self::Held { changed_at } => *changed_at,
            Self::Deleted => Revision::default(),
        }
    }
}

impl Target {
    /// # Errors
    /// Why the webhook cannot be called as it is.
    pub(crate) fn new(webhook: &Webhook) -> Result<Self, String> {
        let proof = Proof::new(&webhook.authentication)?;
        let timetable = match &webhook.timetable {
            Some(spec) => Timetable::try_from(spec).map_err(|error| format!("its timetable: {error}"))?,
            None => Timetable::default(),
        };
        let url = webhook.target_url.url().clone();
        Ok(Self {
            account: webhook.account,
            url,
            proof,
            headers: own_headers(&webhook.headers)?,
            timetable,
            format: webhook.payload_format,
            terms: OwnTerms::of(webhook),
            dead_letter_after: webhook.dead_letter.map(|policy| policy.after_attempts.get()),
            changed_at: webhook.revision,
        })
    }

    /// What it may be sent at once; what it does not say is as `default` has it.
    pub(crate) fn terms(&self, default: GroupLimit) -> Terms {
        let own = self.terms;
        Terms {
            group: GroupLimit {
                events: own.events.unwrap_or(default.events),
                bytes: own.bytes.unwrap_or(default.bytes),
                around: around(self.format),
            },
            interval_us: own.interval_us,
            in_flight: own.in_flight,
        }
    }
}

fn own_headers(headers: &[Header]) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let header = |Header { name, value }: &Header| {
        let cannot = |error: String| format!("its header {name} cannot be sent: {error}");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| cannot(error.to_string()))?;
        let value = HeaderValue::from_str(value).map_err(|error| cannot(error.to_string()))?;
        Ok((name, value))
    };
    headers.iter().map(header).collect()
}

impl OwnTerms {
    fn of(webhook: &Webhook) -> Self {
        /// In microseconds.
        const SECOND: u32 = 1_000_000;
        let limits = webhook.limits;
        let size = |number: NonZeroU32| usize::try_from(number.get()).unwrap_or(usize::MAX);
        let events = match webhook.payload_format {
            PayloadFormat::Single => Some(1),
            PayloadFormat::Envelope | PayloadFormat::CloudEvents => {
                limits.max_group_events.map(|most| size(most.get()))
            }
        };
        Self {
            events,
            bytes: limits.max_group_bytes.map(|most| size(most.get())),
            interval_us: limits
                .max_requests_per_second
                .map_or(0, |most| i64::from(SECOND / most.get())),
            in_flight: size(webhook.ordering.max_in_flight()),
        }
    }
}
