//! The test vectors of the README, read from it: what it promises is what is checked.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of a test fail it")]

use angarium_signing::{DEFAULT_TOLERANCE, Secret, Signer, Verifier};

struct Vector {
    secret: Secret,
    id: String,
    timestamp: String,
    body: String,
    signature: String,
}

/// The rows of the README's table that start with a secret.
fn vectors() -> Vec<Vector> {
    include_str!("../README.md")
        .lines()
        .filter(|line| line.starts_with("| `whsec_"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, secret, id, timestamp, body, signature, _] = cells[..] else {
                panic!("a vector has five cells: {line}");
            };
            Vector {
                secret: code(secret).parse().unwrap(),
                id: code(id).to_owned(),
                timestamp: code(timestamp).to_owned(),
                body: if body == "empty" {
                    String::new()
                } else {
                    code(body).to_owned()
                },
                signature: code(signature).to_owned(),
            }
        })
        .collect()
}

/// What stands between the cell's first pair of back quotes.
fn code(cell: &str) -> &str {
    cell.split('`')
        .nth(1)
        .unwrap_or_else(|| panic!("no code in the cell: {cell}"))
}

#[test]
fn every_vector_of_the_readme_is_signed_and_verified() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 3);
    for Vector {
        secret,
        id,
        timestamp,
        body,
        signature,
    } in vectors
    {
        let at = timestamp.parse().unwrap();
        let signer = Signer::new(std::slice::from_ref(&secret)).unwrap();
        assert_eq!(signer.sign(&id, at, body.as_bytes()), signature);
        let verifier = Verifier::new(&[secret], DEFAULT_TOLERANCE).unwrap();
        assert_eq!(
            verifier.verify(&id, &timestamp, &signature, body.as_bytes(), at),
            Ok(())
        );
    }
}

#[test]
fn the_rotation_of_the_readme_carries_both_signatures_in_order() {
    let vectors = vectors();
    let [_, second, third] = &vectors[..] else {
        panic!("three vectors")
    };
    let signer = Signer::new(&[second.secret.clone(), third.secret.clone()]).unwrap();
    let header = signer.sign(
        &second.id,
        second.timestamp.parse().unwrap(),
        second.body.as_bytes(),
    );
    let published = include_str!("../README.md")
        .lines()
        .find(|line| line.matches("v1,").count() == 2)
        .unwrap();
    assert_eq!(header, published);
}
