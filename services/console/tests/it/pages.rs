//! Adding, editing, switching, deleting, without a script.

use crate::browser::{Browser, Page};
use crate::harness::{Console, HOSTILE};

const LIST: &str = "/accounts/1234/webhooks";
const NEW: &str = "/accounts/1234/webhooks/new";
const ESCAPED: &str = "&#60;script&#62;alert(1)";

/// Fills in the form and saves; the page that comes then.
async fn add(browser: &mut Browser, name: &str) -> Page {
    let form = browser.get(NEW).await;
    let fields = [
        ("csrf", form.hidden("csrf")),
        ("request_id", form.hidden("request_id")),
        ("do", "save"),
        ("name", name),
        ("target_url", "https://receiver.example/hook"),
        ("method", "signature"),
        ("type", "CI_STATS"),
        ("type", "LEARNER_PROGRESS"),
        ("filter", "data.loType == \"<course>\""),
        ("description", HOSTILE),
        ("active", "true"),
    ];
    browser.post(NEW, &fields).await
}

/// The path of the first webhook of the list.
fn first(list: &Page) -> String {
    let at = list.body.find("/webhooks/wh_").expect("a webhook");
    let id = &list.body[at + "/webhooks/".len()..][..35];
    format!("{LIST}/{id}")
}

