//! `angarium.event.v1.PublisherService`: the same checks and the same path as HTTP.

mod admission;
mod check;
mod stream;

use std::collections::HashMap;
use std::sync::Arc;

use angarium_model::{Access, AccountId, AccountRef, ExternalId};
use angarium_proto::convert::position_to_wire;
use angarium_proto::event::v1;
use angarium_proto::event::v1::publisher_service_server::{PublisherService, PublisherServiceServer};
use angarium_proto::{FieldError, invalid_argument, with_violations};
use angarium_runtime::trace::TraceContext;
use angarium_runtime::{Tasks, grpc};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::accept::{Accepted, Failure, Refused};
use crate::budget::Share;
use crate::metrics::Reason;
use crate::problem::{Kind, Part, Problem, Problems, Shape, Warnings};
use crate::refusal;
use crate::service::{Core, Unknown};
use admission::Admission;

/// Whose error reasons these are, as `google.rpc.ErrorInfo` wants it.
const DOMAIN: &str = "ingest.angarium";

/// What a message holds beside its events: an event of the largest size passes where a request may be no larger.
const FRAME: usize = 64;

/// The service, to be added to a server.
pub(crate) fn service(core: Arc<Core>, tasks: Tasks) -> Admission<PublisherServiceServer<Publisher>> {
    let max = core.config.limits.request_bytes.saturating_add(FRAME);
    let publisher = PublisherServiceServer::new(Publisher {
        core: Arc::clone(&core),
        tasks,
    });
    Admission::new(core, publisher.max_decoding_message_size(max))
}

/// Answers the calls.
#[derive(Debug)]
pub(crate) struct Publisher {
    core: Arc<Core>,
    tasks: Tasks,
}

#[tonic::async_trait]
impl PublisherService for Publisher {
    async fn publish(
        &self,
        request: Request<v1::PublishRequest>,
    ) -> Result<Response<v1::PublishResponse>, Status> {
        let access = grpc::access(request.extensions())?;
        let trace = trace(request.metadata());
        let _share = request.extensions().get::<Share>().cloned();
        let v1::PublishRequest {
            account_id,
            events,
            account_external_id,
        } = request.into_inner();
        let asked = asked(account_id, &account_external_id);
        let published = publish(&self.core, (asked, access), events, trace.as_deref()).await;
        match published {
            Ok((accepted, warnings)) => Ok(Response::new(v1::PublishResponse {
                accepted: accepted.into_iter().map(to_wire).collect(),
                warning_count: u32::try_from(warnings.total).unwrap_or(u32::MAX),
                warnings: warnings_to_wire(&warnings, &Shape::Message),
            })),
            Err((status, reason)) => {
                self.core.acceptor.metrics.refused(reason);
                Err(status)
            }
        }
    }

    type PublishStreamStream = ReceiverStream<Result<v1::PublishStreamResponse, Status>>;

    async fn publish_stream(
        &self,
        request: Request<Streaming<v1::PublishStreamRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        let access = grpc::access(request.extensions())?;
        let trace = trace(request.metadata());
        let share = request.extensions().get::<Share>().cloned();
        let (answers, answered) = mpsc::channel(stream::CHUNK);
        let stream = stream::PublishStream::new(Arc::clone(&self.core), access, trace, share, answers);
        self.tasks.spawn(
            "publish stream",
            stream.run(request.into_inner(), self.tasks.shutdown().clone()),
        );
        Ok(Response::new(ReceiverStream::new(answered)))
    }
}

async fn publish(
    core: &Core,
    (asked, access): (Result<AccountRef, Status>, Access),
    events: Vec<v1::Event>,
    trace: Option<&str>,
) -> Result<(Vec<Accepted>, Warnings), (Status, Reason)> {
    core.look_for(&asked, access).await;
    let account = known_account(core, &asked, access)?;
    let invalid = |problems: Problems| {
        (
            status_of(&problems, Code::InvalidArgument),
            refusal::reason(&problems),
        )
    };
    let (drafts, warnings) = check::all(events, &core.rules(account)).map_err(invalid)?;
    let accepted =
        core.acceptor
            .accept_all(account, drafts, trace)
            .await
            .map_err(|refused| match refused {
                Refused::Conflicts(conflicts) => {
                    let mut problems = Problems::none(Shape::Message);
                    for (index, conflict) in conflicts {
                        problems.add(Kind::Fields, refusal::conflict(index, conflict, &Shape::Message));
                    }
                    (status_of(&problems, Code::AlreadyExists), Reason::Conflict)
                }
                Refused::Failed { event, failure } => failed(event, failure),
            })?;
    core.acceptor.metrics.warned(warnings.total);
    Ok((accepted, warnings))
}

