//! `angarium dev`, as the README runs it.
#![expect(clippy::unwrap_used, reason = "a test that cannot run the program has failed")]

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Output};

/// Runs the real program. It ends by itself: every wait in it has a bound.
fn dev(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_angarium"))
        .arg("dev")
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// E1–E7: the 27 samples go in as they are published; two are no JSON, 25 arrive signed, those that share an
/// eventId with another type among them.
#[test]
fn the_published_samples_arrive_verified_and_two_are_refused_with_their_place() {
    let output = dev(&["--once", "--http-port=0", "--grpc-port=0", "--registry-port=0"]);
    let (told, log) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}\n{log}");
    let counts = "accepted 25   refused 2   delivered 25   verified 25   as promised";
    assert!(told.contains(counts), "{told}");

    let lines: Vec<_> = told.lines().collect();
    for (title, column, line) in [
        (
            "COURSE_UNENROLLMENT",
            43,
            r#""enrollmentSource": "ADMIN_ENROLL","#,
        ),
        (
            "LEARNING_PATH_UNENROLLMENT",
            42,
            r#""enrollmentSource": "SELF_ENROLL","#,
        ),
    ] {
        let refused = |told: &&str| told.contains(&format!("✗ {title} ")) && told.contains("refused, 400");
        let at = lines.iter().position(refused).unwrap();
        let place = format!("line 14, column {column}: a comma must not come before");
        assert!(lines[at + 1].trim().starts_with(&place), "{told}");
        assert!(lines[at + 2].ends_with(line), "{told}");
        assert_eq!(lines[at + 3].find('^'), lines[at + 2].rfind(','), "{told}");
    }
    assert!(told.contains("Webhooks may lead to this machine"), "{told}");
    let verified = |name: &str| lines.iter().any(|line| line.contains(&format!("✓ {name} ")));
    for shared in [
        "COURSE_COMPLETED",
        "CERTIFICATION_COMPLETED",
        "CERTIFICATION_UNENROLLMENT",
    ] {
        let both = verified(shared) && verified(&format!("{shared}_BATCH"));
        assert!(both, "{shared}:\n{told}");
    }
    assert!(!told.contains('\u{1b}'), "colours are for terminals");
    for line in lines {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn a_port_that_was_asked_for_and_is_taken_is_told_before_anything_starts() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = dev(&["--once", "--http-port", &port]);
    assert_eq!(output.status.code(), Some(1));
    let log = text(&output.stderr);
    let problem = format!("--http-port {port}: cannot listen there");
    assert!(log.contains(&problem), "{log}");
    assert!(output.stdout.is_empty());
}
