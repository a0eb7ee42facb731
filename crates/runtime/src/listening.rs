//! Where a server listens.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Listens at an address; port 0 takes a free one. Says where it came to.
///
/// # Errors
/// When the address is taken, or not ours.
pub async fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}
