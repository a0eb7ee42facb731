//! Connections that can be cut, and the loop that accepts them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{Stream, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// How long accepting pauses when the process cannot take more connections (out of file descriptors).
const PAUSE: Duration = Duration::from_millis(100);

/// What a client of HTTP/2 sends first: so many bytes (RFC 9113).
const PREFACE_BYTES: usize = 24;

/// How many connections there may be, and how long one may take to say that it speaks HTTP/2. After that, pings tell
/// whether it lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    pub(super) handshake: Duration,
}

/// Accepts connections until it is dropped; all are cut when `cut` is cancelled. Beyond the bound, callers wait in
/// the listener's backlog.
pub(super) fn accept(
    listener: TcpListener,
    bounds: Bounds,
    cut: CancellationToken,
) -> impl Stream<Item = io::Result<Severable>> + Send {
    let permits = Arc::new(Semaphore::new(bounds.connections));
    stream::unfold(
        (listener, permits, cut),
        move |(listener, permits, cut)| async move {
            let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
            let tcp = next(&listener).await;
            let connection = Severable {
                tcp,
                cut: Box::pin(cut.clone().cancelled_owned()),
                preface: Some(Preface {
                    awaited: PREFACE_BYTES,
                    until: Box::pin(tokio::time::sleep(bounds.handshake)),
                }),
                _permit: permit,
            };
            Some((Ok(connection), (listener, permits, cut)))
        },
    )
}

async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                if let Err(error) = tcp.set_nodelay(true) {
                    tracing::debug!(%error, %peer, "a connection ended before it was served");
                }
                return tcp;
            }
            // Without the pause this loop would spin until a descriptor is free.
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// A TCP connection that ends when it is cut.
#[derive(Debug)]
pub(super) struct Severable {
    tcp: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Until it has come.
    preface: Option<Preface>,
    _permit: OwnedSemaphorePermit,
}

/// The beginning of a connection that is still awaited.
#[derive(Debug)]
struct Preface {
    awaited: usize,
    until: Pin<Box<Sleep>>,
}

impl AsyncRead for Severable {
    /// HTTP/2 always reads, so a cut wakes the connection here, whatever it waits for.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if let Some(preface) = &mut self.preface
            && preface.until.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        if let Some(preface) = &mut self.preface {
            preface.awaited = preface.awaited.saturating_sub(buf.filled().len() - before);
            if preface.awaited == 0 {
                self.preface = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Severable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl Connected for Severable {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.tcp.connect_info()
    }
}
