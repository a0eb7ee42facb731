//! What was put aside: it is listed, and sent again.

use std::collections::BTreeSet;
use std::ops::Range;

use angarium_model::{Lane, Position};
use angarium_proto::convert::lane_to_wire;
use angarium_proto::delivery::v1;
use tokio::time::{Duration, Instant};

use super::refusal::Refusal;
use super::request::{self, PageEnd, Subject};
use super::{Place, Replays, log};

/// What is looked for at once.
const PAGE: usize = 500;
/// What one call finds is sent again for so long; the rest is another call's.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one call has sent again, and the place of the notices where the next one goes on.
struct Sent {
    events: u64,
    next: Option<i64>,
}

impl Sent {
    fn answer(self, until_ms: i64) -> v1::ReplayWebhookResponse {
        let end = self.next.map(|offset| PageEnd { offset, until_ms });
        v1::ReplayWebhookResponse {
            events: self.events,
            more: end.is_some(),
            next_page_token: end.as_ref().map(PageEnd::to_string).unwrap_or_default(),
            ..v1::ReplayWebhookResponse::default()
        }
    }
}

impl Replays {
    /// Sends again what was put aside within these times, or counts it; from this place of the notices on.
    pub(super) async fn resend_dead_letters(
        &self,
        subject: Subject,
        place: Place,
        (times, page): (Range<i64>, Option<PageEnd>),
        dry_run: bool,
    ) -> Result<v1::ReplayWebhookResponse, Refusal> {
        let deadline = Instant::now() + PATIENCE;
        let (from, until_ms) = match page {
            Some(page) => (Some(page.offset), page.until_ms),
            None => (
                self.log.notices_at(place, times.start).await?,
                self.clock.now_ms(),
            ),
        };
        let times = times.start..times.end.min(until_ms);
        let mut seen = BTreeSet::new();
        let mut sent = Sent {
            events: 0,
            next: from,
        };
        while let Some(from) = sent.next
            && Instant::now() < deadline
        {
            let page = self
                .log
                .dead_letters(place, (from, PAGE), self.clock.now_ms())
                .await?;
            for entry in page.entries {
                sent.next = Some(entry.offset);
                let is_meant = times.contains(&entry.at_ms) && entry.lane == place.lane;
                // One that was sent again and put aside once more is one event.
                if !is_meant || !seen.insert(entry.position) {
                    continue;
                }
                // Reading may have taken all of it: who goes on from here must find more than that.
                if seen.len() > 1 && Instant::now() >= deadline {
                    return Ok(sent.answer(until_ms));
                }
                match self.resend_dead_letter(subject, entry.position, dry_run).await {
                    Ok(counts) => sent.events += u64::from(counts),
                    // What was done is told; who goes on is told why it does not.
                    Err(_refusal) if sent.events > 0 => return Ok(sent.answer(until_ms)),
                    Err(refusal) => return Err(refusal),
                }
            }
            sent.next = page.next;
        }
        Ok(sent.answer(until_ms))
    }

    /// Whether it was sent, or would be: an event that Kafka has no longer is over (D5).
    async fn resend_dead_letter(
        &self,
        subject: Subject,
        position: Position,
        dry_run: bool,
    ) -> Result<bool, Refusal> {
        if dry_run {
            return Ok(true);
        }
        match self.resend_one(subject, position, None).await {
            Ok(()) => Ok(true),
            Err(Refusal::NoEvent(_)) => Ok(false),
            Err(refusal) => Err(refusal),
        }
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
        let page = self
            .log
            .dead_letters(place, (from, asked.page_size), self.clock.now_ms())
            .await?;
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
