//! A receiver of webhooks that does what the test says.
//!
//! One server on a loopback port serves many hooks, each at `/hook/<name>` with a script of its own: what to
//! answer next, and what always. Everything that arrives is kept in order of arrival; [`Receiver::wait_for`] waits
//! for a condition on it and on failure tells what there is instead.

mod script;
mod sender;
mod server;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angarium_runtime::{Clock, Shutdown, Tasks};
use angarium_signing::{DEFAULT_TOLERANCE, KeysError, Secret, Verifier, VerifyError};
use bytes::Bytes;
use hyper::HeaderMap;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::Instant;

use script::Script;
pub use script::{Answer, Gate};

/// A request that has arrived in full.
#[derive(Clone, Debug)]
pub struct Received {
    /// The hook it came to.
    pub hook: Arc<str>,
    /// The process that sent it, with [`Settings::senders`]; `None` also when it had ended before it was looked for.
    pub sender: Option<u32>,
    /// Header `webhook-id`; empty when absent, as are the others.
    pub webhook_id: String,
    /// Header `webhook-timestamp`.
    pub webhook_timestamp: String,
    /// Header `webhook-signature`.
    pub webhook_signature: String,
    /// All headers.
    pub headers: HeaderMap,
    /// Header `content-type`.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
    /// When its last byte had arrived.
    pub at: Instant,
    /// The same by the receiver's clock, in Unix milliseconds.
    pub at_ms: i64,
    /// Whether the signature is good; `None` unless the hook verifies.
    pub verified: Option<Result<(), VerifyError>>,
    /// The status that the script answers; `None` when it gives no answer.
    pub answered: Option<u16>,
}

impl Received {
    /// Whether the sender may count its events as delivered (D1).
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.answered.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Sees every request before it is answered; it must be quick.
pub type Observer = Arc<dyn Fn(&Received) + Send + Sync>;

/// How a receiver works.
#[derive(Clone)]
pub struct Settings {
    /// The clock for `at_ms` and for the age of signatures.
    pub clock: Clock,
    /// Whether requests are kept. A benchmark counts them and forgets.
    pub keep: bool,
    /// Sees every request.
    pub observer: Option<Observer>,
    /// Whether to find out which process sends, once for each connection: for tests with several workers, of which
    /// nothing that they send tells which it was.
    pub senders: bool,
    /// Speaks TLS as this says.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            keep: true,
            observer: None,
            senders: false,
            tls: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("clock", &self.clock)
            .field("keep", &self.keep)
            .field("senders", &self.senders)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// A running receiver; dropped, it closes its port and all connections.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<State>,
    shutdown: Shutdown,
}

/// What the receiver and its connections share.
#[derive(Debug)]
struct State {
    settings: Settings,
    book: Mutex<Book>,
    /// Wakes who waits for a condition on the book.
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Book {
    hooks: BTreeMap<Arc<str>, Hook>,
    received: Vec<Received>,
}

#[derive(Debug, Default)]
struct Hook {
    script: Script,
    verifier: Option<Arc<Verifier>>,
    requests: u64,
}

/// A condition did not come true in time. Shows what did arrive.
#[derive(Debug, thiserror::Error)]
#[error("waited {} s in vain for {what}; {arrived}", limit.as_secs_f64())]
pub struct TimedOut {
    what: String,
    limit: Duration,
    arrived: String,
}

impl Receiver {
    /// Starts one with the system's clock that keeps all requests.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> std::io::Result<Self> {
        Self::with(Settings::default()).await
    }

