//! Whether what callers saw of one thing can have come from one register that is written and read at an instant
//! between each call and its answer (linearizability).
//!
//! Every write that is acknowledged tells its revision, and revisions give the order in which writes came into force. So
//! it is enough to check that this order agrees with what was seen, and with time.

use std::collections::BTreeMap;

use tokio::time::Instant;

/// One call and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) asked: Asked,
    pub(crate) at: Instant,
    pub(crate) answered_at: Instant,
    pub(crate) answer: Answer,
}

/// What a caller asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A value that nobody else writes; if it is given, only over this revision.
    Write {
        value: String,
        over: Option<i64>,
    },
    Read,
}

/// What a caller was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Written {
        revision: i64,
    },
    Read {
        revision: i64,
        value: String,
    },
    /// Not written, since this is the revision.
    Conflict {
        current: i64,
    },
    /// Certainly not written, or not read.
    Nothing,
    /// It may have been written, or may yet be.
    Unknown,
}

impl Answer {
    /// The revision that was current at some instant of the call.
    fn seen(&self) -> Option<i64> {
        match self {
            Self::Written { revision } | Self::Read { revision, .. } => Some(*revision),
            Self::Conflict { current } => Some(*current),
            Self::Nothing | Self::Unknown => None,
        }
    }
}

/// Checks the calls about one thing.
///
/// # Errors
/// What cannot have come from one register.
pub(crate) fn check(calls: &[Call]) -> Result<(), String> {
    let values = values(calls)?;
    let revisions: Vec<i64> = values
        .keys()
        .copied()
        .chain(calls.iter().filter_map(|call| call.answer.seen()))
        .collect();
    for call in calls {
        overwrote_what_it_wanted(call, &revisions)?;
    }
    in_order_of_time(calls)
}

/// The value of each revision that was told.
fn values(calls: &[Call]) -> Result<BTreeMap<i64, String>, String> {
    let mut values: BTreeMap<i64, String> = BTreeMap::new();
    let mut put = |revision, value: &String| match values.insert(revision, value.clone()) {
        Some(other) if other != *value => Err(format!("revision {revision} is both {other} and {value}")),
        _ => Ok(()),
    };
    for call in calls {
        match (&call.asked, &call.answer) {
            (Asked::Write { value, .. }, Answer::Written { revision })
            | (Asked::Read, Answer::Read { revision, value }) => put(*revision, value)?,
            _ => {}
        }
    }
    let mut written_once = BTreeMap::new();
    for (revision, value) in &values {
        let write = calls
            .iter()
            .find(|call| matches!(&call.asked, Asked::Write { value: written, .. } if written == value));
        let write = write.ok_or_else(|| format!("{value} was read at {revision} and never written"))?;
        if write.answer == Answer::Nothing || matches!(write.answer, Answer::Conflict { .. }) {
            return Err(format!("{value} was refused, and read at {revision}"));
        }
        if let Some(other) = written_once.insert(value, revision) {
            return Err(format!(
                "{value} was written once, and is at {other} and {revision}"
            ));
        }
        let early = calls
            .iter()
            .find(|call| call.answer.seen() == Some(*revision) && call.answered_at < write.at);
        if let Some(early) = early {
            return Err(format!("{value} was seen before it was written: {early:?}"));
        }
    }
    Ok(values)
}

/// A write over a revision came right behind it.
fn overwrote_what_it_wanted(call: &Call, revisions: &[i64]) -> Result<(), String> {
    let (Asked::Write { over: Some(over), .. }, Answer::Written { revision }) = (&call.asked, &call.answer)
    else {
        return Ok(());
    };
    match revisions
        .iter()
        .find(|between| (over + 1..*revision).contains(between))
    {
        Some(between) => Err(format!(
            "{between} is between {over} and what was written over it: {call:?}"
        )),
        None => Ok(()),
    }
}

