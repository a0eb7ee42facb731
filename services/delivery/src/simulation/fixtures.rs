//! Webhooks and events, as far as the protocol looks at them.

use angarium_model::{
    AcceptedAt, AccountId, Authentication, EventName, Limits, Ordering, PayloadFormat, Position, Revision,
    TargetUrl, TimetableSpec, TypePattern, Webhook, WebhookId,
};
use bytes::Bytes;

use crate::record::Delivery;

const ACCOUNT: u64 = 1234;
/// The data of all events: large ones cost no memory.
static SPACE: [u8; 1_200_000] = [b' '; 1_200_000];

/// The account of all webhooks.
#[expect(clippy::expect_used, reason = "a constant that is known to be right")]
pub(super) fn account() -> AccountId {
    AccountId::new(ACCOUNT).expect("an account")
}

/// A webhook of an account, with this revision.
#[expect(clippy::expect_used, reason = "constants that are known to be right")]
pub(crate) fn webhook(number: u8, active: bool, revision: i64) -> Webhook {
    Webhook {
        id: WebhookId::from_bytes([number; 16]),
        account: account(),
        name: format!("hook {number}"),
        description: String::new(),
        target_url: TargetUrl::parse("http://127.0.0.1:1/").expect("a URL"),
        authentication: Authentication::None,
        event_types: vec![TypePattern::Exact(EventName::new("CI_STATS").expect("a name"))],
        active,
        timetable: Some(TimetableSpec {
            cron: "*/30 * * * * *".into(),
            time_zone: String::new(),
        }),
        ordering: Ordering::default(),
        payload_format: PayloadFormat::default(),
        limits: Limits::default(),
        dead_letter: None,
        disabled: None,
        revision: Revision::from_offset(revision),
        created_at_ms: 0,
    }
}

/// An event with `size` bytes of data.
pub(super) fn delivery(source: i64, now_ms: i64, size: usize, revision: Revision) -> Delivery {
    Delivery {
        account: account(),
        event_id: source.to_string(),
        event_name: "CI_STATS".into(),
        timestamp: 0,
        event_info: String::new(),
        data: Bytes::from_static(SPACE.get(..size).unwrap_or(&SPACE)),
        source: Position {
            partition: 0,
            offset: source,
        },
        accepted_at: AcceptedAt::from_unix_ms(now_ms),
        revision,
        resent: false,
    }
}
