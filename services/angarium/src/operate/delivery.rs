//! Calls a delivery worker.

use angarium_runtime::grpc::{Client, client};
use anyhow::Context;
use tonic::{Response, Status};

use super::call::explain;
use crate::cli::AtDelivery;
use crate::settings::Settings;

/// A connection to the worker of the command line or the settings.
pub(super) struct Delivery {
    pub(super) client: Client,
    endpoint: String,
}

impl Delivery {
    /// Reads where it is; connects at the first call.
    pub(super) fn at(at: &AtDelivery) -> anyhow::Result<Self> {
        let overrides = [("delivery.endpoint", &at.delivery), ("api.key", &at.reach.key)];
        let settings = Settings::read_to_call(&at.reach.given, &overrides, "delivery")?;
        let endpoint = settings.delivery_endpoint.clone();
        let client = client(&endpoint, settings.presented()).context("delivery.endpoint")?;
        Ok(Self { client, endpoint })
    }

    /// The answer, or what to tell the person who asked. `late` is what may be after the time was up.
    pub(super) fn answer<T>(&self, late: &str, result: Result<Response<T>, Status>) -> anyhow::Result<T> {
        let explained = |status: Status| explain("delivery", &self.endpoint, late, &status);
        result.map(Response::into_inner).map_err(explained)
    }
}