#[tokio::test(flavor = "multi_thread")]
async fn w6_an_empty_list_says_what_to_do_and_the_form_leads_to_a_secret_that_is_shown_once() {
    let console = Console::local().await;
    let mut browser = console.browser();
    let empty = browser.get(LIST).await;
    empty.assert_has("No webhooks yet");
    empty.assert_has("Add the first webhook");
    let secret = add(&mut browser, "Orders").await;
    assert_eq!(secret.status, 200);
    secret.assert_has("whsec_");
    secret.assert_has("download=\"webhook-secret-wh_");
    secret.assert_has("href=\"data:application/json;charset=utf-8,");
    let list = browser.get(LIST).await;
    list.assert_has(">Orders</a>");
    list.assert_has("CI_STATS, LEARNER_PROGRESS");
    list.assert_has("Nothing was sent yet");
    let detail = browser.get(&first(&list)).await;
    detail.assert_has("Delivery log");
    detail.assert_lacks("whsec_");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w1_mistakes_stand_beside_their_fields_and_nothing_typed_is_lost() {
    let console = Console::local().await;
    let mut browser = console.browser();
    let form = browser.get(NEW).await;
    let fields = [
        ("csrf", form.hidden("csrf")),
        ("do", "save"),
        ("name", HOSTILE),
        ("target_url", "ftp://nowhere"),
        ("method", "basic"),
        ("username", "who"),
        ("type", "CI_STATS"),
        ("more_types", "COURS_*"),
        ("filter", "data.loType =="),
    ];
    let again = browser.post(NEW, &fields).await;
    assert_eq!(again.status, 422);
    for field in ["target_url", "types", "filter"] {
        again.assert_has(&format!("id=\"{field}-mistake\""));
    }
    again.assert_has("aria-invalid=\"true\" aria-describedby=\"target_url-mistake\"");
    again.assert_has("value=\"ftp://nowhere\"");
    again.assert_has("value=\"who\"");
    again.assert_has("value=\"CI_STATS\" checked");
    again.assert_has("value=\"COURS_*\"");
    again.assert_has(ESCAPED);
    again.assert_lacks("<script>alert");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_scripts_are_shown_as_they_are_written() {
    let console = Console::local().await;
    let mut browser = console.browser();
    add(&mut browser, HOSTILE).await.assert_lacks("<script>alert");
    let list = browser.get(LIST).await;
    let detail = first(&list);
    let query = "?text=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let pages = [
        LIST.to_owned(),
        format!("{LIST}{query}"),
        detail.clone(),
        format!("{detail}/edit"),
        "/accounts".to_owned(),
        "/accounts/1234/audit".to_owned(),
        format!("/accounts/1234/events{}", query.replace("text", "id")),
    ];
    for path in pages {
        let page = browser.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        page.assert_has("&#60;script&#62;alert(1)");
        page.assert_lacks("<script>alert");
        page.assert_lacks("style=");
        page.assert_lacks("onclick");
        assert!(
            page.header("content-security-policy")
                .contains("default-src 'none'; script-src 'self'")
        );
        assert_eq!(page.header("cache-control"), "no-store");
    }
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn w4_a_webhook_is_edited_switched_deleted_and_brought_back() {
    let console = Console::local().await;
    let mut browser = console.browser();
    add(&mut browser, "Orders").await;
    let path = first(&browser.get(LIST).await);
    let form = browser.get(&format!("{path}/edit")).await;
    form.assert_has("value=\"CI_STATS\" checked");
    let token = form.hidden("csrf").to_owned();
    let revision = form.hidden("revision").to_owned();
    let edited = [
        ("csrf", token.as_str()),
        ("revision", revision.as_str()),
        ("do", "save"),
        ("name", "Invoices"),
        ("target_url", "https://receiver.example/hook"),
        ("method", "signature"),
        ("all_types", "true"),
        ("active", "true"),
    ];
    let saved = browser.post(&format!("{path}/edit"), &edited).await;
    saved.assert_has("Saved. It is in force from now on.");
    saved.assert_has("<h1>Invoices</h1>");
    // What was edited from the same page by another.
    let late = browser.post(&format!("{path}/edit"), &edited).await;
    late.assert_has("Someone changed this webhook while you did");
    assert_ne!(late.hidden("revision"), revision);

    let with = |name, value| [("csrf", token.clone()), (name, value)];
    let off = post(
        &mut browser,
        &format!("{path}/switch"),
        with("active", "false".to_owned()),
    )
    .await;
    off.assert_has("Switched off.");
    off.assert_has("Switch on");
    let deleted = post(&mut browser, &format!("{path}/delete"), with("x", String::new())).await;
    deleted.assert_has("Deleted lately");
    assert_eq!(browser.get(&path).await.status, 404);
    let back = post(
        &mut browser,
        &format!("{path}/undelete"),
        with("x", String::new()),
    )
    .await;
    back.assert_has("It is back, as it was.");
    let audit = browser.get("/accounts/1234/audit").await;
    for what in [
        "Create webhook",
        "Update webhook",
        "Delete webhook",
        "Undelete webhook",
    ] {
        audit.assert_has(what);
    }
    console.stop().await;
}

async fn post(browser: &mut Browser, path: &str, fields: [(&str, String); 2]) -> Page {
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    browser.post(path, &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn w2_a_rotated_secret_is_shown_once_and_the_same_button_twice_rotates_once() {
    let console = Console::local().await;
    let mut browser = console.browser();
    add(&mut browser, "Orders").await;
    let path = first(&browser.get(LIST).await);
    let detail = browser.get(&path).await;
    let fields = [
        ("csrf", detail.hidden("csrf")),
        ("revision", detail.hidden("revision")),
    ];
    let rotated = browser.post(&format!("{path}/rotate"), &fields).await;
    rotated.assert_has("whsec_");
    let again = browser.post(&format!("{path}/rotate"), &fields).await;
    assert_eq!(again.status, 409);
    browser
        .get(&path)
        .await
        .assert_has("1 earlier secret still signs beside it");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_is_told_beside_what_was_typed() {
    let console = Console::local().await;
    let mut browser = console.browser();
    let form = browser.get(NEW).await;
    let fields = [("csrf", form.hidden("csrf")), ("do", "test"), ("name", "Orders")];
    let again = browser.post(NEW, &fields).await;
    assert_eq!(again.status, 422);
    again.assert_has("value=\"Orders\"");
    again.assert_has("Try again in a moment");
    console.stop().await;
}
