//! Calls a delivery worker.

use angarium_runtime::grpc::{Client, client};
use anyhow::Context;
use tonic::{Response, Status};

use super::accounts::Accounts;
use super::call::explain;
use crate::cli::AtDelivery;
use crate::settings::Settings;

/// A connection to the worker of the command line or the settings.
pub(super) struct Delivery {
    pub(super) client: Client,
    endpoint: String,
    pub(super) accounts: Accounts,
}

impl Delivery {
    /// Reads where it is; connects at the first call.
    pub(super) fn at(at: &AtDelivery) -> anyhow::Result<Self> {
        let settings = Settings::read_to_call(&at.reach, at.delivery.as_deref(), "delivery")?;
        let endpoint = settings.delivery_endpoint.clone();
        let client = client(&endpoint, settings.presented()).context("delivery.endpoint")?;
        Ok(Self {
            client,
            endpoint,
            accounts: Accounts::of(&settings),
        })
    }

    /// The answer, or what to tell the person who asked. `late` is what may be after the time was up.
    pub(super) fn answer<T>(&self, late: &str, result: Result<Response<T>, Status>) -> anyhow::Result<T> {
        let explained = |status: Status| explain("delivery", &self.endpoint, late, &status);
        result.map(Response::into_inner).map_err(explained)
    }
}
