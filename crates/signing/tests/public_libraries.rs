//! W2: what we sign is verified by the public Standard Webhooks libraries for Python and JavaScript, with every secret
//! that is valid and no other, and refused by them once tampered with.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it")]

use std::time::{SystemTime, UNIX_EPOCH};

use angarium_signing::{Secret, Signer};
use angarium_testkit::public_libraries::{ACCEPTED, Language, NO_MATCH, Request};

const BODIES: [&str; 4] = [
    r#"{"accountId":1234,"events":[{"eventId":"1","eventName":"CI_STATS","data":{ "seatLimit" : 10.0 }}]}"#,
    r#"{"title":"Größe, 漢字, עברית, 🚚, \u0000"}"#,
    "\u{feff}no JSON at all\r\n\t",
    "",
];

#[test]
fn w2_python_verifies_what_we_sign() {
    check(Language::Python);
}

#[test]
fn w2_javascript_verifies_what_we_sign() {
    check(Language::JavaScript);
}

fn check(library: Language) {
    let cases = cases();
    let requests: Vec<_> = cases.iter().map(|case| case.request.clone()).collect();
    let verdicts = library.verdicts(&requests).unwrap();
    for (case, verdict) in cases.iter().zip(&verdicts) {
        assert_eq!(verdict, case.verdict, "{}: {:?}", case.what, case.request);
    }
}

struct Case {
    what: &'static str,
    request: Request,
    verdict: &'static str,
}

/// For each body: verified with either secret of a rotation, after it with the new one alone, and refused after each kind
/// of tampering.
fn cases() -> Vec<Case> {
    let [old, new, stranger] = [(); 3].map(|()| Secret::generate().unwrap());
    let rotating = Signer::new(&[new.clone(), old.clone()]).unwrap();
    let rotated = Signer::new(std::slice::from_ref(&new)).unwrap();
    let now = unix_seconds();
    let request = |secret: &Secret, id: &str, timestamp: u64, signature: &str, body: &str| Request {
        secret: secret.expose().to_string(),
        id: id.to_owned(),
        timestamp: timestamp.to_string(),
        signature: signature.to_owned(),
        body: body.to_owned(),
    };
    let mut cases = Vec::new();
    for body in BODIES {
        let both = rotating.sign("grp_1", now, body.as_bytes());
        let alone = rotated.sign("grp_1", now, body.as_bytes());
        let long_ago = now - 3600;
        let stale = rotating.sign("grp_1", long_ago, body.as_bytes());
        let tampered = format!("{body} ");
        let of_body = [
            (
                "the old secret",
                ACCEPTED,
                request(&old, "grp_1", now, &both, body),
            ),
            (
                "the new secret",
                ACCEPTED,
                request(&new, "grp_1", now, &both, body),
            ),
            (
                "the new one after it",
                ACCEPTED,
                request(&new, "grp_1", now, &alone, body),
            ),
            (
                "the old one after it",
                NO_MATCH,
                request(&old, "grp_1", now, &alone, body),
            ),
            (
                "not ours",
                NO_MATCH,
                request(&stranger, "grp_1", now, &both, body),
            ),
            (
                "another body",
                NO_MATCH,
                request(&new, "grp_1", now, &both, &tampered),
            ),
            ("another id", NO_MATCH, request(&new, "grp_2", now, &both, body)),
            (
                "another timestamp",
                NO_MATCH,
                request(&new, "grp_1", now + 1, &both, body),
            ),
            (
                "replayed",
                "refused: Message timestamp too old",
                request(&new, "grp_1", long_ago, &stale, body),
            ),
        ];
        cases.extend(of_body.map(|(what, verdict, request)| Case {
            what,
            request,
            verdict,
        }));
    }
    cases
}

#[expect(
    clippy::disallowed_methods,
    reason = "the public libraries read the real clock"
)]
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
