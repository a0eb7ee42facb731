//! `angarium publish`: sends a file to ingest over HTTP.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::accounts::given_or;
use crate::cli::{Publish, Shape};
use crate::failed::{Failed, Why};
use crate::output::{Row, list, print};
use crate::settings::Settings;

/// Longer than ingest gives Kafka, so that its answer comes before we stop waiting.
const PATIENCE: Duration = Duration::from_secs(30);

/// The answer to 1,000 events, the most of a request, is smaller.
const MAX_ANSWER: usize = 8 << 20;

/// Publishes the file and prints where Kafka holds its events.
///
/// # Errors
/// When ingest cannot be reached or refuses; the error tells all that is wrong.
pub(crate) async fn run(publish: Publish) -> anyhow::Result<()> {
    let reach = &publish.reach;
    let settings = Settings::read_to_call(reach, publish.ingest.as_deref(), "ingest")?;
    let endpoint = settings.ingest_endpoint.clone();
    let uri: Uri = format!(
        "{}/v1/accounts/{}/events",
        endpoint.trim_end_matches('/'),
        given_or(publish.account.as_ref(), settings.account.as_ref())?
    )
    .parse()
    .with_context(|| format!("ingest.endpoint: `{endpoint}` is not http://host:port"))?;
    let body = read(&publish.file).with_context(|| format!("cannot read {}", publish.file.display()))?;

    let mut key = HeaderValue::try_from(format!("Bearer {}", settings.presented().expose()))?;
    key.set_sensitive(true);
    let request = Request::builder()
        .method(Method::POST)
        .header(CONTENT_TYPE, content_type(&publish.file, &body))
        .header(AUTHORIZATION, key)
        .uri(uri)
        .body(Full::new(body))?;
    let exchange = tokio::time::timeout(PATIENCE, exchange(request));
    let (status, answer) = exchange
        .await
        .unwrap_or_else(|_elapsed| {
            let late = format!(
                "no answer within {} s; it may yet be accepted",
                PATIENCE.as_secs()
            );
            Err(Failed::new(Why::Unknown, late).into())
        })
        .with_context(|| format!("ingest at {endpoint}"))?;
    if status != StatusCode::ACCEPTED {
        let why = refused(&answer, reach.output);
        let said = format!("ingest at {endpoint} refuses ({status}): {why}");
        return Err(Failed::new(status.into(), said).into());
    }
    print(&accepted(&answer, reach.output))
}

/// Nothing else happens in this process meanwhile, so that it may block.
fn read(file: &Path) -> std::io::Result<Bytes> {
    if file.as_os_str() != "-" {
        return std::fs::read(file).map(Bytes::from);
    }
    let mut body = Vec::new();
    std::io::stdin().lock().read_to_end(&mut body)?;
    Ok(body.into())
}

/// One event a line is another content type than JSON: files say so by their name, and standard input by having
/// a second line that begins a new object.
fn content_type(file: &Path, body: &[u8]) -> &'static str {
    const JSON: &str = "application/json";
    const LINES: &str = "application/x-ndjson";
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("ndjson" | "jsonl") => LINES,
        Some(_) => JSON,
        None => {
            let mut lines = body
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.trim_ascii().is_empty());
            let whole = |line: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
            if lines.next().is_some_and(whole) && lines.next().is_some() {
                LINES
            } else {
                JSON
            }
        }
    }
}

/// One request on a connection of its own.
pub(crate) async fn exchange(mut request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
    let uri = request.uri().clone();
    if uri.scheme_str() != Some("http") {
        bail!("only http:// is spoken here; TLS is the business of a proxy");
    }
    let (host, port) = (
        uri.host().context("its address has no host")?,
        uri.port_u16().unwrap_or(80),
    );
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    request.headers_mut().insert(HOST, authority.parse()?);
    *request.uri_mut() = uri.path().parse()?;

    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let not_connected = |error| format!("cannot connect; is it running? {error}");
    let tcp = TcpStream::connect((bare, port))
        .await
        .map_err(|error| Failed::new(Why::NotNow, not_connected(error)))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(tcp)).await?;
    let answer = async move { collect(sender.send_request(request).await?).await };
    // The connection ends once its sender, which `answer` owns, is dropped.
    let (answer, connection) = futures::future::join(answer, connection).await;
    let answered = answer.and_then(|answer| connection.map(|()| answer).map_err(anyhow::Error::new));
    answered.map_err(|error| Failed::new(Why::Unknown, format!("the connection broke: {error:#}")).into())
}

async fn collect(response: Response<Incoming>) -> anyhow::Result<(StatusCode, Bytes)> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER)
        .collect()
        .await
        .map_err(anyhow::Error::from_boxed)?;
    Ok((head.status, body.to_bytes()))
}

/// JSON with line breaks, or the text as it came.
fn readable(answer: &[u8]) -> String {
    serde_json::from_slice::<Value>(answer).map_or_else(
        |_not_json| String::from_utf8_lossy(answer).into_owned(),
        |value| format!("{value:#}"),
    )
}

