//! The form of a webhook: to add one, and to edit one (W1, W4), with a test before anything is saved (W5).

use angarium_model::AccountId;
use angarium_proto::registry::v1::{
    CreateWebhookRequest, EventClass, ListEventTypesRequest, UpdateWebhookRequest, Webhook,
};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use tonic::{Code, Status};

use super::App;
use super::answer::{html, ok, see};
use super::caller::{At, Caller, InAccount, Submitted};
use super::draft::{Draft, Mistakes};
use super::failure::{Failure, said};
use super::page::Page;
use super::trial::{self, Trial};
use super::{caller::Fields, secret};
use crate::backend::request;
use crate::session::random;

/// Types that have a box: the catalogue's 27 and up to 200 of the account's own.
const TYPES: u32 = 500;

#[derive(Debug, Template)]
#[template(path = "edit.html")]
struct Form {
    page: Page,
    /// Where the form is sent, and where to go instead.
    action: String,
    back: String,
    is_new: bool,
    classes: Vec<Class>,
    draft: Draft,
    mistakes: Mistakes,
    trial: Option<Trial>,
}

/// Types of a class.
#[derive(Debug)]
struct Class {
    title: &'static str,
    hint: &'static str,
    types: Vec<Type>,
}

#[derive(Debug)]
struct Type {
    name: String,
    description: String,
    chosen: bool,
}

/// Everything a form page is made of, but what was typed.
struct Editing<'a> {
    app: &'a App,
    caller: &'a Caller,
    account: AccountId,
    account_name: String,
    /// The webhook that is edited.
    at: Option<At>,
    types: Vec<angarium_proto::registry::v1::EventType>,
}

impl<'a> Editing<'a> {
    async fn begin(
        app: &'a App,
        caller: &'a Caller,
        account: AccountId,
        at: Option<At>,
    ) -> Result<Self, Failure> {
        let account_name = caller.account(app, account).await?;
        let asked = ListEventTypesRequest {
            account_id: Some(account.get()),
            page_size: TYPES,
            ..ListEventTypesRequest::default()
        };
        let mut registry = app.backend().registry(&caller.session.key);
        let types = registry
            .list_event_types(request(asked))
            .await?
            .into_inner()
            .event_types;
        Ok(Self {
            app,
            caller,
            account,
            account_name,
            at,
            types,
        })
    }

    fn boxes(&self) -> Vec<&str> {
        self.types.iter().map(|known| known.name.as_str()).collect()
    }

    fn show(&self, status: StatusCode, draft: Draft, mistakes: Mistakes, trial: Option<Trial>) -> Response {
        let list = format!("/accounts/{}/webhooks", self.account);
        let back = self.at.map_or_else(|| list.clone(), At::path);
        let title = if self.at.is_some() {
            "Edit webhook"
        } else {
            "Add a webhook"
        };
        let form = Form {
            page: Page::of(self.app, self.caller, title).within("webhooks", self.account, &self.account_name),
            action: self
                .at
                .map_or_else(|| format!("{list}/new"), |at| format!("{}/edit", at.path())),
            back,
            is_new: self.at.is_none(),
            classes: self.classes(&draft),
            draft,
            mistakes,
            trial,
        };
        html(status, &form)
    }

    fn classes(&self, draft: &Draft) -> Vec<Class> {
        let of = |class: EventClass| {
            let types = self.types.iter().filter(|known| known.event_class() == class);
            types
                .map(|known| Type {
                    chosen: draft.has(&&known.name),
                    name: known.name.clone(),
                    description: known.description.clone(),
                })
                .collect()
        };
        vec![
            Class {
                title: "Real-time",
                hint: "sent as they happen",
                types: of(EventClass::Realtime),
            },
            Class {
                title: "Batch",
                hint: "sent at certain times",
                types: of(EventClass::Batch),
            },
        ]
    }

    /// The form once more, with what a service said of it.
    fn again(&self, draft: Draft, status: &Status) -> Result<Response, Failure> {
        let mut mistakes = Mistakes::of(status).unwrap_or_default();
        if !mistakes.any() {
            let text = match status.code() {
                Code::Unauthenticated => return Err(status.clone().into()),
                Code::Aborted => "Someone changed this webhook while you did. Open it in another tab to see how; saving once more puts what stands here in place of theirs.".to_owned(),
                Code::DeadlineExceeded => "There was no answer in time: it may yet come into force. Look at the list before you save again.".to_owned(),
                _ => said(status),
            };
            mistakes.add("form", text);
        }
        Ok(self.show(StatusCode::UNPROCESSABLE_ENTITY, draft, mistakes, None))
    }

