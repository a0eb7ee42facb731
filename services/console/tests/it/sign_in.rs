//! Who may see what.

use crate::browser::Browser;
use crate::harness::Console;

const LIST: &str = "/accounts/1234/webhooks";

async fn sign_in(browser: &mut Browser, key: &str) -> crate::browser::Page {
    let form = browser.get(&format!("/sign-in?next={LIST}")).await;
    let fields = [
        ("csrf", form.hidden("csrf")),
        ("next", form.hidden("next")),
        ("key", key),
    ];
    browser.post("/sign-in", &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_its_own_account_until_its_bearer_signs_out() {
    let console = Console::start(false).await;
    let mut browser = console.browser();
    let away = browser.get(LIST).await;
    assert_eq!(
        (away.status, away.header("location")),
        (303, "/sign-in?next=%2Faccounts%2F1234%2Fwebhooks")
    );

    let unknown = sign_in(&mut browser, &format!("ak_{}_{}", "0".repeat(32), "f".repeat(48))).await;
    unknown.assert_has("This key is not known, or it has expired.");
    sign_in(&mut browser, "short")
        .await
        .assert_has("This is no API key");

    let key = console.api_key().await;
    let list = sign_in(&mut browser, &key).await;
    list.assert_has("No webhooks yet");
    list.assert_lacks(&key);
    assert_eq!(browser.get("/accounts/5678/webhooks").await.status, 404);
    assert_eq!(browser.get("/accounts/5678/live").await.status, 404);
    assert_eq!(browser.get("/accounts/5678/events?id=x").await.status, 404);
    browser.get("/accounts").await.assert_lacks("5678");

    let token = list.hidden("csrf").to_owned();
    browser
        .post("/sign-out", &[("csrf", &token)])
        .await
        .assert_has("Sign in");
    assert_eq!(browser.get(LIST).await.status, 303);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_its_token_or_from_another_site_changes_nothing() {
    let console = Console::start(false).await;
    let mut browser = console.browser();
    let key = console.api_key().await;
    let list = sign_in(&mut browser, &key).await;
    let token = list.hidden("csrf").to_owned();
    let new = format!("{LIST}/new");
    for token in ["", "0123456789abcdef0123456789abcdef"] {
        assert_eq!(
            browser
                .post(&new, &[("csrf", token), ("do", "save")])
                .await
                .status,
            403
        );
    }
    browser.headers = vec![("sec-fetch-site".to_owned(), "cross-site".to_owned())];
    assert_eq!(
        browser
            .post(&new, &[("csrf", &token), ("do", "save")])
            .await
            .status,
        403
    );
    browser.headers.clear();
    // A sign-in that another site prepared with a token of its own.
    let mut other = console.browser();
    let theirs = other.get("/sign-in").await.hidden("csrf").to_owned();
    let mut fresh = console.browser();
    let forged = fresh.post("/sign-in", &[("csrf", &theirs), ("key", &key)]).await;
    assert_eq!(forged.status, 403);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_for_https_and_this_host_alone() {
    let console = Console::start(false).await;
    let mut browser = console.browser();
    let form = browser.get("/sign-in").await;
    let set = form.header("set-cookie");
    assert!(set.starts_with("__Host-angarium-form="), "{set}");
    assert!(
        set.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"),
        "{set}"
    );
    console.stop().await;
}