    /// Starts one on a free port of the loopback address.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn with(settings: Settings) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            settings,
            book: Mutex::default(),
            arrived: Notify::new(),
        });
        let shutdown = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        tasks.spawn(
            "receiver",
            server::accept(listener, Arc::clone(&state), tasks.clone()),
        );
        Ok(Self {
            address,
            state,
            shutdown,
        })
    }

    /// The URL of a hook; from now on it answers 200 until told otherwise.
    pub fn hook(&self, name: &str) -> String {
        self.book().hooks.entry(name.into()).or_default();
        let scheme = if self.state.settings.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}/hook/{name}", self.address)
    }

    /// What the hook answers whenever nothing else is due.
    pub fn always(&self, name: &str, answer: Answer) {
        self.book()
            .hooks
            .entry(name.into())
            .or_default()
            .script
            .always(answer);
    }

    /// What the hook answers to the next `times` requests, after those that were set before.
    pub fn next(&self, name: &str, times: usize, answer: &Answer) {
        self.book()
            .hooks
            .entry(name.into())
            .or_default()
            .script
            .next(times, answer);
    }

    /// From now on the signature of every request to the hook is checked against these secrets.
    ///
    /// # Errors
    /// When there are none or too many.
    pub fn verify(&self, name: &str, secrets: &[Secret]) -> Result<(), KeysError> {
        let verifier = Verifier::new(secrets, DEFAULT_TOLERANCE)?;
        self.book().hooks.entry(name.into()).or_default().verifier = Some(Arc::new(verifier));
        Ok(())
    }

    /// All requests so far, in order of arrival.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.book().received.clone()
    }

    /// The requests to one hook so far, in order of arrival.
    #[must_use]
    pub fn received_by(&self, name: &str) -> Vec<Received> {
        let book = self.book();
        book.received
            .iter()
            .filter(|r| &*r.hook == name)
            .cloned()
            .collect()
    }

    /// How many requests have come to a hook, kept or not.
    #[must_use]
    pub fn requests(&self, name: &str) -> u64 {
        self.book().hooks.get(name).map_or(0, |hook| hook.requests)
    }

    /// Forgets all requests so far; scripts stay.
    pub fn forget(&self) {
        self.book().received.clear();
    }

    /// Waits until `condition` holds for the requests received so far. It is asked again after arrivals only, and
    /// may keep a place between calls so as to look at each request once.
    ///
    /// # Errors
    /// [`TimedOut`] says what arrived instead of `what`.
    pub async fn wait_for(
        &self,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut(&[Received]) -> bool,
    ) -> Result<(), TimedOut> {
        let come_true = async {
            loop {
                // Registered before the book is read: an arrival in between is not missed.
                let mut arrived = std::pin::pin!(self.state.arrived.notified());
                arrived.as_mut().enable();
                if condition(&self.book().received) {
                    return;
                }
                arrived.await;
            }
        };
        match tokio::time::timeout(limit, come_true).await {
            Ok(()) => Ok(()),
            Err(_elapsed) => Err(TimedOut {
                what: what.to_owned(),
                limit,
                arrived: self.arrivals(),
            }),
        }
    }

    /// What has arrived, for a person: a line per hook and the last few requests.
    #[must_use]
    pub fn arrivals(&self) -> String {
        const SHOWN: usize = 10;
        let book = self.book();
        let total: u64 = book.hooks.values().map(|hook| hook.requests).sum();
        let mut text = format!("{total} requests arrived");
        for (name, hook) in &book.hooks {
            text += &format!("\n  hook {name}: {} requests", hook.requests);
        }
        let skipped = book.received.len().saturating_sub(SHOWN);
        for received in book.received.iter().skip(skipped) {
            text += &format!("\n  {}", Line(received));
        }
        text
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.state.book()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shutdown.begin();
    }
}

