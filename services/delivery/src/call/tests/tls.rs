//! Receivers that speak TLS.

use angarium_testkit::authority::{Authority, Validity};
use angarium_testkit::receiver::{Receiver, Settings};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A receiver on 127.0.0.1 whose certificate is for `name`.
async fn secure(authority: &Authority, name: &str, validity: Validity) -> Receiver {
    let settings = Settings {
        tls: Some(authority.server(&[name], validity).unwrap()),
        ..Settings::default()
    };
    Receiver::with(settings).await.unwrap()
}

fn trusting(pem: Option<String>, tasks: &Tasks) -> Caller {
    let authorities = pem.map_or_else(Authorities::default, |pem| {
        Authorities::from_pem(pem.as_bytes()).unwrap()
    });
    Caller::new(
        Pool::default(),
        Arc::new(Policy::new(Rules::this_machine())),
        TlsSetup::trusting(&authorities).unwrap(),
        Patience::D1,
        tasks.clone(),
    )
}

/// Calls a receiver that is not to be believed; says why it was not.
async fn fault(name: &str, validity: Validity) -> String {
    let authority = Authority::new().unwrap();
    let receiver = secure(&authority, name, validity).await;
    let tasks = Tasks::new(Shutdown::new());
    let caller = trusting(Some(authority.pem()), &tasks);
    let url = receiver.hook("a").parse().unwrap();
    let error = post(&caller, &url).await.unwrap_err();
    assert_eq!(error.failure(), Some(Failure::Tls), "{error}");
    assert!(receiver.received().is_empty());
    error.detail()
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_believed_and_its_connection_used_again() {
    let authority = Authority::new().unwrap();
    let receiver = secure(&authority, "127.0.0.1", Validity::Good).await;
    let tasks = Tasks::new(Shutdown::new());
    let caller = trusting(Some(authority.pem()), &tasks);
    let url: Url = receiver.hook("a").parse().unwrap();
    assert_eq!(url.scheme(), "https");
    let first = caller.post(request(&url, Capture::Nothing)).await.unwrap();
    assert_eq!(first.status, 200);
    let setup = first.timings.setup.unwrap();
    let tls = setup.tls.unwrap();
    assert!(tls > Duration::ZERO);
    assert!(setup.dns + setup.connect + tls + first.timings.first_byte <= first.timings.total);
    let second = caller.post(request(&url, Capture::Nothing)).await.unwrap();
    assert_eq!(second.timings.setup, None);
    // Whose name it was said to have is told to the receiver, and the port, which is not that of https.
    let host = url.authority().to_owned();
    assert_eq!(receiver.received().len(), 2);
    assert!(
        receiver
            .received()
            .iter()
            .all(|received| received.headers["host"] == host.as_str())
    );
}

#[tokio::test]
async fn a_connection_that_was_made_without_tls_serves_no_call_with_it() {
    let (plain, mut connections, tasks) = receiver(vec![Act::Answer(OK), Act::Answer(OK)]).await;
    let caller = trusting(None, &tasks);
    assert_eq!(post(&caller, &plain).await.unwrap(), 200);
    let mut secure = plain.clone();
    secure.set_scheme("https").unwrap();
    // The port is the same: only the scheme tells them apart.
    let error = caller.post(request(&secure, Capture::Nothing));
    let (error, ()) = tokio::join!(timeout(Duration::from_secs(1), error), async {
        connections.recv().await.unwrap();
    });
    assert!(!matches!(error, Ok(Ok(_))), "{error:?}");
}

#[tokio::test]
async fn a_certificate_that_nobody_trusted_has_issued_is_refused() {
    let authority = Authority::new().unwrap();
    let receiver = secure(&authority, "127.0.0.1", Validity::Good).await;
    let tasks = Tasks::new(Shutdown::new());
    let url = receiver.hook("a").parse().unwrap();
    for pem in [None, Some(Authority::new().unwrap().pem())] {
        let error = post(&trusting(pem, &tasks), &url).await.unwrap_err();
        assert_eq!(error.failure(), Some(Failure::Tls), "{error}");
        let told = error.detail();
        assert!(
            told.starts_with(
                "the certificate of 127.0.0.1 is not accepted: nobody who is trusted here has issued it"
            ) && told.contains("`delivery.ca_file`"),
            "{told}"
        );
    }
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_certificate_that_signed_itself_as_an_authority_is_refused_and_what_to_do_is_said() {
    let settings = Settings {
        tls: Some(Authority::as_server(&["127.0.0.1"]).unwrap()),
        ..Settings::default()
    };
    let receiver = Receiver::with(settings).await.unwrap();
    let tasks = Tasks::new(Shutdown::new());
    let url = receiver.hook("a").parse().unwrap();
    let error = post(&trusting(None, &tasks), &url).await.unwrap_err();
    assert_eq!(error.failure(), Some(Failure::Tls), "{error}");
    assert!(
        error
            .detail()
            .contains("make one with `basicConstraints=CA:FALSE`"),
        "{}",
        error.detail()
    );
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_refused_with_its_day() {
    assert_eq!(
        fault("127.0.0.1", Validity::Expired).await,
        "the certificate of 127.0.0.1 is not accepted: it expired on 2020-01-02 00:00:00 UTC: renew it"
    );
}

#[tokio::test]
async fn a_certificate_of_later_is_refused_with_its_day() {
    assert_eq!(
        fault("127.0.0.1", Validity::NotYet).await,
        "the certificate of 127.0.0.1 is not accepted: it is not valid before 2090-01-01 00:00:00 UTC: give the receiver \
         the right one, or set the clock right"
    );
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused_with_both_names() {
    assert_eq!(
        fault("hooks.example.com", Validity::Good).await,
        "the certificate of 127.0.0.1 is not accepted: it is for hooks.example.com, not for 127.0.0.1: use a name of the \
         certificate in the URL, or give the receiver one for 127.0.0.1"
    );
}

/// What hyper and rustls would still write when a call is given up has no bound of its own.
#[tokio::test]
async fn d1_a_receiver_that_never_reads_keeps_no_connection_open() {
    const MUCH: usize = 32 << 20;
    let authority = Authority::new().unwrap();
    let acceptor = TlsAcceptor::from(authority.server(&["127.0.0.1"], Validity::Good).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.unwrap()
    };
    let tasks = Tasks::new(Shutdown::new());
    let caller = Caller {
        patience: PATIENCE,
        ..trusting(Some(authority.pem()), &tasks)
    };
    let request = Request {
        body: Bytes::from(vec![b'x'; MUCH]),
        ..request(&url, Capture::Nothing)
    };
    let (called, _unread) = tokio::join!(caller.post(request), accepting);
    let error = called.unwrap_err();
    assert_eq!(error.failure(), Some(Failure::AnswerTimeout), "{error}");
    tasks.join(Duration::from_secs(30)).await.unwrap();
}
