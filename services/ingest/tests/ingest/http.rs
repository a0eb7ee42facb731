//! The door of HTTP: keys, paths, methods, what travels beside a body, and how much at once.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::harness::{ACCOUNT, EXTERNAL_ID, Ingest, KEY, event};

#[tokio::test]
async fn without_the_key_nothing_is_open_but_the_probes() {
    let ingest = Ingest::start().await;
    let path = format!("/v1/accounts/{ACCOUNT}/events");
    for (method, path) in [
        (Method::POST, path.as_str()),
        (Method::GET, &path),
        (Method::GET, "/"),
        (Method::GET, "/v1"),
    ] {
        for key in [None, Some("Bearer another-key-for-tests"), Some(KEY)] {
            let mut request = Request::builder().method(&method).uri(path);
            if let Some(key) = key {
                request = request.header(header::AUTHORIZATION, key);
            }
            let answer = ingest
                .request(request.body(Full::new(Bytes::from(event("a")))).unwrap())
                .await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {key:?}");
            assert!(answer.header(header::WWW_AUTHENTICATE).starts_with("Bearer"));
            assert!(
                answer.body["detail"]
                    .as_str()
                    .unwrap()
                    .contains("authorization: Bearer")
            );
        }
    }
    let live = ingest
        .request(Request::get("/livez").body(Full::default()).unwrap())
        .await;
    assert_eq!(live.status, StatusCode::OK);
    ingest.post(event("a")).await.accepted();
    let ready = ingest
        .request(Request::get("/readyz").body(Full::default()).unwrap())
        .await;
    assert_eq!(ready.status, StatusCode::OK);
    assert_eq!(ingest.events(ACCOUNT).await.len(), 1);
}

#[tokio::test]
async fn an_account_is_named_by_its_external_id_as_well() {
    let ingest = Ingest::start().await;
    let post = |account: &str| {
        Request::post(format!("/v1/accounts/{account}/events"))
            .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(event("a"))))
            .unwrap()
    };
    ingest
        .request(post(&format!("ext:{EXTERNAL_ID}")))
        .await
        .accepted();
    assert_eq!(ingest.events(ACCOUNT).await.len(), 1);
    for (account, detail) in [
        ("ext:acme", "--external-id acme"),
        ("acme-gmbh", "`ext:` and its external id"),
        ("ext:a%20b", "external id is written with"),
    ] {
        let refused = ingest.request(post(account)).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{account}");
        let told = refused.body["detail"].as_str().unwrap();
        assert!(told.contains(detail), "{told}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_clearly() {
    let ingest = Ingest::start().await;
    let post = |uri: &str, content_type: &str| {
        Request::post(uri)
            .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
            .header(header::CONTENT_TYPE, content_type)
            .body(Full::new(Bytes::from(event("a"))))
            .unwrap()
    };
    for (uri, part) in [
        ("/v1/accounts/99/events", "angarium account create --id 99"),
        (
            "/v1/accounts/abc/events",
            "an account is named by its id, an integer",
        ),
        ("/v1/events", "/v1/accounts/{account}/events"),
    ] {
        let answer = ingest.request(post(uri, "application/json")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{uri}");
        assert!(
            answer.body["detail"].as_str().unwrap().contains(part),
            "{}",
            answer.body
        );
    }
    let answer = ingest
        .request(post("/v1/accounts/1234/events", "text/plain"))
        .await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(
        answer.body["detail"]
            .as_str()
            .unwrap()
            .contains("application/json")
    );
    let mut put = post("/v1/accounts/1234/events", "application/json");
    *put.method_mut() = Method::PUT;
    let answer = ingest.request(put).await;
    assert_eq!(
        (answer.status, answer.header(header::ALLOW)),
        (StatusCode::METHOD_NOT_ALLOWED, "POST")
    );
    assert_eq!(ingest.events(ACCOUNT).await, []);
}

#[tokio::test]
async fn without_a_lease_known_accounts_are_served_and_of_others_nothing_is_said() {
    let ingest = Ingest::start().await;
    let stranger = async || {
        let body = Full::new(Bytes::from(event("a")));
        ingest.request(Ingest::publish(4_711).body(body).unwrap()).await
    };
    assert_eq!(stranger().await.status, StatusCode::NOT_FOUND);
    ingest.directory.lose_lease();
    ingest.post(event("a")).await.accepted();
    let answer = stranger().await;
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "it may have been created meanwhile"
    );
    assert_eq!(answer.header(header::RETRY_AFTER), "1");
    ingest.directory.regain_lease();
    assert_eq!(stranger().await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_valid_traceparent_travels_with_the_record() {
    let ingest = Ingest::start().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for sent in [trace, "nonsense"] {
        let request = Ingest::publish(ACCOUNT)
            .header("traceparent", sent)
            .body(Full::new(Bytes::from(event(sent))));
        ingest.request(request.unwrap()).await.accepted();
    }
    let headers: Vec<_> = ingest
        .records(ACCOUNT)
        .await
        .into_iter()
        .map(|record| record.headers)
        .collect();
    assert_eq!(
        headers,
        [vec![("traceparent".to_owned(), Bytes::from(trace))], vec![]]
    );
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_408() {
    let ingest = Ingest::with(|config| config.traffic.read_timeout = Duration::from_millis(200)).await;
    let mut stream = TcpStream::connect(ingest.handle.http()).await.unwrap();
    let head = format!(
        "POST /v1/accounts/{ACCOUNT}/events HTTP/1.1\r\nhost: ingest\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status_line = [0; "HTTP/1.1 408".len()];
    stream.read_exact(&mut status_line).await.unwrap();
    assert_eq!(&status_line, b"HTTP/1.1 408");
}

#[tokio::test]
async fn the_shutdown_ends_everything() {
    let ingest = Ingest::start().await;
    ingest.post(event("a")).await.accepted();
    ingest.tasks.shutdown().begin();
    ingest.tasks.join(Duration::from_secs(20)).await.unwrap();
    assert!(TcpStream::connect(ingest.handle.http()).await.is_err());
    assert!(TcpStream::connect(ingest.handle.grpc()).await.is_err());
}
