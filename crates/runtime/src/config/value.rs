//! How values are written: sizes and durations carry a unit.

use std::ops::RangeInclusive;
use std::time::Duration;

const UNITS: [(&str, usize); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// `256KiB`, `5 MiB`, `1GB`; a bare number is bytes.
pub(super) fn parse_bytes(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let factor = match unit.trim_start() {
        "" => 1,
        unit => UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    digits.parse::<usize>().ok()?.checked_mul(factor)
}

/// The shortest exact spelling that [`parse_bytes`] reads back.
pub(super) fn format_bytes(bytes: usize) -> String {
    let whole = |(_, factor): &&(&str, usize)| bytes != 0 && bytes.is_multiple_of(*factor);
    let largest = UNITS.iter().take(3).rev().find(whole);
    largest.map_or_else(
        || format!("{bytes}B"),
        |(name, factor)| format!("{}{name}", bytes / factor),
    )
}

/// `5s`, `200ms`, `7d 12h`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// As [`parse_duration`] reads it back.
pub(super) fn format_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// `text`, if `parse` takes it and it lies within `range`; else what is wrong.
pub(super) fn within<T: PartialOrd>(
    parsed: Option<T>,
    range: &RangeInclusive<T>,
    noun: &str,
    show: impl Fn(&T) -> String,
) -> Result<T, String> {
    match parsed {
        Some(value) if range.contains(&value) => Ok(value),
        Some(value) if value < *range.start() => Err(format!("is less than {}", show(range.start()))),
        Some(_) => Err(format!("is more than {}", show(range.end()))),
        None => Err(format!("is not {noun}")),
    }
}

/// How a range is written in the reference.
pub(super) fn bounds<T>(range: &RangeInclusive<T>, show: impl Fn(&T) -> String) -> String {
    format!("{} to {}", show(range.start()), show(range.end()))
}
