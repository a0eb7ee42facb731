//! The same over HTTP with JSON.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::Registry;

struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: Value,
}

/// A request with this key, and what is answered.
async fn call(registry: &Registry, line: &str, headers: &str, body: &str) -> Answer {
    let head = format!(
        "{line} HTTP/1.1\r\nhost: registry\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(registry.http).await.unwrap();
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let pair = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    };
    Answer {
        status,
        headers: lines.map(pair).collect(),
        body: if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(body).unwrap_or_else(|_not_json| body.into())
        },
    }
}

async fn by_operator(registry: &Registry, line: &str, body: &Value) -> Answer {
    let headers = format!("authorization: Bearer {}\r\n", registry.key());
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    call(registry, line, &headers, &body).await
}

fn wanted() -> Value {
    json!({
        "name": "HR",
        "targetUrl": "https://example.com/hooks",
        "authentication": {"signature": {}},
        "eventTypes": ["COURSE_*"],
        "ordering": "unordered",
        "limits": {"maxInFlight": 4},
        "tags": {"team": "payroll"},
    })
}

#[tokio::test]
async fn a_webhook_is_made_read_and_changed() {
    let registry = Registry::start().await;
    let account = by_operator(
        &registry,
        "POST /v1/accounts",
        &json!({"id": 1234, "name": "Acme"}),
    )
    .await;
    assert_eq!((account.status, &account.body["name"]), (201, &json!("Acme")));

    let created = by_operator(&registry, "POST /v1/accounts/1234/webhooks", &wanted()).await;
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(created.headers["cache-control"], "no-store");
    let webhook = &created.body["webhook"];
    let secret = webhook["authentication"]["signature"]["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    assert_eq!(webhook["ordering"], "unordered");
    assert!(created.body["secretJson"].as_str().unwrap().contains(secret));

    let path = format!("/v1/accounts/1234/webhooks/{}", webhook["id"].as_str().unwrap());
    let read = by_operator(&registry, &format!("GET {path}"), &Value::Null).await;
    assert_eq!(
        (read.status, &read.body["eventTypes"]),
        (200, &json!(["COURSE_*"]))
    );
    assert_eq!(read.headers["etag"], format!("\"{}\"", webhook["revision"]));
    assert!(!read.body.to_string().contains(secret));

    // Only what the body names is changed, what it takes away too.
    let change = json!({"description": "Payroll", "active": false, "limits": null});
    let changed = by_operator(&registry, &format!("PATCH {path}"), &change).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let webhook = &changed.body["webhook"];
    assert_eq!(
        (&webhook["active"], &webhook["description"]),
        (&json!(false), &json!("Payroll"))
    );
    assert_eq!(
        (&webhook["name"], &webhook["limits"]["maxInFlight"]),
        (&json!("HR"), &Value::Null)
    );
}

#[tokio::test]
async fn what_is_described_is_shown_as_a_page_that_needs_nothing_from_elsewhere() {
    let registry = Registry::start().await;
    let page = call(&registry, "GET /docs/", "", "").await;
    assert_eq!((page.status, &*page.headers["content-type"]), (200, "text/html"));
    let policy = &page.headers["content-security-policy"];
    assert!(policy.contains("connect-src 'self'") && policy.contains("frame-ancestors 'none'"));
    let html = page.body.as_str().unwrap();
    assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
    for part in ["swagger-ui-bundle.js", "swagger-ui.css", "swagger-initializer.js"] {
        assert!(html.contains(part), "{html}");
        let part = call(&registry, &format!("GET /docs/{part}"), "", "").await;
        assert_eq!(part.status, 200);
        let told = part.body.as_str().unwrap();
        assert!(!told.contains("petstore"), "it would show another API");
    }
    let begins = call(&registry, "GET /docs/swagger-initializer.js", "", "").await;
    assert!(begins.body.as_str().unwrap().contains("/openapi.json"));
}

#[tokio::test]
async fn an_account_is_named_by_its_external_id_in_every_path_by_those_who_see_it() {
    let registry = Registry::start().await;
    let account = json!({"id": 1234, "externalId": "acme-gmbh"});
    let created = by_operator(&registry, "POST /v1/accounts", &account).await;
    assert_eq!(
        (created.status, &created.body["externalId"]),
        (201, &json!("acme-gmbh"))
    );
    let at = "/v1/accounts/ext:acme-gmbh";
    let read = by_operator(&registry, &format!("GET {at}"), &Value::Null).await;
    assert_eq!((read.status, &read.body["id"]), (200, &json!(1234)));
    let found = by_operator(&registry, "GET /v1/accounts?externalId=acme-gmbh", &Value::Null).await;
    assert_eq!(found.body["accounts"][0]["id"], 1234);

    let webhook = by_operator(&registry, &format!("POST {at}/webhooks"), &wanted()).await;
    assert_eq!(webhook.status, 201, "{}", webhook.body);
    let id = webhook.body["webhook"]["id"].as_str().unwrap().to_owned();
    let change = json!({"accountId": 1234, "name": "Payroll"});
    let changed = by_operator(&registry, &format!("PATCH {at}/webhooks/{id}"), &change).await;
    assert_eq!(changed.body["webhook"]["name"], "Payroll", "{}", changed.body);
    // By whichever name the body says another.
    for name in ["accountId", "account_id"] {
        let another = json!({name: 1, "name": "Payroll"});
        let refused = by_operator(&registry, &format!("PATCH {at}/webhooks/{id}"), &another).await;
        assert_eq!(refused.status, 422, "{}", refused.body);
    }
    let key = json!({"name": "viewer", "role": "viewer"});
    by_operator(&registry, "POST /v1/accounts", &json!({"id": 7})).await;
    let (own, other) = (
        by_operator(&registry, &format!("POST {at}/keys"), &key).await,
        by_operator(&registry, "POST /v1/accounts/7/keys", &key).await,
    );
    for (key, path, status) in [
        (&own, at, 200),
        (&other, at, 404),
        (&other, "/v1/accounts/ext:nobody", 404),
        (&other, "/v1/accounts/ext:a%20b", 422),
        (&other, "/v1/accounts/acme-gmbh", 422),
    ] {
        let bearer = format!(
            "authorization: Bearer {}\r\n",
            key.body["token"].as_str().unwrap()
        );
        let answer = call(&registry, &format!("GET {path}"), &bearer, "").await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(
            !answer.body.to_string().contains("1234") || status == 200,
            "{}",
            answer.body
        );
    }
    let nobody = call(&registry, &format!("GET {at}"), "", "").await;
    assert_eq!(nobody.status, 401);
}

#[tokio::test]
async fn webhooks_are_listed_deleted_and_brought_back_and_the_log_tells_it() {
    let registry = Registry::with_account().await;
    let created = by_operator(&registry, "POST /v1/accounts/1234/webhooks", &wanted()).await;
    let path = format!(
        "/v1/accounts/1234/webhooks/{}",
        created.body["webhook"]["id"].as_str().unwrap()
    );
    let listed = |query: &str| format!("GET /v1/accounts/1234/webhooks?{query}");
    for (query, count) in [
        ("tags.team=payroll", 1),
        ("tags.team=hr", 0),
        ("active=false", 0),
        ("text=hr", 1),
    ] {
        let list = by_operator(&registry, &listed(query), &Value::Null).await;
        assert_eq!(
            list.body["webhooks"].as_array().unwrap().len(),
            count,
            "{query}: {}",
            list.body
        );
    }

    let deleted = by_operator(&registry, &format!("DELETE {path}"), &Value::Null).await;
    assert_eq!(deleted.status, 200);
    assert!(deleted.body["deletedUntilMs"].is_i64());
    assert_eq!(
        by_operator(&registry, &format!("GET {path}"), &Value::Null)
            .await
            .status,
        404
    );
    let back = by_operator(&registry, &format!("POST {path}/undelete"), &Value::Null).await;
    assert_eq!((back.status, &back.body["name"]), (200, &json!("HR")));

    let log = by_operator(
        &registry,
        "GET /v1/accounts/1234/audit-log?pageSize=2",
        &Value::Null,
    )
    .await;
    let methods: Vec<_> = log.body["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["record"]["method"].as_str().unwrap())
        .collect();
    assert_eq!(methods, ["UndeleteWebhook", "DeleteWebhook"]);
}

#[tokio::test]
async fn a_change_may_depend_on_a_revision_and_a_creation_may_be_repeated() {
    let registry = Registry::with_account().await;
    let key = format!(
        "authorization: Bearer {}\r\nidempotency-key: a-1\r\n",
        registry.key()
    );
    let create = async || {
        let line = "POST /v1/accounts/1234/webhooks";
        call(&registry, line, &key, &wanted().to_string()).await
    };
    let (first, again) = (create().await, create().await);
    assert_eq!((first.status, &again.body), (201, &first.body));
    let path = format!(
        "/v1/accounts/1234/webhooks/{}",
        first.body["webhook"]["id"].as_str().unwrap()
    );
    let change = async |etag: &str| {
        let headers = format!("authorization: Bearer {}\r\nif-match: {etag}\r\n", registry.key());
        call(
            &registry,
            &format!("PATCH {path}"),
            &headers,
            r#"{"name": "Payroll"}"#,
        )
        .await
    };
    let etag = &first.headers["etag"];
    assert_eq!(change(etag).await.status, 200);
    let stale = change(etag).await;
    assert_eq!(
        (stale.status, &stale.body["type"]),
        (412, &json!("urn:angarium:problem:changed"))
    );
    for no_etag in ["W/x", "\"0\"", "\"-1\""] {
        assert_eq!(change(no_etag).await.status, 422, "{no_etag}");
    }
}

#[tokio::test]
async fn every_mistake_is_told_with_its_place() {
    let registry = Registry::with_account().await;
    let wrong = json!({
        "name": "",
        "targetUrl": "ftp://example.com",
        "authentication": {"basic": {"username": "a:b", "password": "p"}},
        "eventTypes": ["COURSE_*", "NO SUCH"],
    });
    let refused = by_operator(&registry, "POST /v1/accounts/1234/webhooks", &wrong).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    let mut pointers: Vec<_> = refused.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/authentication/basic/username",
            "/eventTypes/1",
            "/name",
            "/targetUrl"
        ]
    );
    for (line, body, status) in [
        ("POST /v1/accounts/1234/webhooks", "{\"name\":", 400),
        ("POST /v1/accounts/1234/webhooks", "[]", 422),
        ("POST /v1/accounts/1234/webhooks", r#"{"label": "x"}"#, 422),
        ("POST /v1/accounts/1234/webhooks", r#"{"accountId": 7}"#, 422),
        ("POST /v1/accounts/x/webhooks", "{}", 422),
        ("PATCH /v1/accounts/1234", "{}", 422),
        ("GET /v1/accounts?pageSize=x", "", 422),
        ("GET /v1/accounts?unknown=1", "", 422),
        ("GET /v1/accounts/5", "", 404),
        ("GET /v1/account", "", 404),
        ("GET /v1/accounts/1234/", "", 404),
        ("PUT /v1/accounts", "{}", 405),
        ("GET /v1/accounts", "{}", 422),
    ] {
        let headers = format!("authorization: Bearer {}\r\n", registry.key());
        let refused = call(&registry, line, &headers, body).await;
        assert_eq!(refused.status, status, "{line} {body}: {}", refused.body);
        assert!(!refused.body["detail"].as_str().unwrap().is_empty());
    }
    let put = by_operator(&registry, "PUT /v1/accounts", &json!({})).await;
    assert_eq!(put.headers["allow"], "GET, POST");
}

#[tokio::test]
async fn keys_open_over_http_what_they_open_over_grpc() {
    let registry = Registry::with_account().await;
    registry.create_account(77, "Other").await;
    let none = call(&registry, "GET /v1/accounts/1234", "", "").await;
    assert_eq!(
        (none.status, none.headers["www-authenticate"].as_str()),
        (401, "Bearer realm=\"angarium\"")
    );
    let viewer = json!({"name": "viewer", "role": "viewer"});
    let made = by_operator(&registry, "POST /v1/accounts/1234/keys", &viewer).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let headers = format!(
        "authorization: Bearer {}\r\n",
        made.body["token"].as_str().unwrap()
    );
    for (line, body, status) in [
        ("GET /v1/accounts/1234", "", 200),
        ("GET /v1/accounts/77", "", 404),
        ("GET /v1/accounts/77/webhooks", "", 404),
        ("GET /v1/keys", "", 403),
        ("PATCH /v1/accounts/1234", r#"{"name": "x"}"#, 403),
        ("POST /v1/accounts/1234/webhooks", r#"{"name": "x"}"#, 403),
        ("GET /v1/accounts/1234/event-types/CI_STATS", "", 200),
        ("GET /v1/event-types?eventClass=batch", "", 200),
    ] {
        let answered = call(&registry, line, &headers, body).await;
        assert_eq!(answered.status, status, "{line}: {}", answered.body);
    }
    let id = made.body["apiKey"]["id"].as_str().unwrap();
    let gone = by_operator(
        &registry,
        &format!("DELETE /v1/accounts/1234/keys/{id}"),
        &Value::Null,
    )
    .await;
    assert_eq!((gone.status, gone.body), (204, Value::Null));
    assert_eq!(
        call(&registry, "GET /v1/accounts/1234", &headers, "")
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn who_has_no_key_is_told_so_before_a_body_is_read() {
    let registry = Registry::start().await;
    let mut stream = TcpStream::connect(registry.http).await.unwrap();
    let head = "POST /v1/accounts HTTP/1.1\r\nhost: registry\r\ncontent-length: 1000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; "HTTP/1.1 401".len()];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 401");
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1024 * 1024));
    let headers = format!("authorization: Bearer {}\r\n", registry.key());
    let refused = call(&registry, "POST /v1/accounts", &headers, &large).await;
    assert_eq!(refused.status, 413, "{}", refused.body);
}

#[tokio::test]
async fn what_is_served_is_described_and_the_copy_is_current() {
    let registry = Registry::start().await;
    let served = call(&registry, "GET /openapi.json", "", "").await;
    assert_eq!(served.status, 200);
    let copy = include_str!("../../../../docs/registry.openapi.json");
    let copy: Value = serde_json::from_str(copy).unwrap();
    assert!(
        copy == served.body,
        "write it anew: angarium openapi > docs/registry.openapi.json"
    );
    let (update, create) = (
        &copy["paths"]["/v1/accounts/{accountId}/webhooks/{id}"]["patch"],
        &copy["paths"]["/v1/accounts/{accountId}/webhooks"]["post"],
    );
    assert_eq!(update["operationId"], "UpdateWebhook");
    assert_eq!(update["parameters"][2]["name"], "If-Match");
    assert_eq!(create["parameters"][1]["name"], "idempotency-key");
    // Messages of one name are two schemas.
    let schemas = &copy["components"]["schemas"];
    for (schema, field) in [
        ("RegistryDeadLetter", "afterAttempts"),
        ("NoticeDeadLetter", "keptUntilMs"),
        ("ListAuditLogResponseEntry", "record"),
        ("ListDeadLettersResponseEntry", "deadLetter"),
    ] {
        let described = &schemas[schema]["properties"][field];
        assert!(described.is_object(), "{schema} lacks {field}");
    }
    let ordering = &copy["components"]["schemas"]["Webhook"]["properties"]["ordering"];
    assert_eq!(ordering["enum"], json!(["ordered", "unordered"]));
}
