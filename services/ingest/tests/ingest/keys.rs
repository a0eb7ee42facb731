//! API keys: who may publish, where, and for how long.

use angarium_model::{AccountId, ApiKey, Grant, KeyId, Revision, Scope, Scopes};
use angarium_proto::event::v1;
use angarium_runtime::access::new_token;
use http::{StatusCode, header};
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::harness::{ACCOUNT, Answer, Ingest, KEY, NOW_MS, OTHER, event};

/// A key that ingest knows of, and its token.
fn key(ingest: &Ingest, account: Option<u64>, scope: Scope) -> (ApiKey, String) {
    let id = KeyId::from_bytes(
        [u8::try_from(Scope::ALL.iter().position(|one| *one == scope).unwrap()).unwrap(); 16],
    );
    let (token, hash) = new_token(id);
    let key = ApiKey {
        id,
        account: account.map(|id| AccountId::new(id).unwrap()),
        name: "courses".into(),
        grant: Grant::Scopes(Scopes::of(&[scope])),
        hash,
        previous: None,
        expires_at_ms: None,
        revision: Revision::from_offset(2),
        created_at_ms: NOW_MS,
        last_used_at_ms: None,
    };
    ingest.directory.put_key(key.clone());
    (key, token.expose())
}

async fn post(ingest: &Ingest, account: u64, token: &str) -> Answer {
    let mut request = Ingest::publish(account);
    let headers = request.headers_mut().unwrap();
    headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    ingest
        .request(request.body(Full::new(event("a").into())).unwrap())
        .await
}

#[tokio::test]
async fn a_key_publishes_for_its_account_and_others_are_not_there() {
    let ingest = Ingest::start().await;
    let (_, own) = key(&ingest, Some(ACCOUNT), Scope::Publish);
    assert_eq!(post(&ingest, ACCOUNT, &own).await.status, StatusCode::ACCEPTED);
    let (other, nobody) = (post(&ingest, OTHER, &own).await, post(&ingest, 5, &own).await);
    assert_eq!(
        (other.status, nobody.status),
        (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
    );
    let told = other.body["detail"].as_str().unwrap().replace("1010", "5");
    assert_eq!(told, nobody.body["detail"], "they are told apart");
}

#[tokio::test]
async fn a_key_that_does_not_allow_to_publish_is_told_what_it_allows() {
    let ingest = Ingest::start().await;
    let (_, reader) = key(&ingest, None, Scope::Read);
    let refused = post(&ingest, ACCOUNT, &reader).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let told = refused.body["detail"].as_str().unwrap();
    assert!(
        told.contains("does not allow publish, which this needs, but read"),
        "{told}"
    );
    assert_eq!(ingest.events(ACCOUNT).await, []);
}

#[tokio::test]
async fn nobody_is_let_in_by_a_key_while_it_may_have_been_revoked() {
    let ingest = Ingest::start().await;
    let (_, token) = key(&ingest, Some(ACCOUNT), Scope::Publish);
    ingest.directory.lose_lease();
    let refused = post(&ingest, ACCOUNT, &token).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.header(header::RETRY_AFTER), "1");
    assert_eq!(post(&ingest, ACCOUNT, KEY).await.status, StatusCode::ACCEPTED);
    ingest.directory.regain_lease();
    assert_eq!(post(&ingest, ACCOUNT, &token).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_body_that_comes_behind_the_revocation_of_its_key_is_refused() {
    let ingest = Ingest::start().await;
    let (revoked, token) = key(&ingest, Some(ACCOUNT), Scope::Publish);
    let body = event("late");
    let head = format!(
        "POST /v1/accounts/{ACCOUNT}/events HTTP/1.1\r\nhost: ingest\r\nconnection: close\r\nexpect: 100-continue\r\n\
         authorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(ingest.handle.http()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // Said once the body is wanted: the headers were let in.
    let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut go_on).await.unwrap();
    ingest.directory.drop_key(revoked.id, Revision::from_offset(3));
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert_eq!(ingest.ids(ACCOUNT).await, [""; 0]);
}

#[tokio::test]
async fn a_silent_stream_ends_when_its_key_is_revoked() {
    let ingest = Ingest::start().await;
    let (revoked, token) = key(&ingest, Some(ACCOUNT), Scope::Publish);
    let (requests, sent) = tokio::sync::mpsc::channel(1);
    let request = v1::PublishStreamRequest {
        sequence: 1,
        account_id: ACCOUNT,
        event: Some(v1::Event {
            event_id: "1".into(),
            event_name: "CI_STATS".into(),
            data: "{}".into(),
            ..v1::Event::default()
        }),
        ..v1::PublishStreamRequest::default()
    };
    requests.send(request).await.unwrap();
    let stream = tokio_stream::wrappers::ReceiverStream::new(sent);
    let mut publisher = ingest.grpc(&token);
    let mut answers = publisher.publish_stream(stream).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 1);
    // Without a word of the caller.
    ingest.directory.drop_key(revoked.id, Revision::from_offset(3));
    let ended = answers.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated, "{ended}");
    assert_eq!(ended.get_details_error_info().unwrap().reason, "KEY_INVALID");
    assert_eq!(ingest.ids(ACCOUNT).await, ["1"]);
}
