//! What the notifier measures.

use angarium_runtime::metrics::Definition;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

use crate::decide::Kind;

const MAILS: Definition = Definition::counter(
    "angarium.notifier.mails",
    "{mail}",
    &["angarium.notice"],
    "Mails that the server took, by what they tell",
);
const FAILURES: Definition = Definition::counter(
    "angarium.notifier.failures",
    "{attempt}",
    &["error.type"],
    "Mails that were not handed in: the server is away or turns us away (`server`), the registry does not tell whom to write to \
     (`registry`): both are tried again; or the server refuses this mail for good (`refused`)",
);
const PASSED: Definition = Definition::counter(
    "angarium.notifier.passed_over",
    "{notice}",
    &["reason"],
    "Notices of which no mail was made: not worth one (`quiet`), told within the hour (`told`), too old (`old`), of a webhook that is no \
     more (`gone`), nobody to write to (`nobody`), or unreadable (`poison`)",
);

/// All of it.
pub const METRICS: &[Definition] = &[MAILS, FAILURES, PASSED];

/// The instruments; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    mails: Counter<u64>,
    failures: Counter<u64>,
    passed: Counter<u64>,
}

/// Why a mail was not handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Server,
    Registry,
    Refused,
}

/// Why no mail was made of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    Quiet,
    Told,
    Old,
    Gone,
    Nobody,
    Poison,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            mails: MAILS.count(),
            failures: FAILURES.count(),
            passed: PASSED.count(),
        };
        // There from the start: a rise from nothing is seen by no alert.
        for failure in [Failure::Server, Failure::Registry, Failure::Refused] {
            metrics.failed_by(failure, 0);
        }
        metrics
    }

    pub(crate) fn mailed(&self, kind: Kind) {
        self.mails
            .add(1, &[KeyValue::new("angarium.notice", kind.as_str())]);
    }

    pub(crate) fn failed(&self, failure: Failure) {
        self.failed_by(failure, 1);
    }

    fn failed_by(&self, failure: Failure, times: u64) {
        let class = match failure {
            Failure::Server => "server",
            Failure::Registry => "registry",
            Failure::Refused => "refused",
        };
        self.failures.add(times, &[KeyValue::new("error.type", class)]);
    }

    pub(crate) fn passed(&self, why: Passed) {
        let reason = match why {
            Passed::Quiet => "quiet",
            Passed::Told => "told",
            Passed::Old => "old",
            Passed::Gone => "gone",
            Passed::Nobody => "nobody",
            Passed::Poison => "poison",
        };
        self.passed.add(1, &[KeyValue::new("reason", reason)]);
    }
}
