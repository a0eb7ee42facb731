//! A partition of the notices topic, in the hands of its owner.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use angarium_kafka::{Owned, Record};
use angarium_proto::notice::v1::NoticeRecord;
use angarium_runtime::{Clock, chain};
use prost::Message as _;
use tokio::time::{Instant, sleep, timeout};

use crate::decide::{Decider, News, Unreadable};
use crate::error::Error;
use crate::letter;
use crate::metrics::{Failure, Metrics, Passed};
use crate::post::{NotSent, Post};
use crate::subject::{Subject, Subjects};
use crate::words::Words;

/// The pause before a server that was away is asked again, which doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// What a mail that is being handed in has when the partition is wanted back, so that it is not sent once more.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// For how long a notice is tried that the server answers and does not take, all contacts together: a contact whose mails nobody
/// can take must not keep others from hearing of theirs.
const PATIENCE: Duration = Duration::from_mins(5);

/// What all partitions share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) subjects: Subjects,
    pub(crate) post: Post,
    pub(crate) words: Words,
    pub(crate) page: Option<String>,
    pub(crate) first_reminder: Duration,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
}

/// Tells what comes, until Kafka wants the partition back. What is being told then is told first, unless it waits for a server.
///
/// # Errors
/// When a mail cannot be made.
pub(crate) async fn work(mut owned: Owned, shared: Arc<Shared>) -> Result<(), Error> {
    let log = owned.watermarks();
    let from = owned
        .committed()
        .filter(|next| (log.low..=log.high).contains(next));
    let start = from.unwrap_or(log.low);
    owned.start(start);
    // What was there before the first notifier of an installation came; from now on there is a place, and no other is first.
    let before = owned.committed().map_or(log.high, |_place| log.low);
    owned.commit(start);
    let mut decider = Decider::new(shared.first_reminder);
    let revoked = owned.revoked();
    let mut revoked = pin!(revoked);
    loop {
        let record = tokio::select! {
            () = &mut revoked => break,
            record = owned.recv() => record,
        };
        let Some(record) = record else { break };
        let next = record.offset + 1;
        let mut telling = pin!(shared.tell(record, before, &mut decider));
        let is_over = tokio::select! {
            told = &mut telling => {
                told?;
                false
            }
            () = &mut revoked => match timeout(LAST_WORDS, &mut telling).await {
                Ok(told) => {
                    told?;
                    true
                }
                // Its next owner tells it.
                Err(_elapsed) => break,
            },
        };
        owned.commit(next);
        if is_over {
            break;
        }
    }
    owned.release();
    Ok(())
}

impl Shared {
    /// Tells whom it concerns of a notice, for as long as that takes.
    async fn tell(&self, record: Record, before: i64, decider: &mut Decider) -> Result<(), Error> {
        let id = format!("notice-{}-{}", record.partition, record.offset);
        let was_before = record.offset < before;
        let news = match self.decide(record, was_before, decider) {
            Ok(Ok(news)) => news,
            Ok(Err(why)) => {
                self.metrics.passed(why);
                return Ok(());
            }
            Err(error) => {
                tracing::error!(
                    notice = id,
                    error = chain(&error),
                    "a notice cannot be read and is passed over"
                );
                self.metrics.passed(Passed::Poison);
                return Ok(());
            }
        };
        let Some(subject) = self.subject(&news).await else {
            self.metrics.passed(Passed::Gone);
            return Ok(());
        };
        if subject.contacts.is_empty() {
            tracing::warn!(account = %news.account, webhook = %news.webhook, what = news.what.kind().as_str(),
                "a webhook has no contacts, and there are none for such: nobody is told (`notifier.fallback_contacts`)");
            self.metrics.passed(Passed::Nobody);
            return Ok(());
        }
        self.mail(&news, &subject, &id).await?;
        decider.told(&news, self.clock.now_ms());
        Ok(())
    }

    fn decide(
        &self,
        record: Record,
        was_before: bool,
        decider: &Decider,
    ) -> Result<Result<News, Passed>, Unreadable> {
        let value = record.value.unwrap_or_default();
        let notice = NoticeRecord::decode(value).map_err(|_no_notice| Unreadable::Nothing)?;
        decider.decide(notice, was_before, self.clock.now_ms())
    }

    /// The webhook, as soon as the registry says; `None` if there is none any more.
    async fn subject(&self, news: &News) -> Option<Subject> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.subjects.of(news).await {
                Ok(subject) => return subject,
                Err(status) => {
                    self.metrics.failed(Failure::Registry);
                    tracing::warn!(%status, ?pause, "the registry does not say whom to write to; trying again");
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Writes to each contact, as soon as the server takes it.
    async fn mail(&self, news: &News, subject: &Subject, id: &str) -> Result<(), Error> {
        let page = self.page.as_ref().map(|page| {
            page.replace("{account}", &news.account.to_string())
                .replace("{webhook}", &news.webhook.to_string())
        });
        let letter = letter::write(&self.words, news, subject, page)?;
        let patience = Instant::now() + PATIENCE;
        for (number, contact) in subject.contacts.iter().enumerate() {
            let id = format!("{id}-{}-{number}", news.webhook);
            let mut pause = FIRST_PAUSE;
            loop {
                match self.post.send(&letter, contact, &id).await {
                    Ok(()) => {
                        self.metrics.mailed(news.what.kind());
                        tracing::info!(account = %news.account, webhook = %news.webhook, what = news.what.kind().as_str(), id, "a mail was sent");
                        break;
                    }
                    Err(error @ (NotSent::Refused(_) | NotSent::Unwritable(_))) => {
                        self.metrics.failed(Failure::Refused);
                        tracing::warn!(webhook = %news.webhook, id, error = error.told(),
                            "a mail is refused for good: this contact is not told");
                        break;
                    }
                    Err(error @ NotSent::TurnedAway(_)) if Instant::now() >= patience => {
                        self.metrics.failed(Failure::Refused);
                        tracing::error!(webhook = %news.webhook, id, error = error.told(),
                            "the mail server turns a mail away again and again: this contact is not told, so that others are");
                        break;
                    }
                    Err(error) => {
                        self.metrics.failed(Failure::Server);
                        tracing::warn!(id, ?pause, error = error.told(), "a mail waits; trying again");
                    }
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        Ok(())
    }
}
