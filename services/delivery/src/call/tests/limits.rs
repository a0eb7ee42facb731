//! Receivers that answer too much, too slowly, or wrongly.

use tokio::sync::oneshot;
use tokio::time::interval;

use super::*;

/// How often a slow receiver sends its next byte.
const DRIP: Duration = Duration::from_millis(10);

/// A receiver of one connection. When its request has come it sends `pieces`, as fast as they are taken or one every
/// [`DRIP`], then closes; the channel tells when it was done, or cut off.
async fn sends<I>(pieces: I, drips: bool) -> (Url, oneshot::Receiver<Sent>, Tasks)
where
    I: IntoIterator<Item = Vec<u8>>,
    I::IntoIter: Send + 'static,
{
    let tasks = Tasks::new(Shutdown::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let (ended, end) = oneshot::channel();
    let mut pieces = pieces.into_iter();
    tasks.spawn("receiver", async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        let mut drip = interval(DRIP);
        let sent = loop {
            if drips {
                drip.tick().await;
            }
            match pieces.next() {
                Some(piece) if stream.write_all(&piece).await.is_err() => break Sent::CutOff,
                Some(_) => {}
                None => break Sent::All,
            }
        };
        drop(stream);
        // The test may have ended.
        let _told = ended.send(sent);
    });
    (url, end, tasks)
}

#[derive(Debug, PartialEq, Eq)]
enum Sent {
    All,
    CutOff,
}

fn text(text: impl Into<String>) -> Vec<u8> {
    text.into().into_bytes()
}

fn ok_with(length: usize) -> Vec<u8> {
    text(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{}",
        "x".repeat(length)
    ))
}

fn ok_head(length: usize) -> Vec<u8> {
    let empty = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: \r\n\r\n".len();
    let filler = "x".repeat(length - empty);
    text(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: {filler}\r\n\r\n"
    ))
}

/// A call that keeps what it gets, and how long it took.
async fn kept(caller: &Caller, url: &Url) -> (Answered, Captured) {
    let mut answered = caller.post(request(url, Capture::Answer)).await.unwrap();
    let captured = answered.captured.take().unwrap();
    (answered, captured)
}

#[tokio::test]
async fn d1_a_flood_of_interim_answers_is_cut_off_at_32_kib() {
    let interim = text("HTTP/1.1 102 Processing\r\n\r\n");
    let (url, end, tasks) = sends(std::iter::repeat(interim), false).await;
    let error = post(&caller(&tasks), &url).await.unwrap_err();
    assert!(matches!(error, CallError::Interim), "{error:?}");
    assert_eq!(error.failure(), Some(Failure::Protocol));
    assert_eq!(end.await.unwrap(), Sent::CutOff);
}

#[tokio::test]
async fn d1_interim_answers_that_drip_end_at_the_deadline() {
    let interim = text("HTTP/1.1 102 Processing\r\n\r\n");
    let (url, end, tasks) = sends(std::iter::repeat(interim), true).await;
    let start = Instant::now();
    let error = post(&caller(&tasks), &url).await.unwrap_err();
    assert_eq!(error.failure(), Some(Failure::AnswerTimeout), "{error}");
    assert!(start.elapsed() < 10 * PATIENCE.answer, "{:?}", start.elapsed());
    assert_eq!(end.await.unwrap(), Sent::CutOff);
}

#[tokio::test]
async fn an_interim_answer_is_passed_over() {
    let answer = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let (url, _end, tasks) = sends([text(answer)], false).await;
    assert_eq!(post(&caller(&tasks), &url).await.unwrap(), 200);
}

#[tokio::test]
async fn d1_a_head_that_drips_ends_at_the_deadline() {
    let (url, end, tasks) = sends(ok_head(1_000).into_iter().map(|byte| vec![byte]), true).await;
    let error = post(&caller(&tasks), &url).await.unwrap_err();
    assert_eq!(error.failure(), Some(Failure::AnswerTimeout), "{error}");
    assert_eq!(end.await.unwrap(), Sent::CutOff);
}

#[tokio::test]
async fn d1_a_head_of_32_kib_is_an_answer_and_more_is_none() {
    let (url, _end, tasks) = sends([ok_head(meter::MAX_ANSWER_HEAD)], false).await;
    assert_eq!(post(&caller(&tasks), &url).await.unwrap(), 200);

    let (url, _end, tasks) = sends([ok_head(meter::MAX_ANSWER_HEAD + 1)], false).await;
    let error = post(&caller(&tasks), &url).await.unwrap_err();
    assert!(matches!(error, CallError::Protocol(_)), "{error:?}");
}

#[tokio::test]
async fn d1_a_body_that_drips_costs_the_connection_at_the_deadline_and_not_the_answer() {
    let head = text("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
    let pieces = std::iter::once(head).chain(std::iter::repeat_n(text("x"), 1_000));
    let (url, end, tasks) = sends(pieces, true).await;
    let caller = caller(&tasks);
    let (answered, captured) = kept(&caller, &url).await;
    assert_eq!(answered.status, 200);
    assert_eq!(captured.body_end, BodyEnd::TooSlow);
    assert!(!captured.body.is_empty() && captured.body.len() < 1_000);
    let total = answered.timings.total;
    assert!(
        PATIENCE.answer <= total && total < 10 * PATIENCE.answer,
        "{total:?}"
    );
    assert_eq!(end.await.unwrap(), Sent::CutOff);
}

/// Many calls on several threads: a connection's driver reads ahead of the call, and may lag behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_of_a_body_64_kib_are_read() {
    const CALLS: usize = 200;
    let answer: &[u8] = ok_with(body::MAX_ANSWER_BODY).leak();
    let (url, mut connections, tasks) = receiver(vec![Act::Answer(answer); CALLS]).await;
    let whole = caller(&tasks);
    for _call in 0..CALLS {
        let (_, captured) = kept(&whole, &url).await;
        assert_eq!((captured.body.len(), captured.body_end), (65_536, BodyEnd::Whole));
    }
    connections.recv().await.unwrap();
    assert!(connections.try_recv().is_err(), "a second connection was made");

    let (url, _end, tasks) = sends([ok_with(body::MAX_ANSWER_BODY + 1)], false).await;
    let caller = caller(&tasks);
    let (answered, captured) = kept(&caller, &url).await;
    assert_eq!(answered.status, 200);
    assert_eq!(
        (captured.body.len(), captured.body_end),
        (65_536, BodyEnd::TooLong)
    );
    assert!(idle(&caller, &url).is_none());
}

