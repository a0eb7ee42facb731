//! The file: what stands in it, and where.
//!
//! A document holds the webhooks of one account; several documents are separated by `---`. Fields are named as `--output
//! json` names them. A field that is left out has its default, but for `active`, which stays as it is: a webhook that was
//! switched off because its receiver is gone is not switched on by the next run. Secrets are never in the file; it names
//! the files that hold them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use angarium_proto::registry::v1::authentication::Method as Proof;
use angarium_proto::registry::v1::{
    Authentication, BasicAuthentication, DeadLetter, Header, HeaderAuthentication, Limits, NoAuthentication,
    Ordering, PayloadFormat, Signature, Timetable, Webhook,
};
use serde::{Deserialize, Serialize};
use serde_saphyr::{Location, Spanned};

use crate::account_ref::Named;
use crate::cli::{FormatArg, OrderingArg};

/// What an id stands for that the registry has yet to give.
const NEW_ID: &str = "wh_00000000000000000000000000000000";

/// The webhooks of an account.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    pub(super) account: Spanned<Named>,
    pub(super) webhooks: Vec<Spanned<Entry>>,
}

/// A webhook as the file says it should be.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<Spanned<String>>,
    pub(super) name: Spanned<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Spanned<String>>,
    url: Spanned<String>,
    authentication: Spanned<Method>,
    events: Spanned<Vec<Spanned<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) active: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timetable: Option<Spanned<Times>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Spanned<Vec<Spanned<Carried>>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<Spanned<BTreeMap<String, String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordering: Option<OrderingArg>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_format: Option<FormatArg>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Spanned<Most>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_after: Option<Spanned<u32>>,
}

