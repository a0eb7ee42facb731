//! What someone types into the form of a webhook, and what is wrong with it.

use std::collections::BTreeMap;

use angarium_model::AccountId;
use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::{
    Authentication, BasicAuthentication, HeaderAuthentication, NoAuthentication, Signature, Webhook,
};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::caller::Fields;
use super::detail::method;
use crate::words;

/// The fields as they were typed: whatever is wrong, nothing of it is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) target_url: String,
    pub(super) method: String,
    pub(super) secret: String,
    pub(super) username: String,
    pub(super) password: String,
    pub(super) header_name: String,
    pub(super) header_value: String,
    pub(super) all_types: bool,
    pub(super) types: Vec<String>,
    /// Names that no box stands for, and prefixes.
    pub(super) more_types: String,
    pub(super) filter: String,
    /// One a line.
    pub(super) contacts: String,
    pub(super) active: bool,
    /// Of the webhook that is edited.
    pub(super) revision: i64,
    /// What makes a creation that is sent twice one.
    pub(super) request_id: String,
}

impl Draft {
    /// What a form carries.
    pub(super) fn read(fields: &Fields) -> Self {
        let one = |name: &str| fields.one(name).trim().to_owned();
        Self {
            name: one("name"),
            description: one("description"),
            target_url: one("target_url"),
            method: one("method"),
            secret: one("secret"),
            username: fields.one("username").to_owned(),
            password: fields.one("password").to_owned(),
            header_name: one("header_name"),
            header_value: fields.one("header_value").to_owned(),
            all_types: fields.one("all_types") == "true",
            types: fields.all("type").map(str::to_owned).collect(),
            more_types: one("more_types"),
            filter: one("filter"),
            contacts: one("contacts"),
            active: fields.one("active") == "true",
            revision: fields.one("revision").parse().unwrap_or_default(),
            request_id: one("request_id"),
        }
    }

    /// What a webhook has, `boxes` being the types that have one. Secrets are not among it.
    pub(super) fn of(webhook: &Webhook, boxes: &[&str]) -> Self {
        let (named, others): (Vec<_>, Vec<_>) = webhook
            .event_types
            .iter()
            .filter(|name| *name != "*")
            .cloned()
            .partition(|name| boxes.contains(&name.as_str()));
        let mut draft = Self {
            name: webhook.name.clone(),
            description: webhook.description.clone(),
            target_url: webhook.target_url.clone(),
            all_types: webhook.event_types.iter().any(|name| name == "*"),
            types: named,
            more_types: others.join(" "),
            filter: webhook.filter.clone(),
            contacts: webhook.contacts.join("\n"),
            active: webhook.active != Some(false),
            revision: webhook.revision,
            ..Self::default()
        };
        let method = match method(webhook) {
            None | Some(Method::None(_)) => "none",
            Some(Method::Signature(_)) => "signature",
            Some(Method::Basic(basic)) => {
                draft.username.clone_from(&basic.username);
                "basic"
            }
            Some(Method::Header(header)) => {
                draft.header_name.clone_from(&header.name);
                "header"
            }
        };
        method.clone_into(&mut draft.method);
        draft
    }

    /// As the registry takes it.
    pub(super) fn webhook(&self, account: AccountId) -> Webhook {
        let words = |text: &str| {
            text.split([' ', ',', '\n', '\r', '\t'])
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let mut event_types = if self.all_types {
            vec!["*".to_owned()]
        } else {
            self.types.clone()
        };
        event_types.extend(words(&self.more_types));
        event_types.retain(|name| !name.is_empty());
        let mut contacts = words(&self.contacts);
        contacts.retain(|contact| !contact.is_empty());
        Webhook {
            account_id: account.get(),
            name: self.name.clone(),
            description: self.description.clone(),
            target_url: self.target_url.clone(),
            authentication: Some(Authentication {
                method: Some(self.authentication()),
            }),
            event_types,
            active: Some(self.active),
            filter: self.filter.clone(),
            contacts,
            revision: self.revision,
            ..Webhook::default()
        }
    }

    fn authentication(&self) -> Method {
        match self.method.as_str() {
            "signature" => Method::Signature(Signature {
                secret: self.secret.clone(),
                ..Signature::default()
            }),
            "basic" => Method::Basic(BasicAuthentication {
                username: self.username.clone(),
                password: self.password.clone(),
                ..BasicAuthentication::default()
            }),
            "header" => Method::Header(HeaderAuthentication {
                name: self.header_name.clone(),
                value: self.header_value.clone(),
                ..HeaderAuthentication::default()
            }),
            _ => Method::None(NoAuthentication {}),
        }
    }

    /// Which fields an edit changes: what the form does not show stays as it is, a secret too that nobody typed anew.
    pub(super) fn changes(&self, before: &Self) -> Vec<String> {
        let mut paths = [
            "name",
            "description",
            "target_url",
            "event_types",
            "active",
            "filter",
            "contacts",
        ]
        .map(str::to_owned)
        .to_vec();
        if self.names_another_proof(before) {
            paths.push("authentication".to_owned());
        }
        paths
    }

    fn names_another_proof(&self, before: &Self) -> bool {
        if self.method != before.method {
            return true;
        }
        match self.method.as_str() {
            "signature" => !self.secret.is_empty(),
            "basic" => !self.password.is_empty() || self.username != before.username,
            "header" => !self.header_value.is_empty() || self.header_name != before.header_name,
            _ => false,
        }
    }

    pub(super) fn has(&self, name: &&String) -> bool {
        self.types.contains(name)
    }
}

/// What is wrong, by field of the form; under `form` what belongs to none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mistakes(BTreeMap<&'static str, Vec<String>>);

impl Mistakes {
    /// What a service says is wrong; `None` if that is not about what was typed.
    pub(super) fn of(status: &Status) -> Option<Self> {
        let violations = status.get_details_bad_request()?.field_violations;
        let mut mistakes = Self::default();
        for violation in violations {
            let (field, path) = (of_path(&violation.field), &violation.field);
            let told = if field == "form" && !path.is_empty() {
                format!("{path}: {}", violation.description)
            } else {
                words::sentence(&violation.description)
            };
            mistakes.add(field, told);
        }
        (!mistakes.0.is_empty()).then_some(mistakes)
    }

