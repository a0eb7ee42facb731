//! A request for each method.

use std::collections::BTreeMap;

use angarium_proto::audit::v1::ListAuditLogRequest;
use angarium_proto::delivery::v1::{
    self as delivery, replay_webhook_request::Start, test_webhook_request::Target,
};
use angarium_proto::event::v1 as event;
use angarium_proto::explain::v1 as explain;
use angarium_proto::journal::v1::{Lane, ListJournalRequest};
use angarium_proto::registry::v1::{self, ApiKey};
use prost::Message;

use super::{EVENT, OWN};

/// A type of the account's own.
const EVENT_TYPE: &str = "OWN_TYPE";

/// What is asked for: all of it exists in the account of its owner.
pub(super) struct Things {
    pub(super) webhook: v1::Webhook,
    pub(super) key: ApiKey,
}

type Named = (&'static str, Vec<u8>);

/// By method: a request about these things.
pub(super) fn requests(things: &Things) -> BTreeMap<String, Vec<u8>> {
    let services = [
        ("registry.v1.RegistryService", accounts()),
        ("registry.v1.RegistryService", webhooks(&things.webhook)),
        ("registry.v1.RegistryService", keys(&things.key)),
        ("registry.v1.RegistryService", types()),
        ("audit.v1.AuditService", changes()),
        ("delivery.v1.DeliveryService", tests(&things.webhook)),
        ("delivery.v1.ReplayService", replays(&things.webhook)),
        ("event.v1.PublisherService", events()),
        ("explain.v1.ExplainService", explanations(&things.webhook)),
        ("journal.v1.JournalService", journal()),
    ];
    let of = |(service, methods): (&str, Vec<Named>)| {
        let path = format!("/angarium.{service}");
        methods
            .into_iter()
            .map(move |(method, request)| (format!("{path}/{method}"), request))
    };
    services.into_iter().flat_map(of).collect()
}

fn accounts() -> Vec<Named> {
    let account = Some(v1::Account {
        id: OWN,
        ..v1::Account::default()
    });
    let update = v1::UpdateAccountRequest {
        account: account.clone(),
        update_mask: None,
    };
    let filter = v1::TestFilterRequest {
        filter: "has(data.loType)".into(),
        sample: Some(v1::test_filter_request::Sample::EventType(EVENT.into())),
        account_id: None,
    };
    let reserve = v1::ReserveExternalIdRequest {
        account_id: OWN,
        external_id: "acme".into(),
    };
    // At a revision that it does not have, here and below: what is there stays.
    let delete = v1::DeleteAccountRequest { id: OWN, revision: 1 };
    vec![
        (
            "CreateAccount",
            v1::CreateAccountRequest { account }.encode_to_vec(),
        ),
        ("GetAccount", v1::GetAccountRequest { id: OWN }.encode_to_vec()),
        ("ListAccounts", v1::ListAccountsRequest::default().encode_to_vec()),
        ("UpdateAccount", update.encode_to_vec()),
        ("DeleteAccount", delete.encode_to_vec()),
        ("ReserveExternalId", reserve.encode_to_vec()),
        ("TestFilter", filter.encode_to_vec()),
        ("Watch", v1::WatchRequest::default().encode_to_vec()),
    ]
}

fn changes() -> Vec<Named> {
    let changes = ListAuditLogRequest {
        account_id: Some(OWN),
        ..ListAuditLogRequest::default()
    };
    vec![("ListAuditLog", changes.encode_to_vec())]
}

fn webhooks(webhook: &v1::Webhook) -> Vec<Named> {
    let (account_id, id) = (OWN, webhook.id.clone());
    let get = v1::GetWebhookRequest {
        account_id,
        id: id.clone(),
    };
    let list = v1::ListWebhooksRequest {
        account_id,
        ..v1::ListWebhooksRequest::default()
    };
    let webhook = Some(webhook.clone());
    let update = v1::UpdateWebhookRequest {
        webhook: webhook.clone(),
        update_mask: None,
    };
    let disable = v1::DisableWebhookRequest {
        account_id,
        id: id.clone(),
        reason: v1::DisabledReason::Gone.into(),
        revision: 1,
        ..v1::DisableWebhookRequest::default()
    };
    let reseal = v1::ResealWebhookRequest {
        account_id,
        id: id.clone(),
    };
    let rotate = v1::RotateSecretRequest {
        account_id,
        id: id.clone(),
        revision: 1,
        ..v1::RotateSecretRequest::default()
    };
    let revoke = v1::RevokeSecretRequest {
        account_id,
        id: id.clone(),
        revision: 1,
    };
    let delete = v1::DeleteWebhookRequest {
        account_id,
        id: id.clone(),
        revision: 1,
    };
    let undelete = v1::UndeleteWebhookRequest { account_id, id };
    vec![
        (
            "CreateWebhook",
            v1::CreateWebhookRequest {
                webhook,
                ..v1::CreateWebhookRequest::default()
            }
            .encode_to_vec(),
        ),
        ("GetWebhook", get.encode_to_vec()),
        ("ListWebhooks", list.encode_to_vec()),
        ("UpdateWebhook", update.encode_to_vec()),
        ("DisableWebhook", disable.encode_to_vec()),
        ("ResealWebhook", reseal.encode_to_vec()),
        ("RotateSecret", rotate.encode_to_vec()),
        ("RevokeSecret", revoke.encode_to_vec()),
        ("DeleteWebhook", delete.encode_to_vec()),
        ("UndeleteWebhook", undelete.encode_to_vec()),
    ]
}

fn keys(key: &ApiKey) -> Vec<Named> {
    let (account_id, id) = (Some(OWN), key.id.clone());
    let get = v1::GetApiKeyRequest {
        account_id,
        id: id.clone(),
    };
    let list = v1::ListApiKeysRequest {
        account_id,
        ..v1::ListApiKeysRequest::default()
    };
    let api_key = Some(key.clone());
    let update = v1::UpdateApiKeyRequest {
        api_key: api_key.clone(),
        update_mask: None,
    };
    let rotate = v1::RotateApiKeyRequest {
        account_id,
        id: id.clone(),
        ..v1::RotateApiKeyRequest::default()
    };
    let delete = v1::DeleteApiKeyRequest {
        account_id,
        id: id.clone(),
        revision: 1,
    };
    let note = v1::NoteApiKeyUseRequest {
        account_id,
        id,
        used_at_ms: 1,
    };
    vec![
        (
            "CreateApiKey",
            v1::CreateApiKeyRequest { api_key }.encode_to_vec(),
        ),
        ("GetApiKey", get.encode_to_vec()),
        ("ListApiKeys", list.encode_to_vec()),
        ("UpdateApiKey", update.encode_to_vec()),
        ("RotateApiKey", rotate.encode_to_vec()),
        ("DeleteApiKey", delete.encode_to_vec()),
        ("NoteApiKeyUse", note.encode_to_vec()),
    ]
}

/// Of a type that is there once someone has created it who may.
fn types() -> Vec<Named> {
    let account_id = Some(OWN);
    let event_type = Some(v1::EventType {
        account_id,
        name: EVENT_TYPE.into(),
        event_class: v1::EventClass::Realtime.into(),
        ..v1::EventType::default()
    });
    let get = v1::GetEventTypeRequest {
        account_id,
        name: EVENT.into(),
    };
    let list = v1::ListEventTypesRequest {
        account_id,
        ..v1::ListEventTypesRequest::default()
    };
    let create = v1::CreateEventTypeRequest {
        event_type: event_type.clone(),
    };
    let update = v1::UpdateEventTypeRequest {
        event_type,
        ..v1::UpdateEventTypeRequest::default()
    };
    let delete = v1::DeleteEventTypeRequest {
        account_id,
        name: EVENT_TYPE.into(),
        revision: 1,
    };
    vec![
        ("CreateEventType", create.encode_to_vec()),
        ("UpdateEventType", update.encode_to_vec()),
        ("DeleteEventType", delete.encode_to_vec()),
        ("GetEventType", get.encode_to_vec()),
        ("ListEventTypes", list.encode_to_vec()),
    ]
}

fn tests(webhook: &v1::Webhook) -> Vec<Named> {
    let test = delivery::TestWebhookRequest {
        account_id: OWN,
        target: Some(Target::WebhookId(webhook.id.clone())),
        event_type: EVENT.to_owned(),
    };
    vec![("TestWebhook", test.encode_to_vec())]
}

fn explanations(webhook: &v1::Webhook) -> Vec<Named> {
    let asked = explain::ExplainRequest {
        account_id: OWN,
        webhook_id: webhook.id.clone(),
        event: Some(explain::explain_request::Event::EventType(EVENT.into())),
        with_calls: true,
    };
    let event = explain::GetEventRequest {
        account_id: OWN,
        position: Some(angarium_proto::event::v1::Position {
            partition: 0,
            offset: 0,
        }),
    };
    vec![
        ("Explain", asked.encode_to_vec()),
        ("GetEvent", event.encode_to_vec()),
    ]
}

fn journal() -> Vec<Named> {
    let list = ListJournalRequest {
        account_id: OWN,
        ..ListJournalRequest::default()
    };
    vec![("ListJournal", list.encode_to_vec())]
}

fn replays(webhook: &v1::Webhook) -> Vec<Named> {
    let (account_id, lane) = (OWN, Lane::Realtime.into());
    let webhook_id = || webhook.id.clone();
    let replay = delivery::ReplayWebhookRequest {
        account_id,
        webhook_id: webhook_id(),
        lane,
        start: Some(Start::FromMs(0)),
        dry_run: true,
        ..delivery::ReplayWebhookRequest::default()
    };
    let cancel = delivery::CancelReplayRequest {
        account_id,
        webhook_id: webhook_id(),
        lane,
        replay_id: 0,
    };
    let progress = delivery::GetReplayRequest {
        account_id,
        webhook_id: webhook_id(),
        lane,
        replay_id: 1,
    };
    let resend = delivery::ResendEventRequest {
        account_id,
        webhook_id: webhook_id(),
        position: Some(event::Position::default()),
    };
    let dead = delivery::ListDeadLettersRequest {
        account_id,
        webhook_id: webhook_id(),
        ..delivery::ListDeadLettersRequest::default()
    };
    vec![
        ("ReplayWebhook", replay.encode_to_vec()),
        ("CancelReplay", cancel.encode_to_vec()),
        ("GetReplay", progress.encode_to_vec()),
        ("ResendEvent", resend.encode_to_vec()),
        ("ListDeadLetters", dead.encode_to_vec()),
    ]
}

fn events() -> Vec<Named> {
    let event = event::Event {
        event_name: EVENT.to_owned(),
        data: r#"{"n":1}"#.into(),
        ..event::Event::default()
    };
    let publish = event::PublishRequest {
        account_id: OWN,
        events: vec![event.clone()],
        ..event::PublishRequest::default()
    };
    let stream = event::PublishStreamRequest {
        sequence: 1,
        account_id: OWN,
        event: Some(event),
        ..event::PublishStreamRequest::default()
    };
    vec![
        ("Publish", publish.encode_to_vec()),
        ("PublishStream", stream.encode_to_vec()),
    ]
}
