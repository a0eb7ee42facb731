//! Calls other services with a key.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::{KEEPALIVE_ANSWER, KEEPALIVE_EVERY};
use crate::access::OperatorKey;

/// What generated clients are made of: a connection that adds the key to every call.
pub type Client = InterceptedService<Channel, WithKey>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a text does not say where a service is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{endpoint}` is not an endpoint: {problem}; write it as http://host:port")]
pub struct InvalidEndpoint {
    endpoint: String,
    problem: &'static str,
}

/// Whether `endpoint` says where a service is, as `http://host:port`.
///
/// # Errors
/// When it does not.
pub fn check_endpoint(endpoint: &str) -> Result<(), InvalidEndpoint> {
    parse(endpoint).map(|_endpoint| ())
}

fn parse(endpoint: &str) -> Result<Endpoint, InvalidEndpoint> {
    let invalid = |problem| InvalidEndpoint {
        endpoint: endpoint.to_owned(),
        problem,
    };
    let parsed =
        Endpoint::from_shared(endpoint.to_owned()).map_err(|_not_a_uri| invalid("it cannot be read"))?;
    match parsed.uri().scheme_str() {
        Some("http") => {}
        Some("https") => return Err(invalid("TLS is the business of a proxy or mesh in between")),
        _ => return Err(invalid("it does not begin with http://")),
    }
    if parsed.uri().host().is_none_or(str::is_empty) {
        return Err(invalid("it has no host"));
    }
    if parsed.uri().path() != "/" {
        return Err(invalid("gRPC has no path"));
    }
    Ok(parsed)
}

/// A client of the service at `http://host:port`. Needs a running tokio; connects at the first call, and again
/// whenever the connection is lost.
///
/// # Errors
/// When the text is not such an address.
pub fn client(endpoint: &str, key: &OperatorKey) -> Result<Client, InvalidEndpoint> {
    let address = Address::new(endpoint, key)?;
    Ok(address.client_over(address.endpoint.connect_lazy()))
}

/// One connection to a service for callers of whom each has a key of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shared(Channel);

impl Shared {
    /// To the service at `http://host:port`. Needs a running tokio; connects at the first call, and again whenever the
    /// connection is lost.
    ///
    /// # Errors
    /// When the text is not such an address.
    pub fn new(endpoint: &str) -> Result<Self, InvalidEndpoint> {
        Ok(Self(patient(parse(endpoint)?).connect_lazy()))
    }

    /// Hands a call on as it came, with its caller's key.
    ///
    /// # Errors
    /// When the service cannot be reached, or the connection breaks.
    pub async fn pass_on(
        &self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, tonic::transport::Error> {
        let mut channel = self.0.clone();
        poll_fn(|cx| channel.poll_ready(cx)).await?;
        channel.call(request).await
    }

    /// For the bearer of a key.
    #[must_use]
    pub fn with_key(&self, key: &OperatorKey) -> Client {
        InterceptedService::new(self.0.clone(), WithKey::new(key))
    }
}

/// Where a service is that may start after those who call it: its place may be told later. Cheap to clone; the clones are told together.
#[derive(Clone, Debug, Default)]
pub struct Place(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    endpoint: OnceLock<String>,
    connection: OnceLock<Shared>,
}

impl Place {
    /// One that is known: `http://host:port`.
    #[must_use]
    pub fn at(endpoint: impl Into<String>) -> Self {
        let place = Self::default();
        place.tell(endpoint);
        place
    }

    /// Says where it is. The first word counts.
    pub fn tell(&self, endpoint: impl Into<String>) {
        self.0.endpoint.get_or_init(|| endpoint.into());
    }

    /// Whether what was told is a place.
    ///
    /// # Errors
    /// When it is none.
    pub fn check(&self) -> Result<(), InvalidEndpoint> {
        self.0
            .endpoint
            .get()
            .map_or(Ok(()), |endpoint| check_endpoint(endpoint))
    }

    /// The connection, once the place is known. Needs a running tokio.
    #[must_use]
    pub fn reach(&self) -> Option<&Shared> {
        let connection = &self.0.connection;
        connection.get().or_else(|| {
            let made = Shared::new(self.0.endpoint.get()?).ok()?;
            Some(connection.get_or_init(|| made))
        })
    }
}

fn patient(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_ANSWER)
        .keep_alive_while_idle(true)
}

/// Where a service is, and the key to it: makes connections.
#[derive(Clone, Debug)]
pub struct Address {
    endpoint: Endpoint,
    key: WithKey,
}

impl Address {
    /// Of the service at `http://host:port`.
    ///
    /// # Errors
    /// When the text is not such an address.
    pub fn new(endpoint: &str, key: &OperatorKey) -> Result<Self, InvalidEndpoint> {
        Ok(Self {
            endpoint: patient(parse(endpoint)?),
            key: WithKey::new(key),
        })
    }

    /// A new connection, which is there: whoever has it knows that its first call was not sent in vain.
    ///
    /// # Errors
    /// When nobody takes it within 5 s.
    pub async fn connect(&self) -> Result<Client, NotConnected> {
        Ok(self.client_over(self.endpoint.connect().await?))
    }

    fn client_over(&self, channel: Channel) -> Client {
        InterceptedService::new(channel, self.key.clone())
    }
}

/// Nobody took a connection.
#[derive(Debug, thiserror::Error)]
#[error("the connection was not taken")]
pub struct NotConnected(#[from] tonic::transport::Error);

/// Adds a key to each call.
#[derive(Clone, Debug)]
pub struct WithKey {
    authorization: MetadataValue<Ascii>,
}

impl WithKey {
    fn new(key: &OperatorKey) -> Self {
        // Nothing but visible ASCII is in a key, so that this always is a header value.
        let mut authorization = format!("Bearer {}", key.expose())
            .parse::<MetadataValue<Ascii>>()
            .unwrap_or_else(|_invalid| MetadataValue::from_static(""));
        authorization.set_sensitive(true);
        Self { authorization }
    }
}

impl Interceptor for WithKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.authorization.clone());
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_endpoint_that_is_not_one_is_refused_with_a_hint() {
        let key = OperatorKey::generate();
        for good in [
            "http://localhost:7000",
            "http://registry.prod.svc:7000/",
            "http://[::1]:7000",
        ] {
            assert!(client(good, &key).is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost:7000",
            "https://registry:7000",
            "http://",
            "http://a b",
            "ftp://a",
            "http://a/b",
        ] {
            let error = client(bad, &key).unwrap_err().to_string();
            assert!(error.contains("http://host:port"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_place_that_is_told_later_is_reached_from_then_on() {
        let place = Place::default();
        let other = place.clone();
        assert!(other.check().is_ok() && other.reach().is_none());
        place.tell("http://localhost:1");
        place.tell("http://localhost:2");
        assert!(format!("{other:?}").contains("localhost:1"));
        assert!(other.check().is_ok() && other.reach().is_some());
        let nowhere = Place::at("localhost");
        assert!(nowhere.check().is_err() && nowhere.reach().is_none());
    }

    #[tokio::test]
    async fn the_key_is_not_printed() {
        let key = OperatorKey::generate();
        let client = client("http://localhost:1", &key).unwrap();
        assert!(!format!("{client:?}").contains(key.expose()));
    }
}
