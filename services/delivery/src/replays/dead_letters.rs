//! What was put aside: it is listed, and sent again.

use std::collections::BTreeSet;
use std::ops::Range;

use angarium_model::Lane;
use angarium_proto::convert::lane_to_wire;
use angarium_proto::delivery::v1;
use tokio::time::{Duration, Instant};

use super::refusal::Refusal;
use super::request::{self, Subject};
use super::{Place, Replays, log};

/// What is looked for at once.
const PAGE: usize = 500;
/// What one call finds is sent again for so long; the rest is another call's.
const PATIENCE: Duration = Duration::from_secs(10);

impl Replays {
    /// Sends again what was put aside within these times, from this place of the notices on.
    pub(super) async fn resend_dead_letters(
        &self,
        subject: Subject,
        place: Place,
        (times, page): (Range<i64>, Option<i64>),
        dry_run: bool,
    ) -> Result<v1::ReplayWebhookResponse, Refusal> {
        let deadline = Instant::now() + PATIENCE;
        let mut found = BTreeSet::new();
        let mut next = match page {
            Some(offset) => Some(offset),
            None => self.log.notices_at(place, times.start).await?,
        };
        while let Some(from) = next
            && Instant::now() < deadline
        {
            let page = self.log.dead_letters(place, from, PAGE).await?;
            next = page.next;
            for entry in page.entries {
                let is_meant = times.contains(&entry.at_ms) && entry.lane == place.lane;
                // One that was sent again and put aside once more is one event.
                if !is_meant || !found.insert(entry.position) || dry_run {
                    continue;
                }
                match self.resend_one(subject, entry.position).await {
                    // An event that Kafka has no longer is over (D5).
                    Ok(()) | Err(Refusal::NoEvent(_)) => {}
                    Err(refusal) => return Err(refusal),
                }
            }
        }
        Ok(v1::ReplayWebhookResponse {
            events: u64::try_from(found.len()).unwrap_or(u64::MAX),
            more: next.is_some(),
            next_page_token: next.map(|next| next.to_string()).unwrap_or_default(),
            ..v1::ReplayWebhookResponse::default()
        })
    }

    pub(super) async fn list_dead_letters(
        &self,
        wire: v1::ListDeadLettersRequest,
    ) -> Result<v1::ListDeadLettersResponse, Refusal> {
        let asked = request::list(&wire)?;
        let _permit = self.under_way.begin(asked.subject.account)?;
        // Notices of both lanes lie where the webhook's deliveries do.
        let place = self.place(asked.subject, Lane::Realtime).await?;
        let from = match asked.page {
            Some(offset) => Some(offset),
            None => self.log.notices_at(place, asked.from_ms).await?,
        };
        let Some(from) = from else {
            return Ok(v1::ListDeadLettersResponse::default());
        };
        let page = self.log.dead_letters(place, from, asked.page_size).await?;
        let entry = |entry: log::Entry| v1::list_dead_letters_response::Entry {
            dead_letter: Some(entry.dead_letter),
            at_ms: entry.at_ms,
            lane: lane_to_wire(entry.lane).into(),
        };
        Ok(v1::ListDeadLettersResponse {
            dead_letters: page.entries.into_iter().map(entry).collect(),
            next_page_token: page.next.map(|next| next.to_string()).unwrap_or_default(),
        })
    }
}
