//! The journal, for whoever may read it.

use angarium_directory::lookup;
use angarium_journal::{Rest, Wanted, list};
use angarium_kafka::ReadError;
use angarium_model::{AccountId, Position, WebhookId};
use angarium_proto::journal::v1;
use angarium_proto::journal::v1::journal_service_server::JournalService;
use angarium_proto::{FieldError, InvalidWire};
use tokio::time::timeout;
use tonic::{Request, Response, Status};

use super::refusal::Refusal;
use super::{Explainer, JOURNAL, LOOKS_BACK, PATIENCE};

const DEFAULT_SIZE: u32 = 100;
const MAX_SIZE: u32 = 1_000;
/// What stands in a token for a log of which nothing is left.
const NOTHING: &str = "x";

/// What is asked for.
#[derive(Debug)]
struct Asked {
    wanted: Wanted,
    size: usize,
    rest: Option<Rest>,
}

impl Explainer {
    async fn listed(&self, asked: v1::ListJournalRequest) -> Result<v1::ListJournalResponse, Refusal> {
        let Asked { wanted, size, rest } = checked(&asked)?;
        let _permit = self.listed.begin(wanted.account)?;
        self.is_there(wanted.account)?;
        let partition = self.partition_in(JOURNAL, wanted.account).await?;
        let listing = list(
            [&self.journal, &self.successes],
            partition,
            &wanted,
            rest,
            (size, LOOKS_BACK),
        );
        let listed = timeout(PATIENCE, listing).await;
        let listed = listed.map_err(|_elapsed| ReadError::TimedOut)??;
        Ok(v1::ListJournalResponse {
            entries: listed.entries,
            next_page_token: listed.rest.map(token).unwrap_or_default(),
        })
    }
}

/// Checks what the caller sends; every mistake is told.
fn checked(asked: &v1::ListJournalRequest) -> Result<Asked, InvalidWire> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: String| errors.push(FieldError::new(field, message));
    let account = AccountId::new(asked.account_id)
        .map_err(|error| wrong("account_id", error.to_string()))
        .ok();
    let webhook = given(&asked.webhook_id).map(str::parse::<WebhookId>).transpose();
    let webhook = webhook
        .map_err(|error| wrong("webhook_id", error.to_string()))
        .ok();
    let event = given(&asked.position).map(str::parse::<Position>).transpose();
    let event = event.map_err(|error| wrong("position", error.to_string())).ok();
    for (field, time) in [("from_ms", asked.from_ms), ("until_ms", asked.until_ms)] {
        if time.is_some_and(|time| time < 0) {
            wrong(field, "must not be negative".to_owned());
        }
    }
    if asked.page_size > MAX_SIZE {
        let message = format!(
            "is {}; allowed are 1 to {MAX_SIZE}, or 0 for {DEFAULT_SIZE}",
            asked.page_size
        );
        wrong("page_size", message);
    }
    let rest = given(&asked.page_token).map(read_token);
    if rest == Some(None) {
        wrong(
            "page_token",
            "is no `next_page_token` of this list; begin again without one".to_owned(),
        );
    }
    let size = if asked.page_size == 0 {
        DEFAULT_SIZE
    } else {
        asked.page_size
    };
    match (account, webhook, event) {
        (Some(account), Some(webhook), Some(event)) if errors.is_empty() => Ok(Asked {
            wanted: Wanted {
                account,
                webhook,
                event,
                from_ms: asked.from_ms,
                until_ms: asked.until_ms,
            },
            size: usize::try_from(size).unwrap_or(usize::MAX),
            rest: rest.flatten(),
        }),
        _ => Err(InvalidWire(errors)),
    }
}

/// An empty text is how proto3 says that there is none.
fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn token(rest: Rest) -> String {
    let [other, success] =
        rest.map(|below| below.map_or_else(|| NOTHING.to_owned(), |below| below.to_string()));
    format!("{other}.{success}")
}

fn read_token(token: &str) -> Option<Rest> {
    let below = |text: &str| match text {
        NOTHING => Some(None),
        text => text.parse().ok().filter(|below| *below >= 0).map(Some),
    };
    let (other, success) = token.split_once('.')?;
    Some([below(other)?, below(success)?])
}

#[tonic::async_trait]
impl JournalService for Explainer {
    async fn list_journal(
        &self,
        request: Request<v1::ListJournalRequest>,
    ) -> Result<Response<v1::ListJournalResponse>, Status> {
        let asked = lookup::seen(request, |asked| asked.account_id)?;
        Ok(Response::new(self.listed(asked).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once() {
        let wrong = v1::ListJournalRequest {
            account_id: u64::MAX,
            webhook_id: "wh_1".to_owned(),
            position: "3".to_owned(),
            from_ms: Some(-1),
            until_ms: Some(-1),
            page_size: 1_001,
            page_token: "1".to_owned(),
        };
        let InvalidWire(errors) = checked(&wrong).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "account_id",
                "webhook_id",
                "position",
                "from_ms",
                "until_ms",
                "page_size",
                "page_token"
            ]
        );
        let asked = checked(&v1::ListJournalRequest::default()).unwrap();
        assert_eq!((asked.size, asked.rest), (100, None));
    }

    #[test]
    fn a_token_reads_back_and_what_is_none_is_refused() {
        for rest in [[Some(3), None], [None, Some(0)], [Some(i64::MAX), Some(1)]] {
            assert_eq!(read_token(&token(rest)), Some(rest));
        }
        for none in ["", "1", "1.", "-1.x", "x.y", "1.2.3"] {
            assert_eq!(read_token(none), None, "{none}");
        }
    }
}
