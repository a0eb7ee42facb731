//! When the batch lane of a webhook sends (E1): the slots of a cron expression in a time zone.
//!
//! Clock changes follow what people expect of cron. A fixed time (`30 2 * * *`) that the clock skips runs at the first
//! instant after the gap, and one that the clock repeats runs once. Anything else, with more than one time a day
//! (`*/15 * * * *`), runs in both halves of a repeated hour and not at all in a skipped one.

use angarium_model::TimetableSpec;
use chrono::DateTime;
use chrono_tz::Tz;
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use thiserror::Error;

/// The timetable of a webhook that names none: every 15 minutes, UTC.
pub const DEFAULT_CRON: &str = "*/15 * * * *";

/// Far more than a sensible expression; bounds what parsing costs.
const MAX_CRON_BYTES: usize = 256;

/// The fields in the order of the six-field form, and what each may hold.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0-59"),
    ("minute", "0-59"),
    ("hour", "0-23"),
    (
        "day of month",
        "1-31, L for the last, 15W for the nearest weekday",
    ),
    ("month", "1-12 or JAN-DEC"),
    (
        "weekday",
        "0-7 or SUN-SAT, FRI#2 for the second Friday, FRI#L for the last",
    ),
];

/// The slots at which a webhook's batch lane sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    cron: Cron,
    zone: Tz,
}

/// What a timetable says at one instant. Slots are Unix milliseconds at whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The slot to run now: the latest that has come and is not completed. Slots missed before it are made up by it.
    pub now: Option<i64>,
    /// The first slot after now.
    pub next: Option<i64>,
}

/// Why this is no timetable.
#[derive(Debug, Error)]
pub enum TimetableError {
    /// Too few or too many fields.
    #[error(
        "a timetable has 5 fields (minute, hour, day of month, month, weekday), or 6 with the second first; this has \
         {count}: for every quarter of an hour write `{DEFAULT_CRON}`"
    )]
    FieldCount {
        /// How many it has.
        count: usize,
    },
    /// The expression is longer than any sensible one.
    #[error("the timetable has {bytes} bytes, at most {MAX_CRON_BYTES} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// One field cannot be read.
    #[error(
        "the {name} of the timetable cannot be `{text}`: allowed are {allowed}, with `*`, lists `1,2`, ranges `1-5` \
         and steps `*/5`"
    )]
    Field {
        /// Which field.
        name: &'static str,
        /// What it holds.
        text: String,
        /// What it may hold.
        allowed: &'static str,
        /// The parser's own words.
        #[source]
        source: CronError,
    },
    /// Each field can be read, but not together.
    #[error("the timetable `{text}` cannot be read")]
    Cron {
        /// The expression.
        text: String,
        /// The parser's own words.
        #[source]
        source: CronError,
    },
    /// The expression has no slot.
    #[error("the timetable `{text}` never comes: no month has such a day")]
    Never {
        /// The expression.
        text: String,
    },
    /// The time zone is unknown.
    #[error("unknown time zone `{name}`: give an IANA name such as `Europe/Berlin`, or none for UTC")]
    TimeZone {
        /// What was given; of a long one, its beginning.
        name: String,
    },
}

impl Timetable {
    /// Reads a cron expression of five fields, or six with seconds first, in an IANA time zone (empty: UTC).
    ///
    /// # Errors
    /// [`TimetableError`] says what is wrong, and in which field.
    pub fn parse(cron: &str, time_zone: &str) -> Result<Self, TimetableError> {
        if cron.len() > MAX_CRON_BYTES {
            return Err(TimetableError::TooLong { bytes: cron.len() });
        }
        check_fields(cron)?;
        let text = || cron.to_owned();
        let zone = parse_zone(time_zone)?;
        let cron = parser()
            .parse(cron)
            .map_err(|source| TimetableError::Cron { text: text(), source })?;
        let timetable = Self { cron, zone };
        match timetable.next_after(0) {
            Some(_) => Ok(timetable),
            None => Err(TimetableError::Never { text: text() }),
        }
    }