/// Who asked after another was answered saw at least what that one saw, and wrote behind it.
fn in_order_of_time(calls: &[Call]) -> Result<(), String> {
    let mut answered: Vec<(Instant, i64)> = calls
        .iter()
        .filter_map(|call| Some((call.answered_at, call.answer.seen()?)))
        .collect();
    answered.sort_unstable();
    let mut asked: Vec<&Call> = calls.iter().filter(|call| call.answer.seen().is_some()).collect();
    asked.sort_by_key(|call| call.at);
    let mut answered = answered.into_iter().peekable();
    let mut highest = None;
    for call in asked {
        while let Some((_, revision)) = answered.next_if(|(at, _)| *at < call.at) {
            highest = highest.max(Some(revision));
        }
        let is_write = matches!(call.answer, Answer::Written { .. });
        let seen = call.answer.seen();
        if seen < highest || (is_write && seen == highest) {
            return Err(format!("{highest:?} had been answered before {call:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Story {
        begun: Instant,
        calls: Vec<Call>,
    }

    impl Story {
        fn new() -> Self {
            let mut story = Self {
                begun: Instant::now(),
                calls: Vec::new(),
            };
            story.write("a", None, (0, 1), Answer::Written { revision: 1 });
            story
        }

        fn call(&mut self, asked: Asked, (from, to): (u64, u64), answer: Answer) {
            self.calls.push(Call {
                asked,
                at: self.begun + Duration::from_secs(from * 10),
                answered_at: self.begun + Duration::from_secs(to * 10),
                answer,
            });
        }

        fn write(&mut self, value: &str, over: Option<i64>, time: (u64, u64), answer: Answer) {
            let value = value.to_owned();
            self.call(Asked::Write { value, over }, time, answer);
        }

        fn read(&mut self, value: &str, revision: i64, time: (u64, u64)) {
            let value = value.to_owned();
            self.call(Asked::Read, time, Answer::Read { revision, value });
        }
    }

    #[test]
    fn what_overlaps_may_come_in_either_order_and_what_is_unknown_may_have_happened() {
        let mut story = Story::new();
        story.write("b", Some(1), (2, 6), Answer::Written { revision: 5 });
        story.read("a", 1, (3, 4));
        story.read("b", 5, (3, 4));
        story.write("c", None, (7, 8), Answer::Unknown);
        story.read("b", 5, (9, 10));
        story.read("c", 9, (11, 12));
        story.write("d", Some(5), (13, 14), Answer::Conflict { current: 9 });
        check(&story.calls).unwrap();
    }

    #[test]
    fn what_one_register_cannot_have_said_is_found() {
        type Tell = fn(&mut Story);
        let broken: [(&str, Tell); 7] = [
            ("a stale read", |story| {
                story.write("b", None, (2, 3), Answer::Written { revision: 5 });
                story.read("a", 1, (4, 5));
            }),
            ("a write that is lost", |story| {
                story.write("b", None, (2, 3), Answer::Written { revision: 5 });
                story.write("c", Some(1), (4, 5), Answer::Written { revision: 7 });
            }),
            ("a refused write that is there", |story| {
                story.write("b", None, (2, 3), Answer::Nothing);
                story.read("b", 5, (4, 5));
            }),
            ("a value out of nowhere", |story| story.read("x", 5, (4, 5))),
            ("two values of a revision", |story| story.read("b", 1, (4, 5))),
            ("a conflict with what is past", |story| {
                story.write("b", None, (2, 3), Answer::Written { revision: 5 });
                story.write("c", Some(7), (4, 5), Answer::Conflict { current: 1 });
            }),
            ("a value before its time", |story| {
                story.read("b", 5, (2, 3));
                story.write("b", None, (4, 5), Answer::Unknown);
            }),
        ];
        for (what, tell) in broken {
            let mut story = Story::new();
            tell(&mut story);
            assert!(check(&story.calls).is_err(), "{what} was not found");
        }
    }
}