fn accepted(answer: &[u8], shape: Shape) -> String {
    let parsed: Option<Value> = serde_json::from_slice(answer).ok();
    let events = parsed
        .as_ref()
        .and_then(|answer| answer.get("accepted"))
        .and_then(Value::as_array);
    match (shape, events) {
        (Shape::Table, Some(events)) => {
            let headers = ["eventId", "eventName", "position", "duplicate"];
            let rows = events.iter().map(|event| Row {
                cells: headers.iter().map(|name| text(event, name)).collect(),
                json: event.clone(),
            });
            list(shape, &headers, rows.collect()) + &warnings(parsed.as_ref())
        }
        _ => format!("{}\n", readable(answer)),
    }
}

/// What is odd about events that were accepted, each with its place; empty where nothing is.
fn warnings(answer: Option<&Value>) -> String {
    let listed = answer.and_then(|answer| answer.get("warnings")?.as_array());
    let listed = listed.into_iter().flatten();
    let told: Vec<_> = listed
        .map(|warning| format!("  - {}\n", mistake(warning)))
        .collect();
    if told.is_empty() {
        return String::new();
    }
    format!("\naccepted, but not as the catalogue says:\n{}", told.concat())
}

/// A problem (RFC 9457) for a person: what is wrong, or each mistake with its place.
fn refused(answer: &[u8], shape: Shape) -> String {
    let problem = serde_json::from_slice::<Value>(answer)
        .ok()
        .filter(|problem| problem.get("title").is_some());
    let Some(problem) = problem.filter(|_| shape == Shape::Table) else {
        return readable(answer);
    };
    let title = text(&problem, "title");
    match problem.get("errors").and_then(Value::as_array) {
        Some(errors) => errors
            .iter()
            .fold(title, |told, error| format!("{told}\n  - {}", mistake(error))),
        None => format!("{title}: {}", text(&problem, "detail")),
    }
}

/// `/0/eventName, line 3, column 5: what is wrong`, and below it the text of the line.
fn mistake(error: &Value) -> String {
    let mut place = vec![text(error, "pointer")];
    place.extend(["line", "column"].map(|name| match text(error, name) {
        number if number.is_empty() => number,
        number => format!("{name} {number}"),
    }));
    place.retain(|part| !part.is_empty());
    let source = match text(error, "text") {
        line if line.is_empty() => line,
        line => format!("\n      {line}"),
    };
    let detail = text(error, "detail");
    if place.is_empty() {
        format!("{detail}{source}")
    } else {
        format!("{}: {detail}{source}", place.join(", "))
    }
}

/// A field as text, without quotes; empty when it is not there.
fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_from_json() {
        let stdin = Path::new("-");
        assert_eq!(content_type(Path::new("a.ndjson"), b""), "application/x-ndjson");
        assert_eq!(content_type(Path::new("a.json"), b"{}\n{}"), "application/json");
        assert_eq!(
            content_type(stdin, b"{\"a\":1}\n{\"a\":2}\n"),
            "application/x-ndjson"
        );
        assert_eq!(content_type(stdin, b"{\"a\":1}\n\n"), "application/json");
        assert_eq!(content_type(stdin, b"{\n \"a\":1}\n"), "application/json");
    }

    #[test]
    fn accepted_events_are_a_table_and_anything_else_is_shown_as_it_is() {
        let answer = br#"{"accepted":[{"eventId":"e","eventName":"A","position":"3/9","duplicate":false}]}"#;
        let table = accepted(answer, Shape::Table);
        assert_eq!(
            table,
            "EVENTID  EVENTNAME  POSITION  DUPLICATE\ne        A          3/9       false\n"
        );
        assert_eq!(accepted(b"fine", Shape::Table), "fine\n");
        let odd =
            br#"{"accepted":[],"warnings":[{"pointer":"/data/loId","detail":"is odd"}],"warningCount":1}"#;
        let told = accepted(odd, Shape::Table);
        assert!(
            told.ends_with("\naccepted, but not as the catalogue says:\n  - /data/loId: is odd\n"),
            "{told}"
        );
    }

    #[test]
    fn a_refusal_shows_each_mistake_with_its_place() {
        let answer =
            br#"{"title":"The body is not valid JSON","status":400,"detail":"a trailing comma","errors":[
            {"pointer":"","line":3,"column":5,"detail":"expected a name","text":"    }"},
            {"pointer":"/0/eventName","detail":"is unknown"}]}"#;
        assert_eq!(
            refused(answer, Shape::Table),
            "The body is not valid JSON\n  - line 3, column 5: expected a name\n          }\n  - /0/eventName: is unknown"
        );
        let busy = br#"{"title":"Too busy","status":503,"detail":"send it again later"}"#;
        assert_eq!(refused(busy, Shape::Table), "Too busy: send it again later");
        assert_eq!(refused(b"gateway", Shape::Table), "gateway");
    }
}
