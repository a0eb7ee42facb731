//! `angarium webhook test`: sends a stored webhook a sample, and shows what came of it (W5).

use std::process::ExitCode;
use std::time::Duration;

use angarium_proto::delivery::v1::delivery_service_client::DeliveryServiceClient;
use angarium_proto::delivery::v1::test_webhook_request::Target;
use angarium_proto::delivery::v1::test_webhook_response::Outcome;
use angarium_proto::delivery::v1::{
    CallTimings, Header, ReceivedAnswer, SentRequest, TestWebhookRequest, TestWebhookResponse,
};
use angarium_runtime::grpc::MAX_MESSAGE_BYTES;
use serde_json::{Value, json};
use tonic::Request;

use super::call::present;
use super::delivery::Delivery;
use crate::cli::{Shape, WebhookTest};
use crate::output::{Row, one, print};

/// Longer than a test takes, which is 15 s (D1).
const PATIENCE: Duration = Duration::from_secs(20);
/// How much of a body people are shown, in bytes.
const SHOWN: usize = 1_024;

/// Tests a webhook and prints the answer; the code is success only if a delivery would count as delivered.
///
/// # Errors
/// When delivery cannot be reached or refuses.
pub(super) async fn run(test: WebhookTest) -> anyhow::Result<ExitCode> {
    let worker = Delivery::at(&test.at)?;
    let mut request = Request::new(TestWebhookRequest {
        account_id: worker.accounts.id(test.of.account.as_ref()).await?,
        target: Some(Target::WebhookId(test.of.webhook)),
        event_type: test.event_type,
    });
    request.set_timeout(PATIENCE);
    let mut delivery =
        DeliveryServiceClient::new(worker.client.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let answer = delivery.test_webhook(request).await;
    let answer = worker.answer("the receiver may have got it", answer)?;
    print(&match test.at.reach.output {
        Shape::Table => printable(&told(&answer)?),
        Shape::Json => one(
            Shape::Json,
            &[],
            Row {
                cells: Vec::new(),
                json: as_json(&answer)?,
            },
        ),
    })?;
    Ok(if answer.delivered {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// For people.
fn told(answer: &TestWebhookResponse) -> anyhow::Result<String> {
    let request = present(answer.request.as_ref())?;
    let id = |header: &&Header| header.name == "webhook-id";
    let id = request.headers.iter().find(id).map_or("", |header| &header.value);
    let (status, took, rest) = match present(answer.outcome.as_ref())? {
        Outcome::Answer(answer) => (
            format!("{} from {}", answer.status, answer.address),
            phases(answer.timings.unwrap_or_default()),
            said(answer),
        ),
        Outcome::Failure(failure) => (
            format!("none: {}", failure.error_class),
            milliseconds(failure.total_us),
            String::new(),
        ),
    };
    let headers = ["delivered", "verdict", "status", "took", "sent to", "webhook-id"];
    let cells = [
        if answer.delivered { "yes" } else { "no" },
        &answer.verdict,
        &status,
        &took,
        &request.url,
        id,
    ];
    let row = Row {
        cells: cells.map(str::to_owned).to_vec(),
        json: Value::Null,
    };
    Ok(one(Shape::Table, &headers, row) + &rest)
}

/// The receiver's headers, and the begin of its body.
fn said(answer: &ReceivedAnswer) -> String {
    let mut text = "\n".to_owned();
    for Header { name, value } in &answer.headers {
        text += &format!("{name}: {value}\n");
    }
    let more = if answer.body_truncated { " or more" } else { "" };
    let bytes = answer.body.len();
    text += &match answer.body.get(..SHOWN) {
        Some(shown) if bytes > SHOWN => {
            let shown = String::from_utf8_lossy(shown);
            format!(
                "\n{shown}\n\n(the first {SHOWN} of {bytes}{more} bytes; `--output json` shows what came)\n"
            )
        }
        _ if bytes == 0 => format!("\n(the body has {bytes}{more} bytes)\n"),
        _ => format!("\n{}\n", String::from_utf8_lossy(&answer.body)),
    };
    text
}

fn phases(timings: CallTimings) -> String {
    let phases = [
        ("DNS", Some(timings.dns_us)),
        ("connect", Some(timings.connect_us)),
        ("TLS", timings.tls_us),
        ("first byte", Some(timings.first_byte_us)),
    ];
    let phases = phases
        .into_iter()
        .filter_map(|(name, us)| Some(format!("{name} {}", milliseconds(us?))));
    let phases: Vec<_> = phases.collect();
    format!("{} ({})", milliseconds(timings.total_us), phases.join(", "))
}

fn milliseconds(us: u64) -> String {
    format!("{}.{:02} ms", us / 1_000, us % 1_000 / 10)
}

/// What a receiver sends must not steer the terminal.
fn printable(text: &str) -> String {
    let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    text.replace(steers, "\u{fffd}")
}

fn as_json(answer: &TestWebhookResponse) -> anyhow::Result<Value> {
    let headers = |headers: &[Header]| -> Vec<Value> {
        let header = |header: &Header| json!({ "name": header.name, "value": header.value });
        headers.iter().map(header).collect()
    };
    let SentRequest {
        url,
        headers: sent,
        body,
    } = present(answer.request.as_ref())?;
    let mut value = json!({
        "delivered": answer.delivered,
        "verdict": answer.verdict,
        "request": { "url": url, "headers": headers(sent), "body": String::from_utf8_lossy(body) },
    });
    match present(answer.outcome.as_ref())? {
        Outcome::Answer(answer) => {
            let timings = answer.timings.unwrap_or_default();
            value["answer"] = json!({
                "status": answer.status,
                "errorClass": answer.error_class,
                "headers": headers(&answer.headers),
                "body": String::from_utf8_lossy(&answer.body),
                "bodyTruncated": answer.body_truncated,
                "address": answer.address,
                "timings": {
                    "dnsUs": timings.dns_us,
                    "connectUs": timings.connect_us,
                    "tlsUs": timings.tls_us,
                    "firstByteUs": timings.first_byte_us,
                    "totalUs": timings.total_us,
                },
            });
        }
        Outcome::Failure(failure) => {
            value["failure"] = json!({
                "errorClass": failure.error_class,
                "detail": failure.detail,
                "totalUs": failure.total_us,
            });
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use angarium_proto::delivery::v1::CallFailure;

    use super::*;

    fn response(outcome: Outcome) -> TestWebhookResponse {
        TestWebhookResponse {
            verdict: "The receiver answered 500.".into(),
            request: Some(SentRequest {
                url: "https://example.com/hook".into(),
                headers: vec![Header {
                    name: "webhook-id".into(),
                    value: "msg_test_1".into(),
                }],
                body: "{}".into(),
            }),
            outcome: Some(outcome),
            ..TestWebhookResponse::default()
        }
    }

    fn answer(body: &[u8]) -> TestWebhookResponse {
        response(Outcome::Answer(ReceivedAnswer {
            status: 500,
            address: "192.0.2.1:443".into(),
            headers: vec![Header {
                name: "x-tea".into(),
                value: "green".into(),
            }],
            body: body.to_vec().into(),
            timings: Some(CallTimings {
                dns_us: 1_234,
                tls_us: None,
                total_us: 12_000,
                ..CallTimings::default()
            }),
            ..ReceivedAnswer::default()
        }))
    }

    #[test]
    fn w5_an_answer_is_told_with_its_times_its_headers_and_the_first_kilobyte_of_its_body() {
        let text = told(&answer(&[b'x'; 2_000])).unwrap();
        for part in [
            "delivered   no\n",
            "status      500 from 192.0.2.1:443\n",
            "took        12.00 ms (DNS 1.23 ms, connect 0.00 ms, first byte 0.00 ms)\n",
            "webhook-id  msg_test_1\n\nx-tea: green\n\nxx",
            "(the first 1024 of 2000 bytes;",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert_eq!(
            text.matches('x').count(),
            1_024 + "example".matches('x').count() + 1
        );
    }

    #[test]
    fn w5_a_failure_is_told_with_its_class_and_a_receiver_cannot_steer_the_terminal() {
        let failed = response(Outcome::Failure(CallFailure {
            error_class: "answer_timeout".into(),
            total_us: 5_000_000,
            ..CallFailure::default()
        }));
        let text = told(&failed).unwrap();
        assert!(
            text.contains("none: answer_timeout\n") && text.contains("5000.00 ms\n"),
            "{text}"
        );
        assert!(as_json(&failed).unwrap()["failure"]["errorClass"] == "answer_timeout");

        let text = printable(&told(&answer(b"a\x1b[2Jb\tc")).unwrap());
        assert!(text.contains("\na\u{fffd}[2Jb\tc\n"), "{text}");
    }
}