    pub(super) fn add(&mut self, field: &'static str, text: String) {
        self.0.entry(field).or_default().push(text);
    }

    /// What is wrong with a field, in one text.
    pub(super) fn at(&self, field: &str) -> String {
        self.0.get(field).map(|texts| texts.join(" ")).unwrap_or_default()
    }

    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// How many there are, and the first field.
    pub(super) fn summary(&self) -> String {
        let count: usize = self.0.values().map(Vec::len).sum();
        if count == 1 {
            "One thing has to be put right. Nothing was saved.".to_owned()
        } else {
            format!("{count} things have to be put right. Nothing was saved.")
        }
    }
}

/// The field of the form that a path of the protocol is about.
fn of_path(path: &str) -> &'static str {
    let path = path.strip_prefix("webhook.").unwrap_or(path);
    let is = |name: &str| {
        path.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
    };
    match path {
        _ if is("name") => "name",
        _ if is("description") => "description",
        _ if is("target_url") => "target_url",
        _ if is("event_types") => "types",
        _ if is("filter") => "filter",
        _ if is("contacts") => "contacts",
        _ if is("authentication.signature") => "secret",
        _ if is("authentication.basic.username") => "username",
        _ if is("authentication.basic") => "password",
        _ if is("authentication.header.name") => "header_name",
        _ if is("authentication.header") => "header_value",
        _ if is("authentication") => "method",
        _ => "form",
    }
}

#[cfg(test)]
mod tests {
    use angarium_proto::{FieldError, invalid_argument};

    use super::*;

    #[test]
    fn w1_every_mistake_stands_beside_its_field() {
        let wrong = |field: &str| FieldError::new(field, "is wrong");
        let status = invalid_argument(&[
            wrong("webhook.name"),
            wrong("webhook.event_types[3]"),
            wrong("webhook.authentication.basic.password"),
            wrong("webhook.headers[0].name"),
        ]);
        let mistakes = Mistakes::of(&status).unwrap();
        for field in ["name", "types", "password"] {
            assert_eq!(mistakes.at(field), "Is wrong.", "{field}");
        }
        assert_eq!(mistakes.at("form"), "webhook.headers[0].name: is wrong");
        assert_eq!(mistakes.at("filter"), "");
        assert!(Mistakes::of(&Status::not_found("no such webhook")).is_none());
    }

    #[test]
    fn a_webhook_goes_through_the_form_unchanged() {
        let draft = Draft::read(&Fields::from([
            ("name", " A & B "),
            ("target_url", "https://receiver.example/hook"),
            ("method", "basic"),
            ("username", "u"),
            ("type", "CI_STATS"),
            ("type", "LEARNER_PROGRESS"),
            ("more_types", "COURSE_*"),
            ("contacts", "a@b.example\r\nc@d.example"),
            ("active", "true"),
        ]));
        let webhook = draft.webhook(AccountId::new(7).unwrap());
        assert_eq!(webhook.event_types, ["CI_STATS", "LEARNER_PROGRESS", "COURSE_*"]);
        assert_eq!(webhook.contacts, ["a@b.example", "c@d.example"]);
        let back = Draft::of(&webhook, &["CI_STATS", "LEARNER_PROGRESS"]);
        let typed = Draft {
            contacts: "a@b.example\nc@d.example".to_owned(),
            ..draft
        };
        assert_eq!(back, typed);
    }

    #[test]
    fn w2_a_secret_that_nobody_typed_anew_stays_as_it_is() {
        let before = Draft {
            method: "basic".to_owned(),
            username: "u".to_owned(),
            ..Draft::default()
        };
        let proof = "authentication".to_owned();
        assert!(!before.changes(&before).contains(&proof));
        let mut after = before.clone();
        "p".clone_into(&mut after.password);
        assert!(after.changes(&before).contains(&proof));
        let mut other = before.clone();
        "signature".clone_into(&mut other.method);
        assert!(other.changes(&before).contains(&proof));
    }
}
