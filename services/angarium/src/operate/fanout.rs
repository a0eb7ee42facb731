//! Calls a fanout worker.

use angarium_proto::explain::v1::explain_service_client::ExplainServiceClient;
use angarium_runtime::grpc::{Client, MAX_MESSAGE_BYTES, client};
use anyhow::Context as _;
use tonic::{Response, Status};

use super::accounts::Accounts;
use super::call::explain;
use crate::cli::AtFanout;
use crate::settings::Settings;

/// A connection to the worker of the command line or the settings.
pub(super) struct Fanout {
    pub(super) client: Client,
    pub(super) calls: ExplainServiceClient<Client>,
    endpoint: String,
    pub(super) accounts: Accounts,
}

impl Fanout {
    /// Reads where it is; connects at the first call.
    pub(super) fn at(at: &AtFanout) -> anyhow::Result<Self> {
        let settings = Settings::read_to_call(&at.reach, at.fanout.as_deref(), "fanout")?;
        let endpoint = settings.fanout_endpoint.clone();
        let client = client(&endpoint, settings.presented()).context("fanout.endpoint")?;
        Ok(Self {
            calls: ExplainServiceClient::new(client.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES),
            client,
            endpoint,
            accounts: Accounts::of(&settings),
        })
    }

    /// The answer, or what to tell the person who asked.
    pub(super) fn answer<T>(&self, result: Result<Response<T>, Status>) -> anyhow::Result<T> {
        self.told(result.map(Response::into_inner))
    }

    /// The same of what was taken out of an answer.
    pub(super) fn told<T>(&self, result: Result<T, Status>) -> anyhow::Result<T> {
        result.map_err(|status| explain("fanout", &self.endpoint, "ask again", &status))
    }
}
