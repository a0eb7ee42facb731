//! Receivers that behave in every way, over real sockets.

mod egress;
mod limits;
mod tls;

use std::sync::LazyLock;

use angarium_policy::Failure;
use angarium_policy::egress::Rules;
use angarium_runtime::{Shutdown, Tasks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What a receiver does with its next request.
#[derive(Clone, Copy)]
enum Act {
    Answer(&'static [u8]),
    /// Answers, and closes the connection a moment later without a word.
    AnswerAndClose(&'static [u8]),
    Hang,
    Close,
}

/// Starts a receiver; the channel tells of every connection it accepts.
async fn receiver(acts: Vec<Act>) -> (Url, mpsc::Receiver<()>, Tasks) {
    let tasks = Tasks::new(Shutdown::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?x=1", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let (accepted, connections) = mpsc::channel(16);
    let mut acts = acts.into_iter();
    tasks.spawn("receiver", async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            accepted.send(()).await.unwrap();
            while let Some(act) = acts.next() {
                read_request(&mut stream).await;
                match act {
                    Act::Answer(bytes) => stream.write_all(bytes).await.unwrap(),
                    Act::AnswerAndClose(bytes) => {
                        stream.write_all(bytes).await.unwrap();
                        break;
                    }
                    Act::Close => break,
                    Act::Hang => {
                        kept.push(stream);
                        break;
                    }
                }
                if acts.len() == 0 {
                    kept.push(stream);
                    break;
                }
            }
        }
    });
    (url, connections, tasks)
}

async fn read_request(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"{}") {
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer).await.unwrap();
        seen.extend_from_slice(&buffer[..read]);
        if read == 0 {
            return;
        }
    }
}

/// Enough for a machine of tests, short enough to wait for.
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(10),
    answer: Duration::from_millis(300),
};

fn caller(tasks: &Tasks) -> Caller {
    caller_with(Pool::default(), Rules::this_machine(), tasks)
}

fn caller_with(pool: Pool, rules: Rules, tasks: &Tasks) -> Caller {
    caller_waiting(PATIENCE, pool, rules, tasks)
}

fn patient_caller(patience: Patience, tasks: &Tasks) -> Caller {
    caller_waiting(patience, Pool::default(), Rules::this_machine(), tasks)
}

fn caller_waiting(patience: Patience, pool: Pool, rules: Rules, tasks: &Tasks) -> Caller {
    let policy = Arc::new(Policy::new(rules));
    Caller::new(
        pool,
        policy,
        TlsSetup::trusting(&Authorities::default()).unwrap(),
        patience,
        tasks.clone(),
    )
}

fn account(id: u64) -> AccountId {
    AccountId::new(id).unwrap()
}

fn request(url: &Url, capture: Capture) -> Request<'_> {
    Request {
        account: account(1),
        url,
        headers: Vec::new(),
        body: Bytes::from_static(b"{}"),
        capture,
        lease: &ENDLESS,
    }
}

static ENDLESS: LazyLock<Lease> = LazyLock::new(Lease::endless);

async fn post(caller: &Caller, url: &Url) -> Result<u16, CallError> {
    let answered = caller.post(request(url, Capture::Nothing)).await?;
    Ok(answered.status.as_u16())
}

/// The idle connection that the next call of `url` would use.
fn idle(caller: &Caller, url: &Url) -> Option<Connection> {
    let policy = caller.connector.policy().generation();
    caller.pool.take(&Route::of(account(1), url, policy))
}

/// Those of a person who tests a webhook (W5).
#[tokio::test]
async fn w5_the_headers_that_are_told_are_those_that_are_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let tasks = Tasks::new(Shutdown::new());
    let caller = caller(&tasks);
    let signed = || {
        let mut request = request(&url, Capture::Answer);
        let signature = HeaderValue::from_static("v1,x");
        let name = http::HeaderName::from_static("webhook-signature");
        request.headers.push((name, signature));
        request
    };
    let told = caller.headers(&signed()).unwrap();
    let got = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = vec![0; 4_096];
        let mut length = 0;
        while !got[..length].ends_with(b"{}") {
            length += stream.read(&mut got[length..]).await.unwrap();
        }
        stream.write_all(OK).await.unwrap();
        String::from_utf8(got[..length].to_vec()).unwrap()
    };
    let (answered, got) = tokio::join!(caller.post(signed()), got);
    assert_eq!(answered.unwrap().status, 200);
    let line = |(name, value): (_, &HeaderValue)| format!("{name}: {}\r\n", value.to_str().unwrap());
    let told: String = told.iter().map(line).collect();
    assert!(told.contains("content-length: 2\r\n"), "{told}");
    assert_eq!(got, format!("POST /hook HTTP/1.1\r\n{told}\r\n{{}}"));
}

#[test]
fn d1_a_receiver_has_10_s_to_take_the_connection_and_5_s_to_answer() {
    assert_eq!(Patience::D1.connect, Duration::from_secs(10));
    assert_eq!(Patience::D1.answer, Duration::from_secs(5));
}

#[tokio::test]
async fn d1_a_receiver_that_does_not_answer_in_time_has_failed() {
    let (url, _connections, tasks) = receiver(vec![Act::Hang]).await;
    let error = post(&caller(&tasks), &url).await.unwrap_err();
    assert_eq!(error.failure(), Some(Failure::AnswerTimeout), "{error}");
}

