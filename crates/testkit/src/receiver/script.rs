//! What a hook answers.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::watch;

/// What a hook does with a request that it has read.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Answers with this status at once.
    Status(u16),
    /// Answers with this status and this `Retry-After`, in seconds.
    RetryAfter(u16, u32),
    /// Answers with this status, these headers and this body.
    Says(u16, &'static [(&'static str, &'static str)], Bytes),
    /// Answers with this status once the gate is open.
    Gated(Gate, u16),
    /// Never answers; the connection stays open.
    Hang,
    /// Closes the connection without an answer.
    Close,
}

impl Answer {
    /// The status that will be answered, if any.
    pub(super) const fn status(&self) -> Option<u16> {
        match self {
            Self::Status(status)
            | Self::RetryAfter(status, _)
            | Self::Says(status, ..)
            | Self::Gated(_, status) => Some(*status),
            Self::Hang | Self::Close => None,
        }
    }
}

/// Holds answers back until it is opened. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Opens it for good.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        // An error would mean that the sender is gone; `self` holds it.
        self.0.subscribe().wait_for(|open| *open).await.ok();
    }
}

/// The answers of one hook.
#[derive(Debug)]
pub(super) struct Script {
    /// Each once, in order.
    next: VecDeque<Answer>,
    /// When none of those is left.
    always: Answer,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            next: VecDeque::new(),
            always: Answer::Status(200),
        }
    }
}

impl Script {
    pub(super) fn always(&mut self, answer: Answer) {
        self.always = answer;
    }

    pub(super) fn next(&mut self, times: usize, answer: &Answer) {
        self.next.extend(std::iter::repeat_n(answer.clone(), times));
    }

    pub(super) fn take(&mut self) -> Answer {
        self.next.pop_front().unwrap_or_else(|| self.always.clone())
    }
}