#[tokio::test]
async fn d1_a_body_without_end_is_cut_off() {
    let head = text("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = text(format!("400\r\n{}\r\n", "x".repeat(0x400)));
    let (url, end, tasks) = sends(std::iter::once(head).chain(std::iter::repeat(chunk)), false).await;
    let caller = caller(&tasks);
    assert_eq!(post(&caller, &url).await.unwrap(), 200);
    assert!(idle(&caller, &url).is_none());
    assert_eq!(end.await.unwrap(), Sent::CutOff);
}

#[tokio::test]
async fn a_body_shorter_than_its_length_costs_the_connection_and_not_the_answer() {
    let (url, _end, tasks) = sends([text("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort")], false).await;
    let caller = caller(&tasks);
    let (answered, captured) = kept(&caller, &url).await;
    assert_eq!(
        (answered.status.as_u16(), captured.body_end),
        (200, BodyEnd::Broken)
    );
    assert_eq!(&captured.body[..], b"short");
    assert!(idle(&caller, &url).is_none());
}

#[tokio::test]
async fn a_body_longer_than_its_length_is_no_answer_to_the_next_call() {
    let smuggled =
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 Smuggled\r\ncontent-length: 0\r\n\r\n";
    let (url, mut connections, tasks) = receiver(vec![Act::AnswerAndClose(smuggled), Act::Answer(OK)]).await;
    let caller = caller(&tasks);
    assert_eq!(post(&caller, &url).await.unwrap(), 200);
    // Either the surplus was seen before the next request, or the next call fails; it is never taken for an answer.
    match post(&caller, &url).await {
        Ok(status) => {
            assert_eq!(status, 200);
            connections.recv().await.unwrap();
            connections.recv().await.unwrap();
        }
        Err(error) => assert_eq!(error.failure(), Some(Failure::Reset), "{error}"),
    }
}

#[tokio::test]
async fn lengths_that_contradict_each_other_are_no_answer() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nokk";
    let (url, _end, tasks) = sends([text(answer)], false).await;
    let error = post(&caller(&tasks), &url).await.unwrap_err();
    assert_eq!(error.failure(), Some(Failure::Protocol), "{error}");
}

#[tokio::test]
async fn a_receiver_that_accepts_and_says_nothing_of_tls_ends_at_the_connect_deadline() {
    // Nobody accepts: the system does.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let tasks = Tasks::new(Shutdown::new());
    let mut caller = caller(&tasks);
    caller.patience.connect = Duration::from_millis(300);
    let error = post(&caller, &url).await.unwrap_err();
    assert_eq!(error.failure(), Some(Failure::ConnectTimeout), "{error}");
}

#[tokio::test]
async fn a_receiver_that_does_not_speak_tls_is_a_failure_of_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let tasks = Tasks::new(Shutdown::new());
    tasks.spawn("receiver", async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 16];
        stream.read_exact(&mut hello).await.unwrap();
        stream.write_all(OK).await.unwrap();
    });
    let error = post(&caller(&tasks), &url).await.unwrap_err();
    assert_eq!(error.failure(), Some(Failure::Tls), "{error}");
}

#[tokio::test]
async fn a_delivery_keeps_nothing_of_the_answer_and_a_test_keeps_all_of_it() {
    let answer = b"HTTP/1.1 418 Teapot\r\ncontent-length: 5\r\nx-tea: green\r\n\r\nshort";
    let (url, _connections, tasks) = receiver(vec![Act::Answer(answer), Act::Answer(answer)]).await;
    let caller = caller(&tasks);
    let delivery = caller.post(request(&url, Capture::Nothing)).await.unwrap();
    assert!(delivery.captured.is_none());
    let (answered, captured) = kept(&caller, &url).await;
    assert_eq!(answered.status, 418);
    assert_eq!(captured.headers.get("x-tea").unwrap(), "green");
    assert_eq!(
        (&captured.body[..], captured.body_end),
        (&b"short"[..], BodyEnd::Whole)
    );
}

#[tokio::test]
async fn each_phase_is_timed_and_a_connection_used_again_has_no_setup() {
    let (url, _connections, tasks) = receiver(vec![Act::Answer(OK), Act::Answer(OK)]).await;
    let caller = caller(&tasks);
    let first = caller.post(request(&url, Capture::Nothing)).await.unwrap();
    let timings = first.timings;
    let setup = timings.setup.unwrap();
    assert!(setup.connect > Duration::ZERO && timings.first_byte > Duration::ZERO);
    assert_eq!(setup.tls, None);
    assert!(
        setup.dns + setup.connect + timings.first_byte <= timings.total,
        "{timings:?}"
    );
    assert_eq!(first.address.ip().to_string(), "127.0.0.1");
    let second = caller.post(request(&url, Capture::Nothing)).await.unwrap();
    assert_eq!(second.timings.setup, None);
}
