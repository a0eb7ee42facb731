//! The gRPC service.

use angarium_proto::audit::v1;
use angarium_proto::audit::v1::audit_service_server::AuditService;
use angarium_proto::{FieldError, InvalidWire};
use angarium_runtime::grpc::access;
use tonic::{Request, Response, Status};

use super::{AuditLog, Wanted};
use crate::page::Page;
use crate::record::Key;
use crate::refusal::Refusal;
use crate::request;
use crate::writers::Writers;

/// Answers calls.
#[derive(Debug)]
pub(crate) struct Auditor {
    log: AuditLog,
    writers: Writers,
}

impl Auditor {
    pub(crate) const fn new(log: AuditLog, writers: Writers) -> Self {
        Self { log, writers }
    }
}

#[tonic::async_trait]
impl AuditService for Auditor {
    async fn list_audit_log(
        &self,
        request: Request<v1::ListAuditLogRequest>,
    ) -> Result<Response<v1::ListAuditLogResponse>, Status> {
        let access = access(request.extensions())?;
        let asked = request.into_inner();
        let mut errors = Vec::new();
        let list = format!("changes of {:?}", asked.account_id);
        let page = Page::<i64>::from_wire(asked.page_size, &asked.page_token, &list, &mut errors);
        let home = request::home(asked.account_id, &mut errors);
        if let Err(problem) = asked.subject.parse::<Key>()
            && !asked.subject.is_empty()
        {
            errors.push(FieldError::new("subject", problem));
        }
        let Some(home) = home.filter(|_| errors.is_empty()) else {
            return Err(Refusal::from(InvalidWire(errors)).into());
        };
        home.seen_by(access)?;
        let wanted = Wanted {
            partition: self.writers.partition_of(home),
            home,
            subject: asked.subject,
        };
        let (entries, below) = self.log.page(&wanted, page.after, page.size).await?;
        Ok(Response::new(v1::ListAuditLogResponse {
            entries,
            next_page_token: below.map(|below| Page::token(&list, below)).unwrap_or_default(),
        }))
    }
}