/// How calls prove who sends them.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Method {
    method: MethodName,
    /// Of `basic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<Spanned<String>>,
    /// The name of the header of `header`.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<Spanned<String>>,
    /// The file that holds the secret, the password or the header's value; it is read when it has to be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_file: Option<Spanned<PathBuf>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum MethodName {
    Signature,
    Basic,
    Header,
    None,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Times {
    cron: Spanned<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Carried {
    name: Spanned<String>,
    value: Spanned<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Most {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_group_events: Option<Spanned<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_group_bytes: Option<Spanned<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_requests_per_second: Option<Spanned<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_in_flight: Option<Spanned<u32>>,
}

impl Entry {
    /// As the registry is told, without a secret. One that is left to be as it is counts as active here.
    pub(super) fn to_wire(&self, account_id: u64) -> Webhook {
        let most = self.limits.as_ref().map(|limits| &limits.value);
        let text =
            |text: &Option<Spanned<String>>| text.as_ref().map_or_else(String::new, |t| t.value.clone());
        let number =
            |of: fn(&Most) -> &Option<Spanned<u32>>| most.and_then(|most| of(most).as_ref()).map(|n| n.value);
        let header = |header: &Spanned<Carried>| Header {
            name: header.value.name.value.clone(),
            value: header.value.value.value.clone(),
        };
        Webhook {
            id: self
                .id
                .as_ref()
                .map_or_else(|| NEW_ID.to_owned(), |id| id.value.clone()),
            account_id,
            name: self.name.value.clone(),
            description: text(&self.description),
            target_url: self.url.value.clone(),
            authentication: Some(self.authentication.value.to_wire()),
            event_types: texts(Some(&self.events)),
            filter: text(&self.filter),
            active: Some(self.active.unwrap_or(true)),
            timetable: self.timetable.as_ref().map(|times| Timetable {
                cron: times.value.cron.value.clone(),
                time_zone: text(&times.value.time_zone),
            }),
            headers: self
                .headers
                .iter()
                .flat_map(|all| &all.value)
                .map(header)
                .collect(),
            contacts: texts(self.contacts.as_ref()),
            tags: self.tags.iter().flat_map(|tags| tags.value.clone()).collect(),
            ordering: self
                .ordering
                .map_or(Ordering::Ordered, OrderingArg::to_wire)
                .into(),
            payload_format: self
                .payload_format
                .map_or(PayloadFormat::Envelope, FormatArg::to_wire)
                .into(),
            limits: Some(Limits {
                max_group_events: number(|most| &most.max_group_events),
                max_group_bytes: number(|most| &most.max_group_bytes),
                max_requests_per_second: number(|most| &most.max_requests_per_second),
                max_in_flight: number(|most| &most.max_in_flight),
            }),
            dead_letter: self.dead_letter_after.as_ref().map(|after| DeadLetter {
                after_attempts: after.value,
            }),
            ..Webhook::default()
        }
    }

    /// The same of a webhook that there is. Its id goes along if its name alone would not find it again. `None` if it is of
    /// a version that this one does not know.
    pub(super) fn from_wire(webhook: &Webhook, with_id: bool) -> Option<Self> {
        let some = |text: &String| (!text.is_empty()).then(|| nowhere(text.clone()));
        let all = |texts: &[String]| texts.iter().cloned().map(nowhere).collect::<Vec<_>>();
        let header = |header: &Header| {
            nowhere(Carried {
                name: nowhere(header.name.clone()),
                value: nowhere(header.value.clone()),
            })
        };
        let headers: Vec<_> = webhook.headers.iter().map(header).collect();
        let limits = webhook.limits.unwrap_or_default();
        let most = Most {
            max_group_events: limits.max_group_events.map(nowhere),
            max_group_bytes: limits.max_group_bytes.map(nowhere),
            max_requests_per_second: limits.max_requests_per_second.map(nowhere),
            max_in_flight: limits.max_in_flight.map(nowhere),
        };
        // What Angarium switched off by itself is no wish of anyone.
        let is_off = !webhook.active.unwrap_or_default() && webhook.disabled.is_none();
        Some(Self {
            id: with_id.then(|| nowhere(webhook.id.clone())),
            name: nowhere(webhook.name.clone()),
            description: some(&webhook.description),
            url: nowhere(webhook.target_url.clone()),
            authentication: nowhere(Method::from_wire(
                webhook.authentication.as_ref()?.method.as_ref()?,
            )),
            events: nowhere(all(&webhook.event_types)),
            filter: some(&webhook.filter),
            active: is_off.then_some(false),
            timetable: webhook.timetable.as_ref().map(|times| {
                nowhere(Times {
                    cron: nowhere(times.cron.clone()),
                    time_zone: some(&times.time_zone),
                })
            }),
            headers: (!headers.is_empty()).then(|| nowhere(headers)),
            contacts: (!webhook.contacts.is_empty()).then(|| nowhere(all(&webhook.contacts))),
            tags: (!webhook.tags.is_empty()).then(|| nowhere(webhook.tags.clone().into_iter().collect())),
            ordering: (webhook.ordering() == Ordering::Unordered).then_some(OrderingArg::Unordered),
            payload_format: match webhook.payload_format() {
                PayloadFormat::Single => Some(FormatArg::Single),
                PayloadFormat::Cloudevents => Some(FormatArg::Cloudevents),
                PayloadFormat::Unspecified | PayloadFormat::Envelope => None,
            },
            limits: (limits != Limits::default()).then(|| nowhere(most)),
            dead_letter_after: webhook.dead_letter.map(|policy| nowhere(policy.after_attempts)),
        })
    }

    /// The file that holds what calls prove themselves by.
    pub(super) fn secret_file(&self) -> Option<&PathBuf> {
        self.authentication
            .value
            .secret_file
            .as_ref()
            .map(|file| &file.value)
    }

    /// What does not go together in the authentication, with its line.
    pub(super) fn misfits(&self) -> Vec<(u64, &'static str)> {
        let Method {
            method,
            username,
            header,
            secret_file,
        } = &self.authentication.value;
        let line = line(&self.authentication);
        let mut misfits = Vec::new();
        if username.is_some() != (*method == MethodName::Basic) {
            misfits.push((
                line,
                "authentication.username: goes with method basic, and must be there then",
            ));
        }
        if header.is_some() != (*method == MethodName::Header) {
            misfits.push((
                line,
                "authentication.header: goes with method header, and must be there then",
            ));
        }
        if secret_file.is_some() && *method == MethodName::None {
            misfits.push((line, "authentication.secretFile: method none has no secret"));
        }
        misfits
    }

    /// Where a field of the registry's stands: its name in the file and the line.
    pub(super) fn place(&self, field: &str) -> Option<(String, u64)> {
        let (head, rest) = field.split_at(field.find(['.', '[']).unwrap_or(field.len()));
        let index = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let index = index.and_then(|(index, _)| index.parse::<usize>().ok());
        let at = |list: Option<&Spanned<Vec<Spanned<String>>>>| {
            let list = list?;
            let entry = index.and_then(|index| list.value.get(index));
            Some(entry.map_or_else(|| line(list), line))
        };
        let (name, line) = match head {
            "name" => ("name", line(&self.name)),
            "description" => ("description", line(self.description.as_ref()?)),
            "target_url" => ("url", line(&self.url)),
            "authentication" => return Some(self.place_of_proof(field)),
            "event_types" => ("events", at(Some(&self.events))?),
            "filter" => ("filter", line(self.filter.as_ref()?)),
            "timetable" => ("timetable", line(self.timetable.as_ref()?)),
            "headers" => {
                let all = self.headers.as_ref()?;
                let entry = index.and_then(|index| all.value.get(index));
                ("headers", entry.map_or_else(|| line(all), line))
            }
            "contacts" => ("contacts", at(self.contacts.as_ref())?),
            "tags" => ("tags", line(self.tags.as_ref()?)),
            "limits" => ("limits", line(self.limits.as_ref()?)),
            "dead_letter" => {
                return Some((
                    "deadLetterAfter".to_owned(),
                    line(self.dead_letter_after.as_ref()?),
                ));
            }
            "id" => ("id", line(self.id.as_ref()?)),
            _ => return None,
        };
        // A tag is named as it is.
        let rest = if head == "tags" {
            rest.to_owned()
        } else {
            camel(rest)
        };
        Some((format!("{name}{rest}"), line))
    }

    fn place_of_proof(&self, field: &str) -> (String, u64) {
        let proof = &self.authentication.value;
        let (name, at) = match field {
            "authentication.basic.username" => ("authentication.username", proof.username.as_ref().map(line)),
            "authentication.header.name" => ("authentication.header", proof.header.as_ref().map(line)),
            "authentication.basic.password"
            | "authentication.header.value"
            | "authentication.signature.secret" => {
                ("authentication.secretFile", proof.secret_file.as_ref().map(line))
            }
            _ => ("authentication", None),
        };
        (name.to_owned(), at.unwrap_or_else(|| line(&self.authentication)))
    }
}

impl Method {
    fn to_wire(&self) -> Authentication {
        let text =
            |text: &Option<Spanned<String>>| text.as_ref().map_or_else(String::new, |t| t.value.clone());
        let proof = match self.method {
            MethodName::Signature => Proof::Signature(Signature::default()),
            MethodName::Basic => Proof::Basic(BasicAuthentication {
                username: text(&self.username),
                ..BasicAuthentication::default()
            }),
            MethodName::Header => Proof::Header(HeaderAuthentication {
                name: text(&self.header),
                ..HeaderAuthentication::default()
            }),
            MethodName::None => Proof::None(NoAuthentication {}),
        };
        Authentication { method: Some(proof) }
    }

    fn from_wire(proof: &Proof) -> Self {
        let (method, username, header) = match proof {
            Proof::Signature(_) => (MethodName::Signature, None, None),
            Proof::Basic(basic) => (MethodName::Basic, Some(&basic.username), None),
            Proof::Header(header) => (MethodName::Header, None, Some(&header.name)),
            Proof::None(_) => (MethodName::None, None, None),
        };
        Self {
            method,
            username: username.cloned().map(nowhere),
            header: header.cloned().map(nowhere),
            secret_file: None,
        }
    }
}

/// The line that something begins on, from 1.
pub(super) fn line<T>(spanned: &Spanned<T>) -> u64 {
    spanned.referenced.line()
}

/// What stands in no file.
pub(super) const fn nowhere<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Location::UNKNOWN, Location::UNKNOWN)
}

fn texts(list: Option<&Spanned<Vec<Spanned<String>>>>) -> Vec<String> {
    let entries = list.into_iter().flat_map(|list| &list.value);
    entries.map(|entry| entry.value.clone()).collect()
}

/// `max_group_events` as `maxGroupEvents`.
fn camel(text: &str) -> String {
    let mut words = text.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut all, word| {
        let mut letters = word.chars();
        all.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        all + letters.as_str()
    })
}