/// The connection is there when TLS is (D1): one that is taken and then left without a word has failed.
#[tokio::test]
async fn d1_a_receiver_that_takes_the_connection_and_never_speaks_tls_has_failed_to_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let url = url.parse().unwrap();
    let tasks = Tasks::new(Shutdown::new());
    let patience = Patience {
        connect: Duration::from_millis(300),
        answer: Duration::from_secs(60),
    };
    let caller = patient_caller(patience, &tasks);
    let posted = timeout(Duration::from_secs(10), post(&caller, &url));
    let (posted, silent) = tokio::join!(posted, listener.accept());
    let error = posted.expect("the call ends by itself").unwrap_err();
    assert_eq!(error.failure(), Some(Failure::ConnectTimeout), "{error}");
    drop(silent.unwrap());
}

#[tokio::test]
async fn a_connection_serves_the_next_call_too() {
    let (url, mut connections, tasks) = receiver(vec![Act::Answer(OK), Act::Answer(OK)]).await;
    let caller = caller(&tasks);
    assert_eq!(post(&caller, &url).await.unwrap(), 200);
    assert_eq!(post(&caller, &url).await.unwrap(), 200);
    connections.recv().await.unwrap();
    assert!(connections.try_recv().is_err(), "a second connection was made");
}

#[tokio::test]
async fn a_connection_that_the_receiver_has_closed_meanwhile_fails_no_call() {
    let (url, mut connections, tasks) = receiver(vec![Act::AnswerAndClose(OK), Act::Answer(OK)]).await;
    let caller = caller(&tasks);
    assert_eq!(post(&caller, &url).await.unwrap(), 200);
    let route = Route::of(account(1), &url, caller.connector.policy().generation());
    while let Some(open) = caller.pool.take(&route) {
        caller.pool.put(route.clone(), open);
        tokio::task::yield_now().await;
    }
    assert_eq!(post(&caller, &url).await.unwrap(), 200);
    connections.recv().await.unwrap();
    connections.recv().await.unwrap();
}

#[tokio::test]
async fn d1_a_head_is_an_answer_even_when_its_body_never_ends() {
    let drip = b"HTTP/1.1 202 Accepted\r\ncontent-length: 1000\r\n\r\nnever ";
    let (url, mut connections, tasks) = receiver(vec![Act::Answer(drip), Act::Answer(OK)]).await;
    let caller = caller(&tasks);
    assert_eq!(post(&caller, &url).await.unwrap(), 202);
    connections.recv().await.unwrap();
    assert!(
        idle(&caller, &url).is_none(),
        "a connection with half an answer is not used again"
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let away = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (url, _connections, tasks) = receiver(vec![Act::Answer(away)]).await;
    assert_eq!(post(&caller(&tasks), &url).await.unwrap(), 302);
}

/// A worker that was frozen and thaws may have been followed by another: it must not send.
#[tokio::test]
async fn d7_nothing_is_sent_once_the_lease_is_over() {
    let (url, mut connections, tasks) = receiver(vec![Act::Answer(OK)]).await;
    let over = Lease::default();
    let late = Request {
        lease: &over,
        ..request(&url, Capture::Nothing)
    };
    let caller = caller(&tasks);
    let error = caller.post(late).await.unwrap_err();
    assert!(matches!(error, CallError::LeaseOver), "{error}");
    assert_eq!(error.failure(), None, "not the receiver's failure");
    // The connection was made, and the receiver answers the first request that it reads.
    assert_eq!(connections.recv().await, Some(()));
    drop(connections);
}

/// As of one that was frozen while it connected.
#[tokio::test]
async fn d7_nothing_is_sent_when_no_time_is_left_for_an_answer() {
    let (url, mut connections, tasks) = receiver(vec![Act::Answer(OK)]).await;
    let patience = Patience {
        answer: Duration::ZERO,
        ..PATIENCE
    };
    let error = post(&patient_caller(patience, &tasks), &url).await.unwrap_err();
    assert!(matches!(error, CallError::LeaseOver), "{error}");
    assert_eq!(connections.recv().await, Some(()));
}

#[tokio::test]
async fn each_kind_of_failure_is_told_apart() {
    let (closes, _connections, tasks) = receiver(vec![Act::Close]).await;
    let caller = caller(&tasks);
    assert_eq!(
        post(&caller, &closes).await.unwrap_err().failure(),
        Some(Failure::Reset)
    );

    let (garbles, _connections, _tasks) = receiver(vec![Act::Answer(b"SMTP ready\r\n\r\n")]).await;
    assert_eq!(
        post(&caller, &garbles).await.unwrap_err().failure(),
        Some(Failure::Protocol)
    );

    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let refused = post(&caller, &format!("http://{nobody}/").parse().unwrap())
        .await
        .unwrap_err();
    assert_eq!(refused.failure(), Some(Failure::Connect));
    assert!(
        refused.detail().contains(&nobody.to_string()),
        "{}",
        refused.detail()
    );

    let unknown = post(&caller, &"http://nobody.invalid/".parse().unwrap())
        .await
        .unwrap_err();
    assert_eq!(unknown.failure(), Some(Failure::Dns));
}
