//! `angarium account …`

use angarium_proto::registry::v1::{Account, CreateAccountRequest, UpdateAccountRequest};
use anyhow::bail;
use serde_json::json;

use super::call::present;
use super::registry::{Registry, request};
use crate::cli::AccountCommand;
use crate::output::{Row, list, one, print};

const HEADERS: [&str; 3] = ["id", "name", "revision"];

/// Runs one of the commands and prints the answer.
///
/// # Errors
/// When the registry cannot be reached or refuses.
pub(crate) async fn run(command: AccountCommand) -> anyhow::Result<()> {
    match command {
        AccountCommand::Create(create) => {
            let mut registry = Registry::at(&create.at)?;
            let account = Account {
                id: create.id,
                name: create.name,
                max_webhooks: create.max_webhooks,
                ..Account::default()
            };
            let sent = registry
                .calls
                .create_account(request(CreateAccountRequest {
                    account: Some(account),
                }))
                .await;
            let account = present(registry.answer(sent)?.account)?;
            print(&one(create.at.reach.output, &HEADERS, row(account)))
        }
        AccountCommand::Update(update) => {
            let mut registry = Registry::at(&update.at)?;
            let named = [
                ("name", update.name.is_some()),
                ("max_webhooks", update.max_webhooks.is_some()),
            ];
            let paths: Vec<String> = named
                .iter()
                .filter(|(_, named)| *named)
                .map(|(path, _)| (*path).to_owned())
                .collect();
            if paths.is_empty() {
                bail!("nothing is to be changed: give --name or --max-webhooks");
            }
            let account = Account {
                id: update.id,
                name: update.name.unwrap_or_default(),
                max_webhooks: update.max_webhooks.filter(|most| *most > 0),
                ..Account::default()
            };
            let mut change = UpdateAccountRequest {
                account: Some(account),
                update_mask: None,
            };
            change.update_mask.get_or_insert_default().paths = paths;
            let sent = registry.calls.update_account(request(change)).await;
            let account = present(registry.answer(sent)?.account)?;
            print(&one(update.at.reach.output, &HEADERS, row(account)))
        }
        AccountCommand::List(at) => {
            let mut registry = Registry::at(&at)?;
            let accounts = registry.accounts().await;
            let rows = registry.told(accounts)?.into_iter().map(row).collect();
            print(&list(at.reach.output, &HEADERS, rows))
        }
    }
}

pub(super) fn row(account: Account) -> Row {
    let json = json!({
        "id": account.id,
        "name": account.name,
        "maxWebhooks": account.max_webhooks,
        "revision": account.revision,
        "createdAtMs": account.created_at_ms,
    });
    Row {
        cells: vec![account.id.to_string(), account.name, account.revision.to_string()],
        json,
    }
}
