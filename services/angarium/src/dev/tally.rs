//! Counts what became of what `angarium dev` itself published.

use std::collections::BTreeMap;

use angarium_model::samples::INVALID;

/// The number of the first event; the samples follow it, from 1.
pub(super) const WARM_UP: usize = 0;
/// How many samples there are.
pub(super) const SAMPLES: usize = angarium_model::samples::AS_PUBLISHED.len();

/// How far an accepted event has come; later is further.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    #[default]
    Accepted,
    Matched,
    /// A receiver confirmed it.
    Delivered,
    /// Ours did, having verified the signature and found the event in the request.
    Verified,
}

/// What is known of an accepted event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) stage: Stage,
    /// It has a row in the table.
    pub(super) told: bool,
    /// From acceptance to receipt, in milliseconds; for real-time events.
    pub(super) realtime_ms: Option<i64>,
}

/// What became of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Accepted(Progress),
    /// Refused, and whether the answer names line and column.
    Refused {
        status: u16,
        placed: bool,
    },
    /// Taken for a repeat.
    Duplicate,
}

/// Everything that was published, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    published: BTreeMap<usize, (&'static str, Fate)>,
}

impl Tally {
    pub(super) fn set(&mut self, number: usize, title: &'static str, fate: Fate) {
        self.published.insert(number, (title, fate));
    }

    pub(super) fn is_verified(&self, number: usize) -> bool {
        matches!(self.published.get(&number), Some((_, Fate::Accepted(p))) if p.stage == Stage::Verified && p.told)
    }

    pub(super) fn is_told(&self, number: usize) -> bool {
        self.published.get(&number).is_some_and(|(_, fate)| match fate {
            Fate::Accepted(progress) => progress.told,
            Fate::Refused { .. } | Fate::Duplicate => true,
        })
    }

    fn samples(&self) -> impl Iterator<Item = (&'static str, &Fate)> {
        self.published
            .range(WARM_UP + 1..)
            .map(|(_, (title, fate))| (*title, fate))
    }

    /// Nothing more is to be expected of any sample.
    pub(super) fn all_ended(&self) -> bool {
        let ended = |fate: &Fate| match fate {
            Fate::Accepted(progress) => progress.stage == Stage::Verified && progress.told,
            Fate::Refused { .. } | Fate::Duplicate => true,
        };
        self.samples().filter(|(_, fate)| ended(fate)).count() == SAMPLES
    }

    /// How many samples came at least as far as `stage`.
    pub(super) fn reached(&self, stage: Stage) -> usize {
        self.samples()
            .filter(|(_, fate)| matches!(fate, Fate::Accepted(p) if p.stage >= stage))
            .count()
    }

    pub(super) fn refused(&self) -> usize {
        self.samples()
            .filter(|(_, fate)| matches!(fate, Fate::Refused { .. }))
            .count()
    }

    /// The times of the real-time samples, ascending, in milliseconds.
    pub(super) fn realtime_ms(&self) -> Vec<i64> {
        let time = |(_, fate): (_, &Fate)| match fate {
            Fate::Accepted(progress) => progress.realtime_ms,
            Fate::Refused { .. } | Fate::Duplicate => None,
        };
        let mut times: Vec<_> = self.samples().filter_map(time).collect();
        times.sort_unstable();
        times
    }

    /// A line for each sample that did not do what E7 says: two are refused, with their place; all others arrive.
    pub(super) fn not_as_promised(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .samples()
            .filter_map(|(title, fate)| Some(format!("{title}: {}", wrong(title, fate)?)))
            .collect();
        let published = self.samples().count();
        if published < SAMPLES {
            lines.push(format!("{} samples were not published", SAMPLES - published));
        }
        lines
    }
}

fn wrong(title: &str, fate: &Fate) -> Option<String> {
    let invalid = INVALID.contains(&title);
    match fate {
        Fate::Refused {
            status: 400,
            placed: true,
        } if invalid => None,
        Fate::Refused { status, .. } if invalid => Some(format!(
            "was refused with {status}, and not with 400 and its line and column"
        )),
        Fate::Refused { status, .. } => Some(format!("was refused with {status}")),
        Fate::Duplicate => Some("was taken for a repeat".to_owned()),
        Fate::Accepted(_) if invalid => Some("was accepted, and is no JSON".to_owned()),
        Fate::Accepted(Progress { stage, .. }) => match stage {
            Stage::Accepted => Some("was accepted and not matched".to_owned()),
            Stage::Matched => Some("was matched and not delivered".to_owned()),
            Stage::Delivered => Some("was delivered and not verified".to_owned()),
            Stage::Verified => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use angarium_model::samples::AS_PUBLISHED;

    use super::*;

    fn as_promised() -> Tally {
        let mut tally = Tally::default();
        for (number, sample) in (1..).zip(&AS_PUBLISHED) {
            let fate = if INVALID.contains(&sample.title) {
                Fate::Refused {
                    status: 400,
                    placed: true,
                }
            } else {
                Fate::Accepted(Progress {
                    stage: Stage::Verified,
                    told: true,
                    realtime_ms: None,
                })
            };
            tally.set(number, sample.title, fate);
        }
        tally
    }

    #[test]
    fn e7_two_samples_are_refused_and_25_arrive() {
        let mut tally = as_promised();
        assert_eq!((tally.refused(), tally.reached(Stage::Verified)), (2, 25));
        assert!(tally.all_ended() && tally.not_as_promised().is_empty());
        // The first event is no sample.
        tally.set(WARM_UP, "INTRODUCTION", Fate::Duplicate);
        assert!(tally.not_as_promised().is_empty());
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut tally = as_promised();
        tally.set(
            1,
            "CI_STATS",
            Fate::Accepted(Progress {
                stage: Stage::Matched,
                ..Progress::default()
            }),
        );
        tally.set(
            8,
            "COURSE_UNENROLLMENT",
            Fate::Refused {
                status: 400,
                placed: false,
            },
        );
        assert!(!tally.all_ended());
        let lines = tally.not_as_promised();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0], "CI_STATS: was matched and not delivered");
        assert!(Tally::default().not_as_promised()[0].starts_with("27 samples"));
    }
}
