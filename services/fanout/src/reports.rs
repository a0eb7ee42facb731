//! What has been produced and not yet been acknowledged, in the order of the source.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::Poll;

/// Delivery reports in the order of production, and how far the source is done.
///
/// Reports of different partitions arrive in any order; they count here only in the order of the source, so that
/// `acknowledged` never passes an event with a report missing.
#[derive(Debug)]
pub(crate) struct Reports<R> {
    queue: VecDeque<Entry<R>>,
    events: usize,
    bytes: usize,
    acknowledged: i64,
}

#[derive(Debug)]
enum Entry<R> {
    /// A delivery record that awaits its report.
    Report(R),
    /// All records of an event stand before this.
    EndOfEvent { next_offset: i64, bytes: usize },
}

impl<R, T, E> Reports<R>
where
    R: Future<Output = Result<T, E>> + Unpin,
{
    /// Nothing is pending, and all events below `acknowledged` are done.
    pub(crate) const fn new(acknowledged: i64) -> Self {
        Self {
            queue: VecDeque::new(),
            events: 0,
            bytes: 0,
            acknowledged,
        }
    }

    /// A record of the current event has been handed to the producer.
    pub(crate) fn push(&mut self, report: R) {
        self.queue.push_back(Entry::Report(report));
    }

    /// All records of the event before `next_offset` have been handed over, `bytes` in all; perhaps none.
    pub(crate) fn end_event(&mut self, next_offset: i64, bytes: usize) {
        self.events += 1;
        self.bytes += bytes;
        self.queue.push_back(Entry::EndOfEvent { next_offset, bytes });
    }

    /// The offset up to which, exclusively, every event has all its reports.
    pub(crate) const fn acknowledged(&self) -> i64 {
        self.acknowledged
    }

    /// Whether nothing is awaited.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether another event may be let in; below both limits one always is, whatever its size.
    pub(crate) const fn has_room(&self, max_events: NonZeroUsize, max_bytes: NonZeroUsize) -> bool {
        self.events < max_events.get() && self.bytes < max_bytes.get()
    }

    /// Waits for the oldest report and takes all that have arrived with it. Resolves at once when nothing is
    /// awaited. Cancelling it loses nothing.
    pub(crate) async fn settle(&mut self) -> Result<(), E> {
        poll_fn(|context| {
            let mut progress = false;
            while let Some(entry) = self.queue.front_mut() {
                match entry {
                    Entry::Report(report) => match Pin::new(report).poll(context) {
                        Poll::Ready(Ok(_)) => {}
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending if progress => return Poll::Ready(Ok(())),
                        Poll::Pending => return Poll::Pending,
                    },
                    Entry::EndOfEvent { next_offset, bytes } => {
                        self.acknowledged = *next_offset;
                        self.events -= 1;
                        self.bytes -= *bytes;
                    }
                }
                self.queue.pop_front();
                progress = true;
            }
            Poll::Ready(Ok(()))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    /// The producer's end of a report; dropped unsent it stands for a failure.
    type Promise = oneshot::Sender<()>;

    fn report(reports: &mut Reports<oneshot::Receiver<()>>) -> Promise {
        let (promise, report) = oneshot::channel();
        reports.push(report);
        promise
    }

    fn count(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    #[tokio::test]
    async fn no_event_is_acknowledged_before_every_report_at_or_below_it() {
        let mut reports = Reports::new(5);
        let (first, second) = (report(&mut reports), report(&mut reports));
        reports.end_event(6, 10);
        let third = report(&mut reports);
        reports.end_event(7, 10);

        third.send(()).unwrap();
        second.send(()).unwrap();
        assert!(reports.settle().now_or_never().is_none());
        assert_eq!(reports.acknowledged(), 5);

        first.send(()).unwrap();
        reports.settle().await.unwrap();
        assert_eq!(reports.acknowledged(), 7);
        assert!(reports.is_empty());
    }

    #[tokio::test]
    async fn an_event_that_no_webhook_wants_is_acknowledged_in_its_turn() {
        let mut reports = Reports::new(0);
        let promise = report(&mut reports);
        reports.end_event(1, 10);
        reports.end_event(2, 0);
        assert!(reports.settle().now_or_never().is_none());
        assert_eq!(reports.acknowledged(), 0);
        promise.send(()).unwrap();
        reports.settle().await.unwrap();
        assert_eq!(reports.acknowledged(), 2);
    }

    #[tokio::test]
    async fn a_failed_report_is_told_and_nothing_at_or_above_it_is_acknowledged() {
        let mut reports = Reports::new(0);
        let good = report(&mut reports);
        reports.end_event(1, 10);
        let failed = report(&mut reports);
        reports.end_event(2, 10);
        good.send(()).unwrap();
        drop(failed);
        assert!(reports.settle().await.is_err());
        assert_eq!(reports.acknowledged(), 1);
    }

    #[tokio::test]
    async fn both_limits_close_the_window_and_reports_open_it_again() {
        let mut reports = Reports::new(0);
        assert!(reports.has_room(count(2), count(100)));
        let first = report(&mut reports);
        reports.end_event(1, 100);
        assert!(!reports.has_room(count(2), count(100)), "bytes");
        let second = report(&mut reports);
        reports.end_event(2, 1);
        assert!(!reports.has_room(count(2), count(1_000)), "events");
        first.send(()).unwrap();
        second.send(()).unwrap();
        reports.settle().await.unwrap();
        assert!(reports.has_room(count(2), count(100)));
    }
}