impl State {
    fn book(&self) -> MutexGuard<'_, Book> {
        // A test's condition may panic while it looks at the book; it changes nothing there.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on one line, its body cut.
struct Line<'a>(&'a Received);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 200;
        let Received {
            hook,
            webhook_id,
            body,
            answered,
            ..
        } = self.0;
        let start = String::from_utf8_lossy(body.get(..SHOWN).unwrap_or(body));
        let answered = answered.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
        write!(
            f,
            "{hook} {webhook_id} answered {answered}, {} bytes: {start}",
            body.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use angarium_signing::Signer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    /// Posts `body` with these headers; the whole answer, empty when there is none.
    async fn post(receiver: &Receiver, hook: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(receiver.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "POST /hook/{hook} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
             content-length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok();
        answer
    }

    fn status(answer: &str) -> &str {
        answer.split(' ').nth(1).unwrap_or("none")
    }

    #[tokio::test]
    async fn a_hook_answers_by_its_script_and_then_as_always() {
        let receiver = Receiver::start().await.unwrap();
        let url = receiver.hook("a");
        assert!(
            url.starts_with("http://127.0.0.1:") && url.ends_with("/hook/a"),
            "{url}"
        );
        receiver.next("a", 2, &Answer::Status(500));
        receiver.next("a", 1, &Answer::RetryAfter(429, 7));
        receiver.next("a", 1, &Answer::Close);
        let mut answers = Vec::new();
        for _ in 0..5 {
            answers.push(post(&receiver, "a", "", "{}").await);
        }
        let statuses: Vec<_> = answers.iter().map(|answer| status(answer)).collect();
        assert_eq!(statuses, ["500", "500", "429", "none", "200"]);
        assert!(answers[2].contains("retry-after: 7\r\n"), "{}", answers[2]);
        let answered: Vec<_> = receiver.received().iter().map(|r| r.answered).collect();
        assert_eq!(answered, [Some(500), Some(500), Some(429), None, Some(200)]);
    }

    #[tokio::test]
    async fn hooks_do_not_know_each_other_and_unknown_ones_do_not_exist() {
        let receiver = Receiver::start().await.unwrap();
        receiver.hook("good");
        receiver.always("bad", Answer::Status(410));
        assert_eq!(status(&post(&receiver, "bad", "", "1").await), "410");
        assert_eq!(status(&post(&receiver, "good", "", "2").await), "200");
        assert_eq!(status(&post(&receiver, "unknown", "", "3").await), "404");
        assert_eq!(receiver.received_by("good").len(), 1);
        assert_eq!(*receiver.received_by("bad")[0].body, *b"1");
        assert_eq!(receiver.received().len(), 2);
    }

    #[tokio::test]
    async fn a_gate_holds_the_answer_back_and_a_hang_holds_up_nobody_else() {
        let receiver = Receiver::start().await.unwrap();
        let gate = Gate::closed();
        receiver.next("a", 1, &Answer::Gated(gate.clone(), 204));
        receiver.next("a", 1, &Answer::Hang);
        let gated = post(&receiver, "a", "", "1");
        let rest = async {
            let first = |received: &[Received]| received.len() == 1;
            receiver.wait_for("the gated request", SOON, first).await.unwrap();
            let hung = post(&receiver, "a", "", "2");
            let third = async {
                let second = |received: &[Received]| received.len() == 2;
                receiver.wait_for("the hung request", SOON, second).await.unwrap();
                post(&receiver, "a", "", "3").await
            };
            let third = tokio::select! {
                third = third => third,
                answer = hung => panic!("a hung request was answered: {answer}"),
            };
            gate.open();
            third
        };
        let (gated, third) = tokio::join!(gated, rest);
        assert_eq!((status(&gated), status(&third)), ("204", "200"));
    }

    #[tokio::test]
    async fn signatures_are_checked_where_the_test_asks_for_it() {
        let (clock, _hand) = Clock::manual(1_700_000_000_000);
        let settings = Settings {
            clock,
            ..Settings::default()
        };
        let receiver = Receiver::with(settings).await.unwrap();
        let secrets = [Secret::generate().unwrap()];
        receiver.verify("signed", &secrets).unwrap();
        receiver.hook("plain");
        let signature = Signer::new(&secrets).unwrap().sign("g1", 1_700_000_000, b"{}");
        let headers =
            format!("webhook-id: g1\r\nwebhook-timestamp: 1700000000\r\nwebhook-signature: {signature}\r\n");
        post(&receiver, "signed", &headers, "{}").await;
        post(&receiver, "signed", &headers, "{ }").await;
        post(&receiver, "plain", &headers, "{}").await;
        let verified: Vec<_> = receiver.received().into_iter().map(|r| r.verified).collect();
        let wrong = Err(VerifyError::NoMatchingSignature);
        assert_eq!(verified, [Some(Ok(())), Some(wrong), None]);
        assert_eq!(receiver.received()[0].webhook_id, "g1");
        assert_eq!(receiver.received()[0].at_ms, 1_700_000_000_000);
    }

    #[tokio::test]
    async fn who_waits_in_vain_is_told_what_came_instead() {
        let receiver = Receiver::start().await.unwrap();
        receiver.hook("a");
        post(&receiver, "a", "webhook-id: g1\r\n", "{\"accountId\":1}").await;
        let never = receiver.wait_for("two requests", Duration::from_millis(1), |r| r.len() == 2);
        let error = never.await.unwrap_err().to_string();
        for part in [
            "two requests",
            "1 requests arrived",
            "hook a: 1",
            "g1",
            "{\"accountId\":1}",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn what_is_not_kept_is_counted_and_observed() {
        let (seen, mut arrivals) = tokio::sync::mpsc::channel(10);
        let receiver = Receiver::with(Settings {
            keep: false,
            observer: Some(Arc::new(move |received: &Received| {
                seen.try_send(received.body.clone()).unwrap();
            })),
            ..Settings::default()
        });
        let receiver = receiver.await.unwrap();
        receiver.hook("a");
        post(&receiver, "a", "", "1").await;
        assert_eq!(arrivals.recv().await.unwrap(), "1");
        assert_eq!((receiver.requests("a"), receiver.received().len()), (1, 0));
    }
}
