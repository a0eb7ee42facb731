//! Accounts that want the same external ids, created through any of the registries: no two have the same in the end, and whoever
//! was told that an account has one finds it (ADR 27).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use angarium_proto::registry::v1::{Account, CreateAccountRequest, ListAccountsRequest};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Request};

use super::Client;

/// Beyond the accounts of the other callers.
const FIRST: u64 = 1_000;
/// So many want each external id.
const RIVALS: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(3);
const PAGE: u32 = 1_000;

/// Who wants external ids.
pub(crate) struct Rivals {
    tasks: JoinSet<()>,
    stopped: watch::Sender<bool>,
    named: Arc<Mutex<Vec<Named>>>,
}

/// An account that was answered to have an external id.
struct Named {
    account: u64,
    external_id: String,
    /// From where on it can be read.
    revision: AsciiMetadataValue,
}

/// All that was answered.
pub(crate) struct Answered(Vec<Named>);

impl Rivals {
    pub(crate) fn start(clients: &[Client]) -> Self {
        let stopped = watch::Sender::new(false);
        let named: Arc<Mutex<Vec<Named>>> = Arc::default();
        let mut tasks = JoinSet::new();
        for rival in 0..RIVALS {
            let (clients, stopped, named) = (clients.to_vec(), stopped.subscribe(), Arc::clone(&named));
            tasks.spawn(async move {
                let mut round = 0;
                while !*stopped.borrow() {
                    let at = usize::try_from(round + rival).unwrap() % clients.len();
                    let answered = want(&clients[at], (round, rival)).await;
                    named.lock().unwrap().extend(answered);
                    round += 1;
                }
            });
        }
        Self {
            tasks,
            stopped,
            named,
        }
    }

    pub(crate) async fn stop(self) -> Answered {
        self.stopped.send_replace(true);
        self.tasks.join_all().await;
        Answered(std::mem::take(&mut *self.named.lock().unwrap()))
    }
}

/// Creates an account that is to have an external id which others want as well.
async fn want(client: &Client, (round, rival): (u64, u64)) -> Option<Named> {
    let account = FIRST + round * RIVALS + rival;
    let external_id = format!("name-{round}");
    let request = CreateAccountRequest {
        account: Some(Account {
            id: account,
            external_id: external_id.clone(),
            ..Account::default()
        }),
    };
    let answer = tokio::time::timeout(PATIENCE, client.clone().create_account(request)).await;
    match answer.ok()? {
        Ok(created) => Some(Named {
            account,
            external_id,
            revision: created.metadata().get("angarium-revision").cloned()?,
        }),
        Err(status) => {
            let code = status.code();
            assert!(
                matches!(
                    code,
                    Code::AlreadyExists
                        | Code::Unavailable
                        | Code::ResourceExhausted
                        | Code::Unknown
                        | Code::Cancelled
                ),
                "{status}"
            );
            None
        }
    }
}

impl Answered {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Every registry knows the same, and no two accounts have the same external id.
    pub(crate) async fn assert_is_unique(&self, client: &Client) {
        let answered: BTreeMap<&str, u64> = self
            .0
            .iter()
            .map(|named| (named.external_id.as_str(), named.account))
            .collect();
        assert_eq!(answered.len(), self.0.len(), "two were told to have the same");
        for named in &self.0 {
            let mut request = Request::new(ListAccountsRequest {
                external_id: named.external_id.clone(),
                ..ListAccountsRequest::default()
            });
            request
                .metadata_mut()
                .insert("angarium-revision", named.revision.clone());
            let found = client.clone().list_accounts(request).await.unwrap().into_inner();
            let found: Vec<u64> = found.accounts.iter().map(|account| account.id).collect();
            assert_eq!(found, [named.account], "{}", named.external_id);
        }
        let mut seen = BTreeSet::new();
        let mut page = ListAccountsRequest {
            page_size: PAGE,
            ..ListAccountsRequest::default()
        };
        loop {
            let answer = client
                .clone()
                .list_accounts(page.clone())
                .await
                .unwrap()
                .into_inner();
            for account in answer.accounts {
                let is_new = account.external_id.is_empty() || seen.insert(account.external_id.clone());
                assert!(is_new, "another account has it as well: {account:?}");
            }
            if answer.next_page_token.is_empty() {
                break;
            }
            page.page_token = answer.next_page_token;
        }
    }
}
