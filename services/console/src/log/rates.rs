//! Attempts of a webhook counted a minute: how many went well, and how long they took.

use std::collections::BTreeMap;

/// The least difference that is told apart: an eighth of the time.
const PER_OCTAVE: u32 = 3;

/// What a webhook's attempts of one minute came to. Times are kept in buckets a twelfth wide or less on either side, so that
/// a minute takes a few hundred bytes whatever the traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Minute {
    /// Attempts that were answered 2xx.
    pub(crate) ok: u32,
    /// All others.
    pub(crate) failed: u32,
    times: BTreeMap<u16, u32>,
}

impl Minute {
    /// Counts one attempt, which took so many microseconds.
    pub(super) fn count(&mut self, ok: bool, us: u64) {
        let counted = if ok { &mut self.ok } else { &mut self.failed };
        *counted = counted.saturating_add(1);
        let times = self.times.entry(bucket(us)).or_default();
        *times = times.saturating_add(1);
    }

    fn add(&mut self, other: &Self) {
        self.ok = self.ok.saturating_add(other.ok);
        self.failed = self.failed.saturating_add(other.failed);
        for (bucket, count) in &other.times {
            let times = self.times.entry(*bucket).or_default();
            *times = times.saturating_add(*count);
        }
    }

    /// How many attempts there were.
    pub(crate) fn attempts(&self) -> u64 {
        u64::from(self.ok) + u64::from(self.failed)
    }

    /// How many in a thousand went well; `None` without attempts.
    pub(crate) fn permille(&self) -> Option<u64> {
        (u64::from(self.ok) * 1_000).checked_div(self.attempts())
    }

    /// About so many microseconds were enough for so many percent of the attempts; `None` without attempts.
    pub(crate) fn percentile(&self, percent: u64) -> Option<u64> {
        let wanted = (self.attempts() * percent).div_ceil(100).max(1);
        let mut seen = 0;
        self.times.iter().find_map(|(bucket, count)| {
            seen += u64::from(*count);
            (seen >= wanted).then(|| middle(*bucket))
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.times.len() * 6);
        bytes.extend(self.ok.to_be_bytes());
        bytes.extend(self.failed.to_be_bytes());
        for (bucket, count) in &self.times {
            bytes.extend(bucket.to_be_bytes());
            bytes.extend(count.to_be_bytes());
        }
        bytes
    }

    /// What [`encode`](Self::encode) made; what is no such thing is a minute without attempts.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let Some((head, rest)) = bytes.split_first_chunk::<8>() else {
            return Self::default();
        };
        let [a, b, c, d, e, f, g, h] = *head;
        let (entries, _) = rest.as_chunks::<6>();
        let entry = |[a, b, c, d, e, f]: &[u8; 6]| {
            (u16::from_be_bytes([*a, *b]), u32::from_be_bytes([*c, *d, *e, *f]))
        };
        Self {
            ok: u32::from_be_bytes([a, b, c, d]),
            failed: u32::from_be_bytes([e, f, g, h]),
            times: entries.iter().map(entry).collect(),
        }
    }
}

/// The last hour of a webhook.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hour {
    /// The 60 minutes, the oldest first; the last is under way.
    pub(crate) minutes: Vec<Minute>,
    /// All of them together.
    pub(crate) total: Minute,
}

impl FromIterator<Minute> for Hour {
    fn from_iter<I: IntoIterator<Item = Minute>>(minutes: I) -> Self {
        let minutes: Vec<Minute> = minutes.into_iter().collect();
        let mut total = Minute::default();
        for minute in &minutes {
            total.add(minute);
        }
        Self { minutes, total }
    }
}

/// Eight buckets between a time and its double.
fn bucket(us: u64) -> u16 {
    let us = us.max(1 << PER_OCTAVE);
    let octave = us.ilog2();
    let within = (us >> (octave - PER_OCTAVE)) & ((1 << PER_OCTAVE) - 1);
    u16::try_from((u64::from(octave) << PER_OCTAVE) | within).unwrap_or(u16::MAX)
}

/// The middle of a bucket.
fn middle(bucket: u16) -> u64 {
    let (octave, within) = (
        u32::from(bucket >> PER_OCTAVE),
        u64::from(bucket & ((1 << PER_OCTAVE) - 1)),
    );
    let Some(shift) = octave.checked_sub(PER_OCTAVE) else {
        return 0;
    };
    let least = ((1 << PER_OCTAVE) | within)
        .checked_shl(shift)
        .unwrap_or(u64::MAX);
    least.saturating_add(1u64.checked_shl(shift).unwrap_or(0) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_within_a_twelfth_of_the_truth() {
        for us in [9, 100, 1_234, 56_789, 5_000_000, 15_000_000] {
            let mut minute = Minute::default();
            minute.count(true, us);
            let told = minute.percentile(50).unwrap();
            assert!(told.abs_diff(us) * 12 <= us.max(12), "{us} is told as {told}");
        }
    }

    #[test]
    fn the_slowest_of_a_hundred_is_the_p99_only_together_with_another() {
        let mut minute = Minute::default();
        (0..98).for_each(|_| minute.count(true, 1_000));
        minute.count(false, 900_000);
        minute.count(false, 900_000);
        assert_eq!((minute.attempts(), minute.permille()), (100, Some(980)));
        assert!(minute.percentile(50).unwrap() < 1_100);
        assert!(minute.percentile(99).unwrap() > 800_000);
    }

    #[test]
    fn a_minute_reads_back_and_garbage_is_an_empty_one() {
        let mut minute = Minute::default();
        minute.count(true, 77);
        minute.count(false, u64::MAX);
        assert_eq!(Minute::decode(&minute.encode()), minute);
        assert_eq!(Minute::decode(&[1, 2]), Minute::default());
        assert_eq!(Minute::default().permille(), None);
        assert_eq!(Minute::default().percentile(50), None);
    }
}
