//! What is noted of a webhook, and what its calls carry: from flags to the webhook, and back for people.

use std::collections::BTreeMap;

use angarium_proto::registry::v1::{Header, Webhook};
use serde_json::{Value, json};

use crate::cli::{AboutArgs, Pair};

/// The columns of [`cells`].
pub(super) const HEADERS: [&str; 3] = ["headers", "contacts", "tags"];

/// Puts what was given into the webhook; says which fields that are.
pub(super) fn apply(given: AboutArgs, webhook: &mut Webhook) -> Vec<&'static str> {
    let mut paths = Vec::new();
    if let Some(headers) = given.send_header {
        let header = |(name, value)| Header { name, value };
        webhook.headers = headers.into_iter().flatten().map(header).collect();
        paths.push("headers");
    }
    if let Some(contacts) = given.contact {
        webhook.contacts = contacts
            .into_iter()
            .filter(|contact| !contact.is_empty())
            .collect();
        paths.push("contacts");
    }
    if let Some(given) = given.tag {
        webhook.tags = tags(given).into_iter().collect();
        paths.push("tags");
    }
    paths
}

pub(super) fn tags(given: Vec<Pair>) -> Vec<(String, String)> {
    given.into_iter().flatten().collect()
}

pub(super) fn cells(webhook: &Webhook) -> [String; 3] {
    let or_none = |texts: Vec<String>| match texts.as_slice() {
        [] => "none".to_owned(),
        texts => texts.join(", "),
    };
    let headers = webhook.headers.iter();
    let headers = headers.map(|header| format!("{}: {}", header.name, header.value));
    let tags = sorted(webhook)
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"));
    [
        or_none(headers.collect()),
        or_none(webhook.contacts.clone()),
        or_none(tags.collect()),
    ]
}

fn sorted(webhook: &Webhook) -> BTreeMap<&String, &String> {
    webhook.tags.iter().collect()
}

/// For programs.
pub(super) fn json(webhook: &Webhook) -> Value {
    let header = |header: &Header| json!({ "name": header.name, "value": header.value });
    json!({
        "headers": webhook.headers.iter().map(header).collect::<Value>(),
        "contacts": webhook.contacts,
        "tags": sorted(webhook),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_replaces_all_of_its_kind_and_an_empty_text_takes_all_away() {
        let pair = |key: &str, value: &str| Some((key.to_owned(), value.to_owned()));
        let mut webhook = Webhook::default();
        let given = AboutArgs {
            send_header: Some(vec![pair("x-team", "payroll")]),
            contact: None,
            tag: Some(vec![pair("env", "test"), pair("a", "")]),
        };
        assert_eq!(apply(given, &mut webhook), ["headers", "tags"]);
        assert_eq!(cells(&webhook), ["x-team: payroll", "none", "a=, env=test"]);
        let nothing = AboutArgs {
            send_header: Some(vec![None]),
            contact: Some(vec![String::new()]),
            tag: Some(vec![None]),
        };
        assert_eq!(apply(nothing, &mut webhook), HEADERS);
        assert_eq!(cells(&webhook), ["none", "none", "none"]);
    }
}
