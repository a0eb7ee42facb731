//! From a route to a connection that takes requests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use angarium_policy::egress::Policy;
use angarium_runtime::Tasks;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use url::Url;

use super::certificate::{self, Authorities};
use super::error::CallError;
use super::meter::{MAX_ANSWER_HEAD, Meter, Metered};
use super::pool::Route;
use super::race;
use super::resolve::Resolver;

/// How long a connection that is not used any more may take to end.
const CLOSING: Duration = Duration::from_secs(1);

/// A connection that takes one request at a time.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sender: http1::SendRequest<Full<Bytes>>,
    pub(super) meter: Arc<Meter>,
    /// The vetted address that it leads to.
    pub(super) address: SocketAddr,
    pub(super) made_at: Instant,
    /// Dropped with it: the task that drives it ends soon.
    pub(super) _held: oneshot::Sender<Infallible>,
}

impl Connection {
    /// Whether it takes a request now. The task that drives it may be a moment behind the answer that was the last; if it
    /// has more to do than that, the receiver answered before it had read the request, and is not waited for.
    pub(super) async fn is_ready(&mut self) -> bool {
        const MOMENT: Duration = Duration::from_millis(50);
        self.sender.is_ready()
            || timeout(MOMENT, self.sender.ready())
                .await
                .is_ok_and(|ready| ready.is_ok())
    }
}

/// What making a connection took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// To find the addresses; next to nothing when the host is one.
    pub dns: Duration,
    /// To the TCP connection that won.
    pub connect: Duration,
    /// To the TLS session; `None` over plain http.
    pub tls: Option<Duration>,
}

/// Which certificates a call trusts, and which one it shows. It is part of a pooled connection's key: a connection made
/// with one identity serves no call of another.
///
/// A mode of authentication that works within TLS (a client's certificate, a private authority) is a further variant,
/// and a further [`TlsConnector`] in [`TlsSetup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum TlsIdentity {
    /// Shows none, trusts the public authorities and those of the settings.
    Public,
}

/// How TLS connections are made.
#[derive(Clone)]
pub struct TlsSetup {
    public: TlsConnector,
}

impl std::fmt::Debug for TlsSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsSetup")
    }
}

impl TlsSetup {
    /// Trusts the public certificate authorities that browsers trust, and these.
    ///
    /// # Errors
    /// When the cryptography in use has no safe protocol version: a fault of the build.
    pub fn trusting(authorities: &Authorities) -> Result<Self, rustls::Error> {
        let roots = authorities.with_public()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            public: TlsConnector::from(Arc::new(config)),
        })
    }

    fn connector(&self, identity: TlsIdentity) -> &TlsConnector {
        match identity {
            TlsIdentity::Public => &self.public,
        }
    }
}

/// Makes connections. The caller bounds the time.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) resolver: Resolver,
    policy: Arc<Policy>,
    tls: TlsSetup,
    tasks: Tasks,
}

impl Connector {
    pub(super) fn new(policy: Arc<Policy>, tls: TlsSetup, tasks: Tasks) -> Self {
        Self {
            resolver: Resolver::System,
            policy,
            tls,
            tasks,
        }
    }

    /// Whose routes it takes.
    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Vets the URL and every address of its host, and connects to a vetted one.
    pub(super) async fn connect(&self, url: &Url, route: &Route) -> Result<(Connection, Setup), CallError> {
        let host = || route.host().to_owned();
        let refused = |source| CallError::Refused { host: host(), source };
        self.policy.vet_url(url).map_err(refused)?;
        let mut turn = Stopwatch::start();
        let addresses = self
            .resolver
            .resolve(&self.policy, route.host(), route.port())
            .await?;
        let dns = turn.lap();
        let (tcp, address) = race::connect(addresses)
            .await
            .map_err(|failed| CallError::of_connect(failed.address, failed.source))?;
        let connect = turn.lap();
        let Some(identity) = route.tls() else {
            let setup = Setup {
                dns,
                connect,
                tls: None,
            };
            return Ok((self.handshake(tcp, address).await?, setup));
        };
        let name = ServerName::try_from(name_of(route).to_owned())
            .map_err(|_invalid| CallError::TlsName { host: host() })?;
        let tls = self.tls.connector(identity).connect(name, tcp).await;
        let stream = tls.map_err(|source| match certificate::fault(&source, name_of(route)) {
            Some(fault) => CallError::Certificate { host: host(), fault },
            None => CallError::Tls { host: host(), source },
        })?;
        let setup = Setup {
            dns,
            connect,
            tls: Some(turn.lap()),
        };
        Ok((self.handshake(stream, address).await?, setup))
    }

    /// Starts HTTP on a stream. The task that drives it ends when the receiver closes, or soon after the connection is
    /// dropped: a receiver that reads nothing would keep it, and what it was to be sent, for ever.
    async fn handshake<S>(&self, stream: S, address: SocketAddr) -> Result<Connection, CallError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let meter = Arc::new(Meter::default());
        let mut http = http1::Builder::new();
        http.max_buf_size(MAX_ANSWER_HEAD);
        let (sender, driver) = http
            .handshake(TokioIo::new(Metered::new(stream, Arc::clone(&meter))))
            .await
            .map_err(CallError::of_hyper)?;
        let (held, dropped) = oneshot::channel();
        self.tasks.spawn("connection", async move {
            let mut driver = pin!(driver);
            let ended = tokio::select! {
                ended = &mut driver => Ok(ended),
                _dropped = dropped => timeout(CLOSING, driver).await,
            };
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a connection to a receiver broke"),
                Err(_elapsed) => tracing::debug!("a connection is cut off: its receiver does not let it end"),
            }
        });
        Ok(Connection {
            sender,
            meter,
            address,
            made_at: Instant::now(),
            _held: held,
        })
    }
}

/// Whom the certificate must be for: a name in one has no final dot.
fn name_of(route: &Route) -> &str {
    route.host().strip_suffix('.').unwrap_or(route.host())
}

/// Times one phase after the other.
struct Stopwatch(Instant);

impl Stopwatch {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        let lap = now.duration_since(self.0);
        self.0 = now;
        lap
    }
}
