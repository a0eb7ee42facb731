//! What is decided of a partition of the events topic: under which view of the registry an event is matched, how far its
//! events are done, what is committed, what comes again after a failure, and when a newer view is taken. No I/O: `source`
//! carries it out, and delivery's simulation does, in worlds where anything may fail between any two steps.

use std::num::NonZeroUsize;

use angarium_directory::Directory;
#[cfg(feature = "simulation")]
use angarium_directory::View;
use angarium_kafka::Record;

use crate::config::Config;
use crate::matching::{Fanned, Matcher, Poison};
use crate::reports::Reports;
use crate::sight::Sight;

/// How many events of a partition may await their reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) events: NonZeroUsize,
    /// Of their deliveries. One event is always let in.
    pub(crate) bytes: NonZeroUsize,
}

impl Limits {
    pub(crate) const fn of(config: &Config) -> Self {
        Self {
            events: config.max_pending_events,
            bytes: config.max_pending_bytes,
        }
    }
}

/// What a newer view waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// Reports of what was decided under the old one.
    Reports,
    /// That the commit of this offset is accepted.
    Commit(i64),
}

/// A partition, from assignment to release. `R` is what a producer's report is awaited by.
#[derive(Debug)]
pub(crate) struct Forwarding<R> {
    limits: Limits,
    /// Kept over failures: what is not committed was decided under it.
    sight: Sight,
    reports: Reports<R>,
    /// Where it began, or went back to.
    began: i64,
    /// What was given to commit.
    committed: i64,
    /// An event is being handed over: what it becomes is decided, and no commit says so yet.
    in_event: bool,
}