fn warnings_to_wire(warnings: &Warnings, shape: &Shape) -> Vec<v1::Warning> {
    let warning = |problem: &Problem| v1::Warning {
        field: shape.path(&problem.part),
        message: problem.detail.clone(),
    };
    warnings.listed.iter().map(warning).collect()
}

/// The field by which a message names its account.
const fn field_of(external_id: &str) -> &'static str {
    if external_id.is_empty() {
        "account_id"
    } else {
        "account_external_id"
    }
}

/// The account that a message names.
fn asked(id: u64, external_id: &str) -> Result<AccountRef, Status> {
    let asked = if external_id.is_empty() {
        AccountId::new(id).map(AccountRef::Id)
    } else {
        ExternalId::new(external_id).map(AccountRef::External)
    };
    asked.map_err(|error| invalid_argument(&[FieldError::new(field_of(external_id), error.to_string())]))
}

/// The account, if it exists and the caller sees it. Call [`Core::look_for`] first.
fn known_account(
    core: &Core,
    asked: &Result<AccountRef, Status>,
    access: Access,
) -> Result<AccountId, (Status, Reason)> {
    let asked = asked
        .as_ref()
        .map_err(|status| (status.clone(), Reason::Invalid))?;
    match core.find(asked, access) {
        Ok(account) => Ok(account),
        Err(Unknown::None) => Err((not_found(asked), Reason::NotFound)),
        Err(Unknown::NotYet) => {
            let details = ErrorDetails::with_retry_info(Some(refusal::RETRY_BUSY));
            let status = Status::with_error_details(Code::Unavailable, refusal::NOT_READY, details);
            Err((status, Reason::Unavailable))
        }
    }
}

fn not_found(asked: &AccountRef) -> Status {
    let message = refusal::no_account(asked);
    let mut details = ErrorDetails::with_resource_info("account", asked.to_string(), "", &*message);
    let field = match asked {
        AccountRef::Id(_) => field_of(""),
        AccountRef::External(external_id) => field_of(external_id.as_str()),
    };
    details.add_bad_request_violation(field, "names no account");
    Status::with_error_details(Code::NotFound, message, details)
}

/// Names every event that is wrong, and of its problems as many as fit into a status.
fn status_of(problems: &Problems, code: Code) -> Status {
    let mut details = ErrorDetails::new();
    let bad = ranges(problems.bad_events());
    if !bad.is_empty() {
        let metadata = HashMap::from([("bad_events".to_owned(), bad)]);
        details.set_error_info("BAD_EVENTS", DOMAIN, metadata);
    }
    let errors = problems
        .listed
        .iter()
        .map(|problem| FieldError::new(problems.shape.path(&problem.part), &*problem.detail));
    with_violations(code, errors, problems.total, details)
}

/// Rising numbers as `0-99,105`, cut where they would fill a status. Of 1,000 events, any fit.
fn ranges(numbers: impl Iterator<Item = usize>) -> String {
    const MAX_BYTES: usize = 2_000;
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let mut text = String::new();
    for (first, last) in ranges {
        let range = if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        };
        if text.len() + range.len() >= MAX_BYTES {
            text.push_str(",…");
            break;
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&range);
    }
    text
}

fn failed(event: usize, failure: Failure) -> (Status, Reason) {
    let (message, reason, retry) = refusal::failure(failure);
    let code = match failure {
        Failure::QueueFull => Code::ResourceExhausted,
        Failure::NotAcknowledged => Code::Unavailable,
        Failure::TooLarge => Code::InvalidArgument,
    };
    let mut details = ErrorDetails::new();
    if retry.is_some() {
        details.set_retry_info(retry);
    }
    if failure == Failure::TooLarge {
        details.add_bad_request_violation(Shape::Message.path(&Part::Event(event)), message);
    }
    (Status::with_error_details(code, message, details), reason)
}

fn to_wire(accepted: Accepted) -> v1::Accepted {
    v1::Accepted {
        event_id: accepted.id.into_string(),
        event_name: accepted.name.into_string(),
        position: Some(position_to_wire(accepted.position)),
        duplicate: accepted.duplicate,
    }
}

fn trace(metadata: &MetadataMap) -> Option<String> {
    // The gate has put our own in the place of what came.
    let given = metadata.get(TraceContext::HEADER)?.to_str().ok()?;
    Some(given.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_events_are_told_as_ranges_and_of_a_thousand_any_fit() {
        assert_eq!(ranges([0, 1, 2, 7, 9, 10].into_iter()), "0-2,7,9-10");
        assert_eq!(ranges(0..1_000), "0-999");
        assert!(ranges((0..1_000).step_by(2)).ends_with(",996,998"));
        assert!(ranges((1..1_000).step_by(2)).ends_with(",997,999"));
        let many = ranges((0..10_000).step_by(2));
        assert!(many.ends_with(",…") && many.len() < 2_010, "{many}");
    }
}
