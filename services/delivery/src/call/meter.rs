//! A bound on what comes before the head of an answer.
//!
//! The HTTP library bounds one head, loosely, and takes any number of interim answers (1xx) before the final one. So the
//! bytes are counted where they are read: until the head has come there are 32 KiB, whatever they are.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};

/// How much of an answer's head is read, interim answers included (DESIGN §7).
pub(super) const MAX_ANSWER_HEAD: usize = 32 * 1024;

/// Counts what a connection reads while a head is awaited.
#[derive(Debug, Default)]
pub(super) struct Meter {
    awaited: AtomicBool,
    read: AtomicUsize,
}

impl Meter {
    /// A request is about to be sent.
    pub(super) fn await_head(&self) {
        self.read.store(0, Ordering::Release);
        self.awaited.store(true, Ordering::Release);
    }

    /// The head has come.
    pub(super) fn head_has_come(&self) {
        self.awaited.store(false, Ordering::Release);
    }

    /// Whether no more is read, because no head has come within the bound.
    pub(super) fn is_exhausted(&self) -> bool {
        self.left() == Some(0)
    }

    /// What may still be read before the head has come.
    fn left(&self) -> Option<usize> {
        let awaited = self.awaited.load(Ordering::Acquire);
        awaited.then(|| MAX_ANSWER_HEAD.saturating_sub(self.read.load(Ordering::Acquire)))
    }
}

/// A stream that ends with an error where its meter says so.
#[derive(Debug)]
pub(super) struct Metered<S> {
    stream: Take<S>,
    meter: Arc<Meter>,
}

impl<S: AsyncRead> Metered<S> {
    pub(super) fn new(stream: S, meter: Arc<Meter>) -> Self {
        Self {
            stream: stream.take(u64::MAX),
            meter,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let limit = match self.meter.left() {
            // What was read has been parsed by now. Of a body, no more is wanted before the call has taken note of the
            // head.
            Some(0) => {
                return Poll::Ready(Err(io::Error::other("over 32 KiB without the head of an answer")));
            }
            Some(left) => u64::try_from(left).unwrap_or(u64::MAX),
            None => u64::MAX,
        };
        self.stream.set_limit(limit);
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        self.meter.read.fetch_add(read, Ordering::AcqRel);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.stream.get_mut()).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.stream.get_mut()).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }
}