impl<R, T, E> Forwarding<R>
where
    R: Future<Output = Result<T, E>> + Unpin,
{
    /// All events below `next` are done. Matches against the view of this moment until a newer one may be taken.
    pub(crate) fn new(directory: Directory, limits: Limits, next: i64) -> Self {
        Self {
            limits,
            sight: Sight::of(directory),
            reports: Reports::new(next),
            began: next,
            committed: next,
            in_event: false,
        }
    }

    /// All events below are done: every record that they became is acknowledged.
    pub(crate) const fn done(&self) -> i64 {
        self.reports.acknowledged()
    }

    /// Whether an event has got through since it began, or went back.
    pub(crate) const fn has_got_on(&self) -> bool {
        self.done() > self.began
    }

    /// Whether nothing is awaited.
    pub(crate) fn is_idle(&self) -> bool {
        self.reports.is_empty()
    }

    /// Whether another event may be forwarded.
    pub(crate) const fn has_room(&self) -> bool {
        self.reports.has_room(self.limits.events, self.limits.bytes)
    }

    /// Matches an event. Its records are to be handed over in order, each told by [`handed_over`](Self::handed_over),
    /// and behind them its end. What cannot be read is passed over.
    pub(crate) fn fan_out(&mut self, matcher: &Matcher, record: &Record) -> Result<Fanned, Poison> {
        let fanned = matcher.fan_out(record, self.sight.view());
        self.in_event = true;
        if fanned.is_err() {
            self.end_event(record.offset, 0);
        }
        fanned
    }

    /// A producer has taken a record of the event.
    pub(crate) fn handed_over(&mut self, report: R) {
        self.reports.push(report);
    }

    /// A producer has taken all records of the event at this offset, `bytes` in all; perhaps none.
    pub(crate) fn end_event(&mut self, offset: i64, bytes: usize) {
        self.reports.end_event(offset + 1, bytes);
        self.in_event = false;
    }

    /// Waits for the oldest report, as [`Reports::settle`] does. An error is a record that was not acknowledged: go back.
    pub(crate) async fn settle(&mut self) -> Result<(), E> {
        self.reports.settle().await
    }

    /// What is to be committed, if that has moved.
    pub(crate) fn commit(&mut self) -> Option<i64> {
        let done = self.done();
        (done > self.committed).then(|| {
            self.committed = done;
            done
        })
    }

    /// After a failure: nothing is awaited any more, and all that is not done comes again from this offset on, under the
    /// same view.
    pub(crate) fn go_back(&mut self) -> i64 {
        self.began = self.done();
        self.committed = self.began;
        self.reports = Reports::new(self.began);
        self.in_event = false;
        self.began
    }

    /// What events are matched against.
    #[cfg(feature = "simulation")]
    pub(crate) const fn view(&self) -> &View {
        self.sight.view()
    }

    /// Resolves when there is a newer view.
    pub(crate) fn outdated(&self) -> impl Future<Output = ()> + use<R, T, E> {
        self.sight.outdated()
    }

    /// What a newer view waits for; `None` if there is none. To be asked before each batch of events, and done.
    pub(crate) fn renewal(&self) -> Option<Renewal> {
        if self.sight.is_current() {
            None
        } else if self.is_idle() && !self.in_event {
            Some(Renewal::Commit(self.done()))
        } else {
            Some(Renewal::Reports)
        }
    }

    /// The commit that a newer view waits for is accepted: it is taken, unless something was decided meanwhile.
    pub(crate) fn accepted(&mut self, offset: i64) {
        if self.renewal() == Some(Renewal::Commit(offset)) {
            self.sight.renew();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use futures::FutureExt;
    use tokio::sync::oneshot;

    use super::*;
    use crate::matching::tests::{event, webhook};

    type Report = oneshot::Receiver<()>;

    fn forwarding(directory: &Directory) -> Forwarding<Report> {
        Forwarding::new(directory.clone(), Limits::of(&Config::default()), 5)
    }

    /// The event at `offset` becomes one record.
    fn forward(forwarding: &mut Forwarding<Report>, offset: i64) -> oneshot::Sender<()> {
        let (promise, report) = oneshot::channel();
        forwarding.handed_over(report);
        forwarding.end_event(offset, 1);
        promise
    }

    fn settle(forwarding: &mut Forwarding<Report>) -> Option<Result<(), oneshot::error::RecvError>> {
        forwarding.settle().now_or_never()
    }

    /// Finding 1 of docs/model-findings.md.
    #[test]
    fn a_newer_view_waits_for_all_reports_and_then_for_the_commit_of_all_that_was_decided() {
        let directory = Directory::fixed([], [webhook(1, true)]);
        let mut forwarding = forwarding(&directory);
        let promise = forward(&mut forwarding, 5);
        assert_eq!(forwarding.renewal(), None);
        directory.put(webhook(2, true));
        assert_eq!(forwarding.renewal(), Some(Renewal::Reports));
        promise.send(()).unwrap();
        settle(&mut forwarding).unwrap().unwrap();
        assert_eq!(forwarding.renewal(), Some(Renewal::Commit(6)));
        let late = forward(&mut forwarding, 6);
        forwarding.accepted(6);
        assert_eq!(
            forwarding.renewal(),
            Some(Renewal::Reports),
            "more was decided under the old one"
        );
        late.send(()).unwrap();
        settle(&mut forwarding).unwrap().unwrap();
        forwarding.accepted(7);
        assert_eq!(forwarding.renewal(), None);
    }

    #[test]
    fn no_newer_view_is_taken_within_an_event() {
        let directory = Directory::fixed([], [webhook(1, true)]);
        let mut forwarding = forwarding(&directory);
        let matcher = Matcher::new(crate::matching::Partitions {
            realtime: NonZeroU32::MIN,
            batch: NonZeroU32::MIN,
        });
        forwarding.fan_out(&matcher, &event("CI_STATS", None)).unwrap();
        directory.put(webhook(2, true));
        // Nothing of it is awaited: its records were acknowledged as soon as they were handed over.
        assert!(forwarding.is_idle());
        forwarding.accepted(5);
        assert_eq!(forwarding.renewal(), Some(Renewal::Reports));
        forwarding.end_event(5, 0);
        settle(&mut forwarding).unwrap().unwrap();
        assert_eq!(forwarding.renewal(), Some(Renewal::Commit(6)));
    }

    #[test]
    fn after_a_bad_report_all_that_is_not_done_comes_again_under_the_same_view() {
        let directory = Directory::fixed([], [webhook(1, true)]);
        let mut forwarding = forwarding(&directory);
        let promises = [5, 6, 7].map(|offset| forward(&mut forwarding, offset));
        directory.put(webhook(2, true));
        let [first, second, third] = promises;
        first.send(()).unwrap();
        drop(second);
        third.send(()).unwrap();
        assert!(settle(&mut forwarding).unwrap().is_err());
        assert!(forwarding.has_got_on());
        assert_eq!(forwarding.commit(), Some(6));
        assert_eq!(forwarding.go_back(), 6);
        assert!(forwarding.is_idle() && !forwarding.has_got_on());
        assert_eq!(forwarding.commit(), None, "it is told once");
        assert_eq!(
            forwarding.renewal(),
            Some(Renewal::Commit(6)),
            "the newer view still waits"
        );
    }
}
