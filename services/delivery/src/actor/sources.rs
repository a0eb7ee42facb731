//! Whether the events topic is still the one that it was.
//!
//! Nothing in a record names the topic that its event stands in, and one that is created anew begins with offset 0: to a
//! webhook its events look like repetitions. Fanout may not notice, for Kafka forgets what was committed of a topic that
//! is deleted. Whoever has seen events of both sees it.

use std::collections::HashMap;
use std::time::Duration;

use angarium_model::AcceptedAt;

use crate::record::Delivery;

/// The clocks of brokers differ by less: as much as delivery's own and theirs may (`clocks`). With another leader a
/// partition's times can go back by as much.
const CLOCKS: Duration = Duration::from_mins(5);

/// The farthest event of each partition of the events topic, of those that were met.
#[derive(Debug, Default)]
pub(super) struct Sources(HashMap<i32, (i64, AcceptedAt)>);

impl Sources {
    /// Whether an event shows that its partition of the events topic was created anew: it does not lie behind another, and
    /// was accepted after it. It is told once.
    pub(super) fn is_anew(&mut self, delivery: &Delivery) -> bool {
        if delivery.resent {
            return false;
        }
        let (source, accepted_at) = (delivery.source, delivery.accepted_at);
        let newest = self
            .0
            .entry(source.partition)
            .or_insert((source.offset, accepted_at));
        let is_anew = source.offset <= newest.0 && newest.1.age(accepted_at.unix_ms()) > CLOCKS;
        if is_anew || source.offset > newest.0 {
            *newest = (source.offset, accepted_at);
        }
        is_anew
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::group::tests::delivery;

    #[test]
    fn a_topic_that_begins_again_is_told_once_and_repetitions_are_not() {
        let mut sources = Sources::default();
        let mut told = |partition, offset, seconds: i64, resent| {
            let mut event = Arc::into_inner(delivery(offset, seconds * 1_000, "{}")).unwrap();
            (event.source.partition, event.resent) = (partition, resent);
            sources.is_anew(&event)
        };
        assert!(!told(0, 100, 1_000, false));
        assert!(!told(0, 101, 1_001, false));
        assert!(!told(0, 100, 1_000, false), "fanout repeats");
        assert!(!told(0, 7, 900, false), "and a long way back");
        assert!(!told(0, 99, 1_300, false), "the clocks of two brokers");
        assert!(!told(1, 3, 5_000, false), "another partition");
        assert!(!told(0, 0, 5_000, true), "sent again");
        assert!(told(0, 0, 5_000, false), "created anew");
        assert!(!told(0, 1, 5_001, false), "told once");
        assert!(told(0, 1, 9_000, false), "and anew once more");
    }
}
