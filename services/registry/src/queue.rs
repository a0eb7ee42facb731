//! What waits for the writer of a partition.

use angarium_model::Access;
use angarium_runtime::{Permit, UnderWay};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::home::Home;
use crate::metrics::Writes;
use crate::plan::Write;
use crate::refusal::Refusal;
use crate::writers::Stored;

/// One home has this part of the room, or a single place: others of the partition have the rest.
const SHARE: usize = 8;

/// A write that waits for its turn.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) write: Write,
    /// Who wants it.
    pub(crate) by: Access,
    /// From then on nobody should wait for it any more.
    pub(crate) deadline: Instant,
    /// From then on it must not be written, Unix milliseconds: what it stands on may be no more.
    pub(crate) until_ms: Option<i64>,
    pub(crate) reply: oneshot::Sender<Result<Stored, Refusal>>,
    /// Held until it has its turn.
    place: Option<Permit<Home>>,
}

/// Where writes are handed to a writer. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Command>,
    waiting: UnderWay<Home>,
    writes: Writes,
}

impl Queue {
    /// Room for so many.
    pub(crate) fn new(room: usize) -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(room);
        // That all of it is taken, the channel says.
        let waiting = UnderWay::new(usize::MAX, (room / SHARE).max(1));
        let writes = Writes::new();
        let queue = Self {
            sender,
            waiting,
            writes,
        };
        (queue, receiver)
    }

    /// Hands a write to the writer, and answers once it is read back. What has been handed over happens even if the
    /// caller goes away.
    pub(crate) async fn write(
        &self,
        asked: (Write, Access),
        deadline: Instant,
        until_ms: Option<i64>,
    ) -> Result<Stored, Refusal> {
        let begun = Instant::now();
        let result = self.hand_over(asked, deadline, until_ms).await;
        self.writes.ended(&result, begun.elapsed().as_secs_f64());
        result
    }

    async fn hand_over(
        &self,
        (write, by): (Write, Access),
        deadline: Instant,
        until_ms: Option<i64>,
    ) -> Result<Stored, Refusal> {
        // Who takes a key away is not kept out by who has it.
        let place = match self.waiting.begin(write.home()) {
            Err(_full) if !write.goes_ahead() => return Err(Refusal::Busy),
            place => place.ok(),
        };
        let (reply, answer) = oneshot::channel();
        let command = Command {
            write,
            by,
            deadline,
            until_ms,
            reply,
            place,
        };
        match self.sender.try_send(command) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(Refusal::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Refusal::NotWriter),
        }
        // A writer that ended in the middle of it has told nobody how far it got.
        answer.await.unwrap_or(Err(Refusal::Unknown))
    }
}

impl Command {
    /// Its turn has come: another of its home may wait.
    pub(crate) fn begins(&mut self) {
        self.place = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use angarium_model::{AccountId, KeyId};

    use super::*;
    use crate::plan::{ApiKeyWrite, Expected, Subject};

    const ROOM: usize = 16;

    fn read(account: u64) -> Write {
        Write::Read(Subject::Account(AccountId::new(account).unwrap()))
    }

    fn revocation(account: u64) -> Write {
        Write::ApiKey(ApiKeyWrite::Delete {
            home: Home::Account(AccountId::new(account).unwrap()),
            id: KeyId::from_bytes([7; 16]),
            expected: Expected::from_wire(0),
        })
    }

    /// Hands a write over, and says how it is refused at once, if it is.
    async fn hand_over(queue: &Queue, write: Write) -> Option<Refusal> {
        let deadline = Instant::now() + Duration::from_secs(5);
        let answer = queue.write((write, Access::OPERATOR), deadline, None);
        match futures::poll!(std::pin::pin!(answer)) {
            std::task::Poll::Ready(answer) => Some(answer.unwrap_err()),
            std::task::Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn one_account_leaves_room_for_others_and_for_the_revocation_of_its_keys() {
        let (queue, mut commands) = Queue::new(ROOM);
        for _ in 0..ROOM / SHARE {
            assert!(hand_over(&queue, read(1)).await.is_none());
        }
        assert!(matches!(hand_over(&queue, read(1)).await, Some(Refusal::Busy)));
        assert!(hand_over(&queue, read(2)).await.is_none());
        assert!(hand_over(&queue, revocation(1)).await.is_none());
        commands.recv().await.unwrap().begins();
        assert!(hand_over(&queue, read(1)).await.is_none(), "one has had its turn");
    }
}