    /// Tests what was typed, which is saved nowhere.
    async fn test(&self, mut draft: Draft) -> Result<Response, Failure> {
        let webhook = draft.webhook(self.account);
        match trial::draft(self.app, self.caller, self.account, webhook).await {
            Ok((trial, generated)) => {
                // The receiver has been told this one by now: saving keeps it.
                if draft.method == "signature" && draft.secret.is_empty() && self.at.is_none() {
                    draft.secret = generated;
                }
                Ok(self.show(StatusCode::OK, draft, Mistakes::default(), Some(trial)))
            }
            Err(status) => self.again(draft, &status),
        }
    }
}

pub(super) async fn add(
    State(app): State<App>,
    caller: Caller,
    InAccount(account): InAccount,
) -> Result<Response, Failure> {
    let editing = Editing::begin(&app, &caller, account, None).await?;
    let draft = Draft {
        method: "signature".to_owned(),
        active: true,
        request_id: random(),
        ..Draft::default()
    };
    Ok(editing.show(StatusCode::OK, draft, Mistakes::default(), None))
}

fn is_test(fields: &Fields) -> bool {
    fields.one("do") == "test"
}

pub(super) async fn create(
    State(app): State<App>,
    InAccount(account): InAccount,
    sent: Submitted,
) -> Result<Response, Failure> {
    let editing = Editing::begin(&app, &sent.caller, account, None).await?;
    let draft = Draft::read(&sent.fields);
    if is_test(&sent.fields) {
        return editing.test(draft).await;
    }
    let asked = CreateWebhookRequest {
        webhook: Some(draft.webhook(account)),
        request_id: draft.request_id.clone(),
    };
    let mut registry = app.backend().registry(&sent.caller.session.key);
    let answer = match registry.create_webhook(request(asked)).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return editing.again(draft, &status),
    };
    let webhook = answer.webhook.unwrap_or_default();
    saved(&editing, &webhook, answer.secret_json, "Webhook added.")
}

/// Leads to the webhook, or shows its secret first if there is one to show.
fn saved(
    editing: &Editing<'_>,
    webhook: &Webhook,
    secret_json: String,
    text: &'static str,
) -> Result<Response, Failure> {
    if secret_json.is_empty() {
        return Ok(see(&format!(
            "/accounts/{}/webhooks/{}?done=saved",
            editing.account, webhook.id
        )));
    }
    let account = (editing.account, editing.account_name.as_str());
    Ok(ok(&secret::shown(
        editing.app,
        editing.caller,
        account,
        webhook,
        secret_json,
        text,
    )))
}

pub(super) async fn edit(State(app): State<App>, caller: Caller, at: At) -> Result<Response, Failure> {
    let editing = Editing::begin(&app, &caller, at.account, Some(at)).await?;
    let webhook = caller.webhook(&app, at).await?;
    let draft = Draft::of(&webhook, &editing.boxes());
    Ok(editing.show(StatusCode::OK, draft, Mistakes::default(), None))
}

pub(super) async fn update(State(app): State<App>, at: At, sent: Submitted) -> Result<Response, Failure> {
    let editing = Editing::begin(&app, &sent.caller, at.account, Some(at)).await?;
    let draft = Draft::read(&sent.fields);
    if is_test(&sent.fields) {
        return editing.test(draft).await;
    }
    let stored = sent.caller.webhook(&app, at).await?;
    let before = Draft::of(&stored, &editing.boxes());
    let asked = UpdateWebhookRequest {
        webhook: Some(Webhook {
            id: at.webhook.to_string(),
            ..draft.webhook(at.account)
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: draft.changes(&before),
        }),
    };
    let mut registry = app.backend().registry(&sent.caller.session.key);
    match registry.update_webhook(request(asked)).await {
        Ok(answer) => {
            let answer = answer.into_inner();
            let webhook = answer.webhook.unwrap_or_default();
            saved(
                &editing,
                &webhook,
                answer.secret_json,
                "Saved, with a new secret.",
            )
        }
        Err(status) => {
            let draft = Draft {
                // Who saves once more has been told what that does.
                revision: stored.revision,
                ..draft
            };
            editing.again(draft, &status)
        }
    }
}