    /// The first slot strictly after an instant, both in Unix milliseconds. `None` only near the end of the calendar.
    #[must_use]
    pub fn next_after(&self, unix_ms: i64) -> Option<i64> {
        self.cron
            .find_next_occurrence(&self.local(unix_ms)?, false)
            .ok()
            .map(|slot| slot.timestamp_millis())
    }

    /// What to run at `now_ms`, when the slot `last_slot_ms` was the last one completed.
    ///
    /// However many slots went by since, one run makes up for them: it sends all that was waiting. A webhook that never
    /// ran passes the time it was created or switched on.
    #[must_use]
    pub fn due(&self, last_slot_ms: i64, now_ms: i64) -> Due {
        let now = self.latest_until(now_ms).filter(|slot| *slot > last_slot_ms);
        Due {
            now,
            next: self.next_after(now_ms),
        }
    }

    fn latest_until(&self, unix_ms: i64) -> Option<i64> {
        self.cron
            .find_previous_occurrence(&self.local(unix_ms)?, true)
            .ok()
            .map(|slot| slot.timestamp_millis())
    }

    /// The second that an instant is in: slots are whole seconds.
    fn local(&self, unix_ms: i64) -> Option<DateTime<Tz>> {
        DateTime::from_timestamp(unix_ms.div_euclid(1000), 0).map(|second| second.with_timezone(&self.zone))
    }
}

impl Default for Timetable {
    #[expect(clippy::expect_used, reason = "a constant, and a test parses it")]
    fn default() -> Self {
        Self::parse(DEFAULT_CRON, "").expect("the default timetable parses")
    }
}

impl TryFrom<&TimetableSpec> for Timetable {
    type Error = TimetableError;

    fn try_from(spec: &TimetableSpec) -> Result<Self, Self::Error> {
        Self::parse(&spec.cron, &spec.time_zone)
    }
}

fn parser() -> CronParser {
    CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build()
}

fn parse_zone(name: &str) -> Result<Tz, TimetableError> {
    if name.is_empty() {
        return Ok(Tz::UTC);
    }
    /// How much of an unknown name is told again, in characters.
    const SHOWN: usize = 64;
    name.parse().ok().ok_or_else(|| TimetableError::TimeZone {
        name: name.chars().take(SHOWN).collect(),
    })
}

