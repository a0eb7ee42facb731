use angarium_signing::Signer;
use bytes::Bytes;
use http::HeaderMap;

use super::told::Gap;
use super::*;

const BODY: &[u8] = br#"{"accountId":1,"events":[{"eventId":"e","eventName":"A","data":{"n":1}}]}"#;
const NOW: u64 = 1_700_000_000;

fn call(headers: &[(&'static str, &str)]) -> Call {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    Call {
        method: Method::POST,
        path: "/hook".into(),
        headers: map,
        body: Bytes::from_static(BODY),
    }
}

fn at(position: &str, previous: &str) -> Call {
    let headers = [
        ("angarium-lane", "realtime"),
        ("angarium-position", position),
        ("angarium-previous", previous),
    ];
    let there = headers.into_iter().filter(|(_, value)| !value.is_empty());
    call(&there.collect::<Vec<_>>())
}

fn receiver(verifier: Option<Verifier>, status: Option<StatusCode>) -> (Receiver, mpsc::Receiver<Told>) {
    let (tell, calls) = mpsc::channel(1);
    let (clock, _hand) = Clock::manual(1_700_000_001_000);
    let receiver = Receiver {
        verifier,
        status,
        delay: Duration::ZERO,
        clock,
        confirmed: Mutex::default(),
        tell,
    };
    (receiver, calls)
}

#[test]
fn d8_a_gap_shows_and_what_comes_again_or_was_not_confirmed_is_none() {
    let mut confirmed = Confirmed::default();
    let ok = StatusCode::NO_CONTENT;
    assert_eq!(
        confirmed.take(&at("0-5", "0-1"), ok),
        Gap::None,
        "nothing is known yet"
    );
    assert_eq!(
        confirmed.take(&at("0-5", "0-1"), ok),
        Gap::Again,
        "an answer was lost"
    );
    assert_eq!(
        confirmed.take(&at("0-7", "0-5"), StatusCode::SERVICE_UNAVAILABLE),
        Gap::None
    );
    assert_eq!(
        confirmed.take(&at("0-7", "0-5"), ok),
        Gap::None,
        "the retry of what failed"
    );
    let missing = Gap::Missing {
        last: "0-7".into(),
        previous: "0-8".into(),
    };
    assert_eq!(confirmed.take(&at("0-9", "0-8"), ok), missing);
    assert_eq!(confirmed.take(&at("0-10", ""), ok), Gap::None, "it is not known");
    let again = call(&[("angarium-position", "0-2"), ("angarium-again", "replay")]);
    assert_eq!(confirmed.take(&again, ok), Gap::None);
    assert_eq!(
        confirmed.take(&at("0-11", "0-10"), ok),
        Gap::None,
        "a replay changes nothing"
    );
}

#[tokio::test]
async fn w2_a_call_is_verified_and_one_that_is_not_signed_is_refused_and_shown() {
    let secret = Secret::generate().unwrap();
    let signature = Signer::new(std::slice::from_ref(&secret))
        .unwrap()
        .sign("grp", NOW, BODY);
    let now = NOW.to_string();
    let signed = [
        ("webhook-id", "grp"),
        ("webhook-timestamp", now.as_str()),
        ("webhook-signature", signature.as_str()),
        ("angarium-position", "0-5"),
    ];
    let verifier = Verifier::new(&[secret], DEFAULT_TOLERANCE).unwrap();
    let (receiver, mut calls) = receiver(Some(verifier), None);
    assert_eq!(receiver.answer(call(&signed)).await, StatusCode::NO_CONTENT);
    let told = calls.recv().await.unwrap();
    let expected = "2023-11-14T22:13:21Z  POST /hook  204  verified  0-5\n    A  e  {\"n\":1}\n";
    assert_eq!(told.lines(), expected);
    assert_eq!(told.json()["body"]["events"][0]["eventId"], "e");
    assert_eq!(
        receiver.answer(call(&signed[..2])).await,
        StatusCode::UNAUTHORIZED
    );
    let told = calls.recv().await.unwrap();
    assert!(
        told.lines().contains("401  NOT TO BE TRUSTED"),
        "{}",
        told.lines()
    );
    assert_eq!(told.json()["verified"], false);
}

#[tokio::test]
async fn d2_a_failure_is_answered_on_demand_and_nothing_is_confirmed_by_it() {
    let (receiver, mut calls) = receiver(None, Some(StatusCode::SERVICE_UNAVAILABLE));
    for _ in 0..2 {
        assert_eq!(
            receiver.answer(at("0-5", "0-1")).await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        let told = calls.recv().await.unwrap();
        assert_eq!(told.json()["confirmedBefore"], false);
        assert!(
            told.lines().contains("503  not checked  realtime 0-5"),
            "{}",
            told.lines()
        );
    }
}

#[test]
fn w2_a_secret_is_read_as_it_was_handed_out_or_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    let secret = Secret::generate().unwrap();
    let text = secret.expose();
    for written in [
        format!("{}\n", *text),
        format!("{{\"secret\": \"{}\", \"url\": \"x\"}}", *text),
    ] {
        std::fs::write(&file, written).unwrap();
        assert_eq!(*super::secret(&file).unwrap().expose(), *text);
    }
    std::fs::write(&file, "whsec_x").unwrap();
    assert!(
        super::secret(&file)
            .unwrap_err()
            .to_string()
            .contains("holds no secret")
    );
}
