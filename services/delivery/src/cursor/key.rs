//! Keys of the cursors topic: text, so that any Kafka tool shows what is there.

use std::fmt;
use std::str::FromStr;

use angarium_model::{Lane, WebhookId};

/// The key of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// Its last record is the newest epoch.
    Claim(Lane),
    /// The place of an epoch.
    Place(Lane, i64),
    /// The cursor of a webhook in an epoch.
    Webhook(Lane, i64, WebhookId),
}

impl Key {
    pub(crate) fn lane(self) -> Lane {
        match self {
            Self::Claim(lane) | Self::Place(lane, _) | Self::Webhook(lane, ..) => lane,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(lane) => write!(f, "{lane}/claim"),
            Self::Place(lane, epoch) => write!(f, "{lane}/{epoch}/place"),
            Self::Webhook(lane, epoch, id) => write!(f, "{lane}/{epoch}/{id}"),
        }
    }
}

/// The text is no key of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownKey;

impl FromStr for Key {
    type Err = UnknownKey;

    fn from_str(text: &str) -> Result<Self, UnknownKey> {
        let (lane, rest) = text.split_once('/').ok_or(UnknownKey)?;
        let lane = Lane::ALL
            .into_iter()
            .find(|known| known.as_str() == lane)
            .ok_or(UnknownKey)?;
        if rest == "claim" {
            return Ok(Self::Claim(lane));
        }
        let (epoch, of) = rest.split_once('/').ok_or(UnknownKey)?;
        let epoch = epoch.parse().map_err(|_not_a_number| UnknownKey)?;
        if of == "place" {
            return Ok(Self::Place(lane, epoch));
        }
        let id = of.parse().map_err(|_no_id| UnknownKey)?;
        Ok(Self::Webhook(lane, epoch, id))
    }
}
