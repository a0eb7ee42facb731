//! W2, D8, G5: requests as Angarium sends them, by the kit's own reading and through its axum handler.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it")]

use std::num::NonZeroUsize;
use std::time::Duration;

use angarium_model::{Lane, Position};
use angarium_receiver::{
    Again, DEFAULT_TOLERANCE, Endpoint, Error, Group, MAX_BODY, Place, Secret, Verifier,
};
use angarium_signing::Signer;
use axum::Router;
use axum::body::Body;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tower_service::Service as _;

const NOW: u64 = 1_727_414_643;
const BODY: &str = r#"{"accountId":1234,"events":[
    {"eventId":"a","eventName":"CI_STATS","timestamp":1725604147,"eventInfo":"1-2","data":{ "n" : 1.50 }},
    {"eventId":"b","eventName":"COURSE_COMPLETED","timestamp":1727414643000,"eventInfo":"","data":{}}]}"#;

fn secrets<const N: usize>() -> [Secret; N] {
    [(); N].map(|()| Secret::generate().unwrap())
}

fn verifier(secrets: &[Secret]) -> Verifier {
    Verifier::new(secrets, DEFAULT_TOLERANCE).unwrap()
}

fn signed(secret: &Secret, body: &str, more: &[(&'static str, &str)]) -> HeaderMap {
    let signer = Signer::new(std::slice::from_ref(secret)).unwrap();
    let signature = signer.sign("msg_1", NOW, body.as_bytes());
    let now = NOW.to_string();
    let own = [
        ("content-type", "application/json"),
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", &now),
        ("webhook-signature", &signature),
    ];
    own.iter()
        .chain(more)
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect()
}

fn read(body: &str, more: &[(&'static str, &str)]) -> Result<Group, Error> {
    let [secret] = secrets();
    let headers = signed(&secret, body, more);
    Group::verify(&verifier(&[secret]), &headers, body.as_bytes(), NOW)
}

#[test]
fn w2_any_of_several_secrets_verifies_and_no_other() {
    let [old, new, stranger] = secrets();
    let verifier = verifier(&[new.clone(), old.clone()]);
    let verify = |secret| Group::verify(&verifier, &signed(secret, BODY, &[]), BODY.as_bytes(), NOW);
    assert!(verify(&old).is_ok() && verify(&new).is_ok());
    assert!(matches!(verify(&stranger), Err(Error::Untrusted(_))));
    let late = Group::verify(&verifier, &signed(&new, BODY, &[]), BODY.as_bytes(), NOW + 301);
    assert!(matches!(late, Err(Error::Untrusted(_))));
    let bare = Group::verify(&verifier, &HeaderMap::new(), BODY.as_bytes(), NOW);
    assert!(matches!(bare, Err(Error::Untrusted(_))));
}

#[test]
fn e4_events_are_read_as_published_from_either_format() {
    let group = read(BODY, &[]).unwrap();
    let told: Vec<_> = group
        .events
        .iter()
        .map(|event| {
            (
                event.account.get(),
                event.id.as_str(),
                event.name.as_str(),
                event.timestamp.get(),
            )
        })
        .collect();
    let expected = [
        (1234, "a", "CI_STATS", 1_725_604_147),
        (1234, "b", "COURSE_COMPLETED", 1_727_414_643_000),
    ];
    assert_eq!(told, expected);
    assert_eq!(group.events[0].data.get(), r#"{ "n" : 1.50 }"#);
    assert_eq!(
        (group.id.as_str(), group.place, group.again),
        ("msg_1", None, None)
    );

    let single = r#"{"accountId":1,"eventId":"a","eventName":"CI_STATS","timestamp":1,"eventInfo":"i","data":{"n":2}}"#;
    let group = read(single, &[]).unwrap();
    assert_eq!(group.events.len(), 1);
    assert_eq!(
        (group.events[0].info.as_str(), group.events[0].data.get()),
        ("i", r#"{"n":2}"#)
    );
}

#[test]
fn d8_where_a_group_stands_is_read_from_its_headers() {
    let place = [
        ("angarium-lane", "batch"),
        ("angarium-position", "3-17"),
        ("angarium-previous", "3-9"),
    ];
    let at = |offset| Position { partition: 3, offset };
    let expected = Place {
        lane: Lane::Batch,
        position: at(17),
        previous: Some(at(9)),
    };
    assert_eq!(read(BODY, &place).unwrap().place, Some(expected));
    let again = |value| read(BODY, &[("angarium-again", value)]).unwrap().again;
    assert_eq!(
        (again("replay"), again("resend")),
        (Some(Again::Replay), Some(Again::Resend))
    );
}

#[test]
fn what_is_signed_and_cannot_be_read_says_what_to_do() {
    let told = |body: &str, more: &[_]| read(body, more).unwrap_err().to_string();
    let empty = r#"{"accountId":1,"events":[]}"#;
    assert!(told(empty, &[]).contains("payload format"));
    assert!(told("no JSON", &[]).contains("no group of events"));
    assert!(told(BODY, &[("angarium-again", "later")]).contains("update it"));
    assert!(
        told(BODY, &[("angarium-lane", "batch"), ("angarium-position", "x")]).contains("angarium-position")
    );
    let [secret] = secrets();
    let mut headers = signed(&secret, BODY, &[]);
    headers.insert(
        "content-type",
        HeaderValue::from_static("application/cloudevents+json; charset=utf-8"),
    );
    let error = Group::verify(&verifier(&[secret]), &headers, BODY.as_bytes(), NOW).unwrap_err();
    assert!(
        error.to_string().contains("set the webhook's payload format"),
        "{error}"
    );
}

/// A handler with room for one group.
fn handler(secret: &Secret) -> (Router, mpsc::Receiver<Group>) {
    let (endpoint, groups) = Endpoint::new(verifier(std::slice::from_ref(secret)), NonZeroUsize::MIN, || NOW);
    (endpoint.router("/hook"), groups)
}

async fn post(app: &Router, headers: HeaderMap, body: impl Into<Body>) -> (StatusCode, String) {
    let mut request = Request::post("/hook").body(body.into()).unwrap();
    *request.headers_mut() = headers;
    let answer = app.clone().call(request).await.unwrap();
    let status = answer.status();
    let told = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(told.to_vec()).unwrap())
}

#[tokio::test]
async fn g5_a_group_is_acknowledged_before_anyone_has_looked_at_it_and_503_once_there_is_no_room() {
    let [secret] = secrets();
    let (app, mut groups) = handler(&secret);
    let send = || post(&app, signed(&secret, BODY, &[]), BODY);
    assert_eq!(send().await.0, StatusCode::NO_CONTENT);
    let (status, told) = send().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(told.contains("comes again"), "{told}");
    assert_eq!(groups.recv().await.unwrap().events.len(), 2);
    assert_eq!(send().await.0, StatusCode::NO_CONTENT, "there is room again");
    drop(groups);
    assert_eq!(send().await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn w2_what_is_not_trusted_or_not_readable_is_refused_and_not_queued() {
    let [secret, stranger] = secrets();
    let (app, mut groups) = handler(&secret);
    let (status, told) = post(&app, signed(&stranger, BODY, &[]), BODY).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(told.contains("wrong secret"), "{told}");
    assert_eq!(
        post(&app, signed(&secret, "{}", &[]), "{}").await.0,
        StatusCode::BAD_REQUEST
    );
    let long = vec![b' '; MAX_BODY + 1];
    let (status, _) = post(&app, signed(&secret, BODY, &[]), long).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(groups.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn g5_a_body_that_does_not_arrive_holds_nothing_for_longer_than_anyone_waits() {
    let [secret] = secrets();
    let (app, _groups) = handler(&secret);
    let began = tokio::time::Instant::now();
    let never = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let (status, _) = post(&app, signed(&secret, BODY, &[]), never).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}
