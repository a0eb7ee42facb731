//! Flags that say how events are sent.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// How events are sent.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Sending")]
pub(crate) struct SendingArgs {
    /// Whether groups of events go one after the other; the default is ordered
    #[arg(long, value_enum, value_name = "ORDERING")]
    pub(crate) ordering: Option<OrderingArg>,
    /// What the body of a POST looks like; the default is envelope
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) payload_format: Option<FormatArg>,
    /// The most events of a POST, 1 to 256, or `default`: as many as the worker puts together
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_group_events: Option<OrDefault>,
    /// The most bytes of a POST's events, 1024 to 1048576, or `default`: as many as the worker puts together
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_group_bytes: Option<OrDefault>,
    /// The most POSTs a second in each lane, 1 to 10000, or `default`: no limit
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_requests_per_second: Option<OrDefault>,
    /// The most POSTs under way at once in each lane of an unordered webhook, 1 to 32, or `default`: 8
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_in_flight: Option<OrDefault>,
    /// Put a group that is refused for good aside after so many attempts in a row, 1 to 100, or `default`: never, retry it
    #[arg(long, value_name = "ATTEMPTS")]
    pub(crate) dead_letter_after: Option<OrDefault>,
}

/// Whether groups of events go one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OrderingArg {
    /// One after the other, through failures too
    Ordered,
    /// Several at once, and one that fails holds up no other
    Unordered,
}

/// What the body of a POST looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FormatArg {
    /// The account and a group of events
    Envelope,
    /// One event a POST
    Single,
    /// CloudEvents 1.0, batched where there are several events
    Cloudevents,
}

/// A number, or the word `default`. The registry checks the bounds, so that it tells all mistakes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrDefault {
    Default,
    Number(u32),
}

impl FromStr for OrDefault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "default" {
            return Ok(Self::Default);
        }
        let number = text.parse();
        number
            .map(Self::Number)
            .map_err(|error| format!("{error}; write a number, or `default`"))
    }
}

impl OrDefault {
    /// As requests carry it: unset for the default.
    pub(crate) const fn number(self) -> Option<u32> {
        match self {
            Self::Default => None,
            Self::Number(number) => Some(number),
        }
    }
}