/// Tries each field alone, as the parser does not say in which one it stumbled.
fn check_fields(cron: &str) -> Result<(), TimetableError> {
    let given: Vec<&str> = cron.split_whitespace().collect();
    let fields = match given.len() {
        5 => &FIELDS[1..],
        6 => &FIELDS[..],
        count => return Err(TimetableError::FieldCount { count }),
    };
    for (place, (text, (name, allowed))) in given.iter().zip(fields).enumerate() {
        let mut alone = vec!["*"; given.len()];
        alone[place] = text;
        parser()
            .parse(&alone.join(" "))
            .map_err(|source| TimetableError::Field {
                name,
                text: (*text).to_owned(),
                allowed,
                source,
            })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE_MS: i64 = 60_000;
    const HOUR_MS: i64 = 60 * MINUTE_MS;
    const BERLIN: &str = "Europe/Berlin";

    fn timetable(cron: &str, zone: &str) -> Timetable {
        Timetable::parse(cron, zone).unwrap()
    }

    fn ms(rfc3339: &str) -> i64 {
        DateTime::parse_from_rfc3339(rfc3339).unwrap().timestamp_millis()
    }

    fn utc(slot: Option<i64>) -> String {
        DateTime::from_timestamp_millis(slot.unwrap())
            .unwrap()
            .format("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
    }

    /// The next slots after an instant, in UTC.
    fn slots(timetable: &Timetable, after: &str, count: usize) -> Vec<String> {
        std::iter::successors(Some(ms(after)), |at| timetable.next_after(*at))
            .skip(1)
            .take(count)
            .map(|slot| utc(Some(slot)))
            .collect()
    }

    #[test]
    fn the_default_is_every_quarter_of_an_hour_in_utc() {
        let expected = [
            "2024-09-27T05:30:00Z",
            "2024-09-27T05:45:00Z",
            "2024-09-27T06:00:00Z",
        ];
        assert_eq!(
            slots(&Timetable::default(), "2024-09-27T05:24:03.500Z", 3),
            expected
        );
    }

    #[test]
    fn a_slot_is_strictly_after_and_to_the_millisecond() {
        let at = ms("2024-09-27T05:30:00Z");
        let quarter = Timetable::default();
        assert_eq!(quarter.next_after(at - 1), Some(at));
        assert_eq!(quarter.next_after(at), Some(at + 15 * MINUTE_MS));
        assert_eq!(quarter.next_after(-1), Some(0));
    }

    #[test]
    fn six_fields_start_with_seconds() {
        let expected = [
            "2024-09-27T05:24:06Z",
            "2024-09-27T05:24:09Z",
            "2024-09-27T05:24:12Z",
        ];
        assert_eq!(
            slots(&timetable("*/3 * * * * *", ""), "2024-09-27T05:24:03Z", 3),
            expected
        );
    }

    #[test]
    fn a_time_zone_moves_the_slots() {
        let nightly = timetable("0 3 * * MON-FRI", BERLIN);
        let expected = ["2024-09-30T01:00:00Z", "2024-10-01T01:00:00Z"];
        assert_eq!(slots(&nightly, "2024-09-27T05:00:00Z", 2), expected);
    }

    #[test]
    fn a_fixed_time_that_the_clock_skips_runs_right_after_the_gap() {
        let nightly = timetable("30 2 * * *", BERLIN);
        let expected = [
            "2025-03-29T01:30:00Z",
            "2025-03-30T01:00:00Z",
            "2025-03-31T00:30:00Z",
        ];
        assert_eq!(slots(&nightly, "2025-03-29T00:00:00Z", 3), expected);
    }

    #[test]
    fn a_fixed_time_that_the_clock_repeats_runs_once() {
        let nightly = timetable("30 2 * * *", BERLIN);
        let expected = [
            "2025-10-25T00:30:00Z",
            "2025-10-26T00:30:00Z",
            "2025-10-27T01:30:00Z",
        ];
        assert_eq!(slots(&nightly, "2025-10-25T00:00:00Z", 3), expected);
    }

    #[test]
    fn a_step_keeps_its_pace_through_clock_changes() {
        let half_hours = timetable("*/30 * * * *", BERLIN);
        for change in ["2025-03-30T01:00:00Z", "2025-10-26T01:00:00Z"] {
            let start = ms(change) - 2 * HOUR_MS;
            let paced: Vec<i64> = std::iter::successors(Some(start), |at| half_hours.next_after(*at))
                .take(9)
                .collect();
            let expected: Vec<i64> = (0..9).map(|step| start + step * 30 * MINUTE_MS).collect();
            assert_eq!(paced, expected, "{change}");
        }
    }

    #[test]
    fn nothing_is_due_until_the_next_slot() {
        let last = ms("2024-09-27T05:15:00Z");
        let due = Timetable::default().due(last, last + 15 * MINUTE_MS - 1);
        assert_eq!(
            due,
            Due {
                now: None,
                next: Some(last + 15 * MINUTE_MS)
            }
        );
    }

    #[test]
    fn a_slot_is_due_from_its_instant_until_it_is_completed() {
        let slot = ms("2024-09-27T05:30:00Z");
        let next = Some(slot + 15 * MINUTE_MS);
        let quarter = Timetable::default();
        assert_eq!(
            quarter.due(slot - 15 * MINUTE_MS, slot),
            Due {
                now: Some(slot),
                next
            }
        );
        assert_eq!(
            quarter.due(slot - 15 * MINUTE_MS, slot + 1),
            Due {
                now: Some(slot),
                next
            }
        );
        assert_eq!(quarter.due(slot, slot + 1), Due { now: None, next });
    }

    #[test]
    fn missed_slots_are_made_up_once() {
        let quarter = Timetable::default();
        let last = ms("2024-09-20T05:15:00Z");
        let now = ms("2024-09-27T05:24:03Z");
        let due = quarter.due(last, now);
        assert_eq!(utc(due.now), "2024-09-27T05:15:00Z");
        assert_eq!(utc(due.next), "2024-09-27T05:30:00Z");
        assert_eq!(quarter.due(due.now.unwrap(), now).now, None);
    }

    #[test]
    fn a_clock_set_back_makes_nothing_due_twice() {
        let last = ms("2024-09-27T05:30:00Z");
        assert_eq!(Timetable::default().due(last, last - HOUR_MS).now, None);
    }

    #[test]
    fn errors_name_the_field_and_what_it_may_hold() {
        let error = |cron: &str| Timetable::parse(cron, "").unwrap_err();
        for (cron, fields) in [("", 0), ("@hourly", 1), ("0 0 0 1 1 * 2030", 7)] {
            assert!(
                matches!(error(cron), TimetableError::FieldCount { count } if count == fields),
                "{cron}"
            );
        }
        for (cron, field) in [
            ("61 * * * * *", "second"),
            ("61 * * * *", "minute"),
            ("0 24 * * *", "hour"),
            ("0 0 32 * *", "day of month"),
            ("0 0 1 13 *", "month"),
            ("0 0 * * FRIDAYS", "weekday"),
            ("*/0 * * * *", "minute"),
        ] {
            let error = error(cron);
            assert!(
                matches!(&error, TimetableError::Field { name, .. } if *name == field),
                "{cron}: {error:?}"
            );
        }
        assert!(matches!(error("0 0 31 2 *"), TimetableError::Never { .. }));
        assert!(matches!(
            error(&"* ".repeat(200)),
            TimetableError::TooLong { bytes: 400 }
        ));
    }

    #[test]
    fn an_unknown_time_zone_is_named() {
        let long = Timetable::parse("0 3 * * *", &"x".repeat(1_000_000)).unwrap_err();
        assert!(long.to_string().len() < 200);
        let error = Timetable::parse("0 3 * * *", "Europe/Berln").unwrap_err();
        assert!(error.to_string().contains("`Europe/Berln`"), "{error}");
    }

    #[test]
    fn a_spec_of_the_model_without_a_zone_is_utc() {
        let spec = TimetableSpec {
            cron: DEFAULT_CRON.to_owned(),
            time_zone: String::new(),
        };
        assert_eq!(Timetable::try_from(&spec).unwrap(), Timetable::default());
    }

    fn any_timetable() -> impl Strategy<Value = Timetable> {
        let crons = [
            DEFAULT_CRON,
            "*/7 * * * * *",
            "30 2 * * *",
            "15,45 1-3 * * *",
            "0 0 1 * *",
            "0 2 * * SUN#L",
        ];
        let zones = [
            "",
            BERLIN,
            "America/New_York",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "Africa/Casablanca",
        ];
        (
            prop::sample::select(crons.to_vec()),
            prop::sample::select(zones.to_vec()),
        )
            .prop_map(|(cron, zone)| timetable(cron, zone))
    }

    /// Half of the instants lie within two days of Berlin's clock changes in 2025.
    fn any_instant() -> impl Strategy<Value = i64> {
        let day = 24 * HOUR_MS;
        prop_oneof![
            0..4_102_444_800_000_i64,
            (ms("2025-03-30T01:00:00Z") - 2 * day)..(ms("2025-03-30T01:00:00Z") + 2 * day),
            (ms("2025-10-26T01:00:00Z") - 2 * day)..(ms("2025-10-26T01:00:00Z") + 2 * day),
        ]
    }

    proptest! {
        #[test]
        fn the_due_slot_is_the_last_that_came_and_running_it_settles_all(
            timetable in any_timetable(),
            now in any_instant(),
        ) {
            let due = timetable.due(i64::MIN, now);
            let (slot, next) = (due.now.unwrap(), due.next.unwrap());
            prop_assert!(slot <= now && now < next, "{} <= {} < {}", slot, now, next);
            prop_assert_eq!(timetable.next_after(slot), Some(next));
            prop_assert_eq!(timetable.next_after(slot - 1), Some(slot));
            prop_assert_eq!(timetable.due(slot, now), Due { now: None, next: Some(next) });
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(cron in "[0-9*/,LW#?+@A-Z -]{0,30}", at: i64) {
            if let Ok(timetable) = Timetable::parse(&cron, "") {
                let due = timetable.due(0, at);
                prop_assert!(due.next.is_none_or(|next| next > at));
            }
        }
    }
}
