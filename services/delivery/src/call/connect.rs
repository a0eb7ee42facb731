//! From a route to a connection that takes requests.

use std::sync::Arc;

use angarium_runtime::Tasks;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::CallError;
use super::pool::Route;

/// A connection that takes one request at a time.
pub(super) type Connection = http1::SendRequest<Full<Bytes>>;

/// How much of an answer's head is read (DESIGN §7).
const MAX_ANSWER_HEAD: usize = 32 * 1024;

/// Which certificates are trusted; the same for all calls.
#[derive(Clone)]
pub(crate) struct TlsSetup {
    connector: TlsConnector,
}

impl std::fmt::Debug for TlsSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsSetup")
    }
}

impl TlsSetup {
    /// Trusts the public certificate authorities that browsers trust.
    ///
    /// # Errors
    /// When the cryptography in use has no safe protocol version: a fault of the build.
    pub(crate) fn public() -> Result<Self, rustls::Error> {
        let roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
        })
    }
}

/// Makes connections. The caller bounds the time.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tls: TlsSetup,
    tasks: Tasks,
}

impl Connector {
    pub(super) fn new(tls: TlsSetup, tasks: Tasks) -> Self {
        Self { tls, tasks }
    }

    pub(super) async fn connect(&self, route: &Route) -> Result<Connection, CallError> {
        let tcp = connect_tcp(route).await?;
        if !route.is_tls() {
            return self.handshake(tcp).await;
        }
        let host = || route.host().to_owned();
        let name = ServerName::try_from(host()).map_err(|_invalid| CallError::TlsName { host: host() })?;
        let tls = self.tls.connector.connect(name, tcp).await;
        self.handshake(tls.map_err(|source| CallError::Tls { host: host(), source })?)
            .await
    }

    /// Starts HTTP on a stream. The task that drives it ends when the last sender is dropped or the receiver closes.
    async fn handshake<S>(&self, stream: S) -> Result<Connection, CallError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut http = http1::Builder::new();
        http.max_buf_size(MAX_ANSWER_HEAD);
        let (sender, driver) = http
            .handshake(TokioIo::new(stream))
            .await
            .map_err(CallError::of_hyper)?;
        self.tasks.spawn("connection", async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a connection to a receiver broke");
            }
        });
        Ok(sender)
    }
}

/// Tries the addresses of a host in their order.
async fn connect_tcp(route: &Route) -> Result<TcpStream, CallError> {
    let host = || route.host().to_owned();
    let not_found = |source| CallError::Dns { host: host(), source };
    let addresses = lookup_host((route.host(), route.port()))
        .await
        .map_err(not_found)?;
    let mut last = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Small requests must not wait for the answer to the one before.
                stream
                    .set_nodelay(true)
                    .map_err(|source| refused(address, source))?;
                return Ok(stream);
            }
            Err(source) => last = Some(refused(address, source)),
        }
    }
    Err(last.unwrap_or_else(|| not_found(std::io::Error::other("the name has no address"))))
}

fn refused(address: std::net::SocketAddr, source: std::io::Error) -> CallError {
    CallError::Connect {
        address: address.to_string(),
        source,
    }
}
