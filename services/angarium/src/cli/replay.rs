//! `angarium webhook replay …` and what goes with it.

use angarium_model::Position;
use chrono::DateTime;
use clap::{ArgGroup, Args, ValueEnum};

use super::{AtDelivery, Subject};

/// Events as they happen and those of the timetable are replayed apart from each other.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LaneArg {
    /// Events that are sent as they happen
    Realtime,
    /// Events that are sent by timetable
    Batch,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("start").required(true).args(["from", "from_position"]))]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) of: Subject,
    /// Send again what was matched at this time or later, for example 2026-11-24T09:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) from: Option<i64>,
    /// Send again this event and what was accepted after it: PARTITION-OFFSET, as the journal and the header
    /// angarium-position write it
    #[arg(long, value_name = "POSITION")]
    pub(crate) from_position: Option<Position>,
    /// Only what was matched before this time [default: all that the webhook has been sent]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) until: Option<i64>,
    /// Which of its events
    #[arg(long, value_enum, default_value = "realtime")]
    pub(crate) lane: LaneArg,
    /// Only events that were refused for good and put aside, each by itself
    #[arg(long, conflicts_with = "from_position")]
    pub(crate) dead_letters: bool,
    /// Count the events, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) at: AtDelivery,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayStatus {
    #[command(flatten)]
    pub(crate) of: Subject,
    /// The replay, as `replay` named it
    pub(crate) replay: i64,
    /// Which of its events
    #[arg(long, value_enum, default_value = "realtime")]
    pub(crate) lane: LaneArg,
    #[command(flatten)]
    pub(crate) at: AtDelivery,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayCancel {
    #[command(flatten)]
    pub(crate) of: Subject,
    /// The replay, as `replay` named it: when it is over, nothing happens [default: whichever is under way]
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) replay: Option<i64>,
    /// Which of its events
    #[arg(long, value_enum, default_value = "realtime")]
    pub(crate) lane: LaneArg,
    #[command(flatten)]
    pub(crate) at: AtDelivery,
}

#[derive(Debug, Args)]
pub(crate) struct Resend {
    #[command(flatten)]
    pub(crate) of: Subject,
    /// The event: PARTITION-OFFSET, as the journal and the header angarium-position write it
    pub(crate) position: Position,
    #[command(flatten)]
    pub(crate) at: AtDelivery,
}

#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    #[command(flatten)]
    pub(crate) of: Subject,
    /// Only what was put aside at this time or later, for example 2026-11-24T09:00:00Z [default: all that is kept]
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1970-01-01T00:00:00Z", hide_default_value = true)]
    pub(crate) from: i64,
    #[command(flatten)]
    pub(crate) at: AtDelivery,
}

/// Unix milliseconds of a time as RFC 3339 writes it.
pub(super) fn time(text: &str) -> Result<i64, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.timestamp_millis())
        .map_err(|error| format!("{error}; write it with its offset, for example 2026-11-24T09:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_needs_its_offset_and_is_told_how_it_is_written() {
        assert_eq!(time("2024-09-27T07:24:03+02:00"), Ok(1_727_414_643_000));
        let refused = time("2024-09-27 07:24").unwrap_err();
        assert!(refused.contains("2026-11-24T09:00:00Z"), "{refused}");
    }
}
