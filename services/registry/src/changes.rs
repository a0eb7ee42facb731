//! Requests that must go to the writer of their account, and how each is written, answered and passed on.

use angarium_proto::registry::v1;
use tonic::{Request, Response, Status};

use crate::peers::Peer;
use crate::plan::Write;
use crate::refusal::Refusal;
use crate::request::{self, Grounds};
use crate::writers::Stored;

/// A request for the writer of an account.
pub(crate) trait Change: Clone + Send + 'static {
    type Answer: Send;

    /// Checks it.
    fn check(self, on: Grounds<'_>) -> Result<Write, Refusal>;

    /// What is answered once it is written.
    fn answer(stored: &Stored) -> Self::Answer;

    /// Asks another registry.
    fn pass_on(
        request: Request<Self>,
        peer: Peer,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;
}

/// Implements [`Change`]: the request, the answer, the method, how it is checked, and what is answered.
macro_rules! change {
    ($request:ident => $answer:ident, $method:ident, $check:expr, $of:expr) => {
        impl Change for v1::$request {
            type Answer = v1::$answer;

            fn check(self, on: Grounds<'_>) -> Result<Write, Refusal> {
                let check: fn(Self, Grounds<'_>) -> Result<Write, Refusal> = $check;
                check(self, on)
            }

            fn answer(stored: &Stored) -> v1::$answer {
                let of: fn(&Stored) -> v1::$answer = $of;
                of(stored)
            }

            async fn pass_on(
                request: Request<Self>,
                mut peer: Peer,
            ) -> Result<Response<v1::$answer>, Status> {
                peer.$method(request).await
            }
        }
    };
}

change!(CreateAccountRequest => CreateAccountResponse, create_account,
    |request, on| request::create_account(request, on.now_ms), |stored| v1::CreateAccountResponse { account: stored.account() });
change!(UpdateAccountRequest => UpdateAccountResponse, update_account,
    |request, _on| request::update_account(request),
    |stored| v1::UpdateAccountResponse { account: stored.account() });
change!(DeleteAccountRequest => DeleteAccountResponse, delete_account,
    |request, _on| request::delete_account(&request), |_stored| v1::DeleteAccountResponse {});
change!(ReserveExternalIdRequest => ReserveExternalIdResponse, reserve_external_id,
    |request, on| request::reserve_external_id(&request, on.now_ms), |_stored| v1::ReserveExternalIdResponse {});
change!(CreateWebhookRequest => CreateWebhookResponse, create_webhook,
    request::create_webhook,
    |stored| v1::CreateWebhookResponse { webhook: stored.webhook(), secret_json: stored.secret_json() });
change!(UpdateWebhookRequest => UpdateWebhookResponse, update_webhook,
    request::update_webhook,
    |stored| v1::UpdateWebhookResponse { webhook: stored.webhook(), secret_json: stored.secret_json() });
change!(RotateSecretRequest => RotateSecretResponse, rotate_secret,
    |request, on| request::rotate_secret(&request, on.now_ms),
    |stored| v1::RotateSecretResponse { webhook: stored.webhook(), secret_json: stored.secret_json() });
change!(RevokeSecretRequest => RevokeSecretResponse, revoke_secret,
    |request, _on| request::revoke_secret(&request),
    |stored| v1::RevokeSecretResponse { webhook: stored.webhook() });
change!(DisableWebhookRequest => DisableWebhookResponse, disable_webhook,
    |request, on| request::disable_webhook(request, on.now_ms), |stored| v1::DisableWebhookResponse { webhook: stored.webhook() });
change!(DeleteWebhookRequest => DeleteWebhookResponse, delete_webhook,
    |request, on| request::delete_webhook(&request, on.now_ms),
    |stored| v1::DeleteWebhookResponse { deleted_until_ms: stored.deleted_until_ms() });
change!(UndeleteWebhookRequest => UndeleteWebhookResponse, undelete_webhook,
    |request, on| request::undelete_webhook(&request, on.now_ms),
    |stored| v1::UndeleteWebhookResponse { webhook: stored.webhook() });
change!(ResealWebhookRequest => ResealWebhookResponse, reseal_webhook,
    |request, _on| request::reseal_webhook(&request),
    |stored| v1::ResealWebhookResponse { resealed: stored.is_new });
change!(CreateApiKeyRequest => CreateApiKeyResponse, create_api_key,
    |request, on| request::create_api_key(request, on.now_ms),
    |stored| v1::CreateApiKeyResponse { api_key: stored.api_key(), token: stored.token() });
change!(UpdateApiKeyRequest => UpdateApiKeyResponse, update_api_key,
    |request, on| request::update_api_key(request, on.now_ms), |stored| v1::UpdateApiKeyResponse { api_key: stored.api_key() });
change!(RotateApiKeyRequest => RotateApiKeyResponse, rotate_api_key,
    |request, on| request::rotate_api_key(&request, on.now_ms),
    |stored| v1::RotateApiKeyResponse { api_key: stored.api_key(), token: stored.token() });
change!(DeleteApiKeyRequest => DeleteApiKeyResponse, delete_api_key,
    |request, _on| request::delete_api_key(&request), |_stored| v1::DeleteApiKeyResponse {});
change!(NoteApiKeyUseRequest => NoteApiKeyUseResponse, note_api_key_use,
    |request, on| request::note_api_key_use(&request, on.now_ms), |_stored| v1::NoteApiKeyUseResponse {});
change!(CreateEventTypeRequest => CreateEventTypeResponse, create_event_type,
    |request, on| request::create_event_type(request, on.now_ms),
    |stored| v1::CreateEventTypeResponse { event_type: stored.event_type() });
change!(UpdateEventTypeRequest => UpdateEventTypeResponse, update_event_type,
    |request, _on| request::update_event_type(request),
    |stored| v1::UpdateEventTypeResponse { event_type: stored.event_type() });
change!(DeleteEventTypeRequest => DeleteEventTypeResponse, delete_event_type,
    |request, _on| request::delete_event_type(&request), |_stored| v1::DeleteEventTypeResponse {});
// Reads of what is current, whatever this registry has read of it.
change!(GetAccountRequest => GetAccountResponse, get_account,
    |request, _on| request::read_account(&request),
    |stored| v1::GetAccountResponse { account: stored.account() });
change!(GetWebhookRequest => GetWebhookResponse, get_webhook,
    |request, _on| request::read_webhook(&request),
    |stored| v1::GetWebhookResponse { webhook: stored.webhook() });
change!(GetApiKeyRequest => GetApiKeyResponse, get_api_key,
    |request, _on| request::read_api_key(&request),
    |stored| v1::GetApiKeyResponse { api_key: stored.api_key() });
