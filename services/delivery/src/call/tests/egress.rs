//! Where a call goes, and where it does not.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use angarium_policy::egress::Networks;
use tokio::net::TcpSocket;

use super::resolve::{LOOKUP, MAX_ADDRESSES, Resolver};
use super::*;

/// Names of these tests; a name without addresses never gets an answer.
fn script(host: &str) -> Option<Vec<IpAddr>> {
    let texts: &[&str] = match host {
        "good.test" => &["127.0.0.1"],
        "nowhere.test" => &[],
        "first-hangs.test" | "first-refuses.test" => &["127.0.0.2", "127.0.0.1"],
        "good-bad.test" => &["127.0.0.1", "10.0.0.1"],
        "bad-good.test" => &["10.0.0.1", "127.0.0.1"],
        "many.test" => return Some((1..=40).map(|last| IpAddr::from([127, 0, 1, last])).collect()),
        "many-and-a-bad-one.test" => {
            let good = (1..=40).map(|last| IpAddr::from([127, 0, 1, last]));
            return Some(good.chain([IpAddr::from([10, 0, 0, 1])]).collect());
        }
        _ => return None,
    };
    Some(texts.iter().map(|text| text.parse().unwrap()).collect())
}

fn with_names(mut caller: Caller, script: fn(&str) -> Option<Vec<IpAddr>>) -> Caller {
    caller.connector.resolver = Resolver::Scripted(script);
    caller
}

/// The same place under another name.
fn named(url: &Url, host: &str) -> Url {
    let mut url = url.clone();
    url.set_host(Some(host)).unwrap();
    url
}

fn refusal(error: &CallError) -> String {
    assert_eq!(error.failure(), Some(Failure::EgressRefused), "{error:?}");
    error.detail()
}

fn without_loopback() -> Rules {
    Rules {
        allow_loopback: false,
        ..Rules::this_machine()
    }
}

#[tokio::test]
async fn an_address_that_the_policy_refuses_is_not_called() {
    let (url, mut connections, tasks) = receiver(vec![Act::Answer(OK)]).await;
    let caller = with_names(caller_with(Pool::default(), without_loopback(), &tasks), script);
    for host in [
        "127.0.0.1",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "localhost",
        "good.test",
    ] {
        let error = post(&caller, &named(&url, host)).await.unwrap_err();
        let told = refusal(&error);
        assert!(
            told.starts_with("the egress policy refuses to call "),
            "{host}: {told}"
        );
    }
    let told = refusal(&post(&caller, &named(&url, "good.test")).await.unwrap_err());
    assert!(
        told.contains(
            "good.test: 127.0.0.1 is a loopback address (127.0.0.0/8) and refused: use a public address"
        ),
        "{told}"
    );
    assert!(connections.try_recv().is_err(), "it was called");
}

#[tokio::test]
async fn one_refused_address_refuses_the_name_wherever_it_stands() {
    let (url, mut connections, tasks) = receiver(vec![Act::Answer(OK)]).await;
    let caller = with_names(caller(&tasks), script);
    for host in ["good-bad.test", "bad-good.test", "many-and-a-bad-one.test"] {
        let told = refusal(&post(&caller, &named(&url, host)).await.unwrap_err());
        assert!(told.contains("10.0.0.1 is a private address"), "{host}: {told}");
    }
    assert!(connections.try_recv().is_err(), "it was called");
    assert_eq!(post(&caller, &named(&url, "good.test")).await.unwrap(), 200);
}

#[tokio::test]
async fn plain_http_and_other_ports_are_refused_until_they_are_allowed() {
    let (url, mut connections, tasks) = receiver(vec![Act::Answer(OK)]).await;
    let open = Rules::this_machine();
    for (rules, why) in [
        (
            Rules {
                allow_http: false,
                ..open.clone()
            },
            "plain http is refused",
        ),
        (
            Rules {
                ports: "80, 443".parse().unwrap(),
                ..open
            },
            "is refused: use one of 80, 443",
        ),
    ] {
        let caller = caller_with(Pool::default(), rules, &tasks);
        let told = refusal(&post(&caller, &url).await.unwrap_err());
        assert!(told.contains(why), "{told}");
    }
    assert!(connections.try_recv().is_err(), "it was called");
}

#[tokio::test]
async fn an_address_that_hangs_does_not_keep_the_next_one_waiting() {
    let (url, _connections, tasks) = receiver(vec![Act::Answer(OK)]).await;
    let hanging = format!("127.0.0.2:{}", url.port().unwrap()).parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(hanging).unwrap();
    let _never_accepts = socket.listen(1).unwrap();
    // Once its queue is full the system answers nobody.
    let mut filling = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(100), TcpStream::connect(hanging)).await {
        filling.push(connected.unwrap());
        assert!(filling.len() < 100, "the queue is never full");
    }
    let caller = with_names(caller(&tasks), script);
    let url = named(&url, "first-hangs.test");
    let answered = caller.post(request(&url, Capture::Nothing)).await.unwrap();
    assert_eq!(answered.address.ip(), IpAddr::from([127, 0, 0, 1]));
    let took = answered.timings.setup.unwrap().connect;
    assert!(
        Duration::from_millis(250) <= took && took < Duration::from_secs(5),
        "{took:?}"
    );
}

#[tokio::test]
async fn an_address_that_refuses_makes_room_for_the_next_at_once() {
    let (url, _connections, tasks) = receiver(vec![Act::Answer(OK)]).await;
    let caller = with_names(caller(&tasks), script);
    let url = named(&url, "first-refuses.test");
    let answered = caller.post(request(&url, Capture::Nothing)).await.unwrap();
    assert_eq!(answered.address.ip(), IpAddr::from([127, 0, 0, 1]));
    let took = answered.timings.setup.unwrap().connect;
    assert!(took < Duration::from_millis(250), "{took:?}");
}

#[tokio::test]
async fn a_name_without_addresses_is_not_found() {
    let tasks = Tasks::new(Shutdown::new());
    let caller = with_names(caller(&tasks), script);
    let error = post(&caller, &"http://nowhere.test/".parse().unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.failure(), Some(Failure::Dns), "{error}");
}

#[tokio::test(start_paused = true)]
async fn d1_a_name_server_that_hangs_has_5_of_the_10_seconds() {
    let tasks = Tasks::new(Shutdown::new());
    let caller = with_names(caller(&tasks), script);
    let start = Instant::now();
    let error = post(&caller, &"http://silent.test/".parse().unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::DnsTimeout { .. }), "{error:?}");
    assert_eq!(error.failure(), Some(Failure::Dns));
    assert_eq!(start.elapsed(), LOOKUP);
}

#[tokio::test]
async fn of_many_addresses_32_are_tried_and_all_are_vetted() {
    let policy = Policy::new(Rules::this_machine());
    let resolver = Resolver::Scripted(script);
    let addresses = resolver.resolve(&policy, "many.test", 80).await.unwrap();
    assert_eq!(addresses.len(), MAX_ADDRESSES);
    let refused = resolver.resolve(&policy, "many-and-a-bad-one.test", 80).await;
    refusal(&refused.unwrap_err());
}

#[tokio::test]
async fn a_name_that_comes_to_mean_something_else_is_vetted_again() {
    /// The first answer is good, all later ones lead inside.
    fn rebinding(_host: &str) -> Option<Vec<IpAddr>> {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let first = ASKED.fetch_add(1, Ordering::SeqCst) == 0;
        let inside = IpAddr::from([10, 0, 0, 1]);
        Some(vec![if first {
            IpAddr::from([127, 0, 0, 1])
        } else {
            inside
        }])
    }
    let (url, mut connections, tasks) = receiver(vec![Act::Answer(OK), Act::Answer(OK)]).await;
    let caller = with_names(caller(&tasks), rebinding);
    let url = named(&url, "rebinding.test");
    // The connection stays with the address that was vetted.
    assert_eq!(post(&caller, &url).await.unwrap(), 200);
    assert_eq!(post(&caller, &url).await.unwrap(), 200);
    connections.recv().await.unwrap();
    assert!(connections.try_recv().is_err(), "a second connection was made");
    drop(idle(&caller, &url));
    refusal(&post(&caller, &url).await.unwrap_err());
}

#[tokio::test]
async fn a_connection_serves_no_other_account() {
    let (url, _connections, tasks) = receiver(vec![Act::Answer(OK), Act::Answer(OK)]).await;
    let caller = caller(&tasks);
    assert_eq!(post(&caller, &url).await.unwrap(), 200);
    let policy = caller.connector.policy().generation();
    let of = |id| caller.pool.take(&Route::of(account(id), &url, policy));
    assert!(of(2).is_none());
    assert!(of(1).is_some());
}

#[tokio::test]
async fn a_connection_is_not_used_again_under_another_policy() {
    let (url, mut connections, tasks) = receiver(vec![Act::Answer(OK), Act::Answer(OK)]).await;
    let pool = Pool::default();
    let before = caller_with(pool.clone(), Rules::this_machine(), &tasks);
    assert_eq!(post(&before, &url).await.unwrap(), 200);
    let after = caller_with(pool.clone(), without_loopback(), &tasks);
    refusal(&post(&after, &url).await.unwrap_err());

    // Even one that its address would pass.
    let deny: Networks = "10.0.0.0/8".parse().unwrap();
    let stricter = Rules {
        deny,
        ..Rules::this_machine()
    };
    let stricter = caller_with(pool, stricter, &tasks);
    assert!(idle(&stricter, &url).is_none());
    assert!(idle(&before, &url).is_some());
    connections.recv().await.unwrap();
}
