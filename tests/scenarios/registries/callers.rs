//! Callers that write and read accounts through any of the registries, and note what they are told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use angarium_proto::registry::v1::{Account, CreateAccountRequest, GetAccountRequest, UpdateAccountRequest};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::metadata::{AsciiMetadataValue, MetadataValue};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::Client;
use super::history::{self, Answer, Asked, Call};

/// Few enough that callers meet on them, and more than there are partitions.
const ACCOUNTS: u64 = 6;
const CALLERS: usize = 6;
/// A caller that waits longer does not know what became of its write.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) written: usize,
    pub(crate) read: usize,
    pub(crate) unknown: usize,
    pub(crate) refused: usize,
    /// Own writes that were seen at once on another registry.
    pub(crate) own: usize,
}

/// Callers at work.
pub(crate) struct Callers {
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
}

struct Shared {
    clients: Vec<Client>,
    calls: Mutex<BTreeMap<u64, Vec<Call>>>,
    count: watch::Sender<Count>,
    stopped: watch::Sender<bool>,
    /// By account: the highest revision that was answered, and as what it was told.
    tokens: Mutex<BTreeMap<u64, (i64, AsciiMetadataValue)>>,
    /// Gives each write a value of its own.
    next: AtomicUsize,
}

/// All that was seen.
pub(crate) struct Seen {
    calls: BTreeMap<u64, Vec<Call>>,
    count: Count,
    tokens: BTreeMap<u64, (i64, AsciiMetadataValue)>,
}

impl Callers {
    pub(crate) async fn start(clients: &[Client]) -> Self {
        let shared = Arc::new(Shared {
            clients: clients.to_vec(),
            calls: Mutex::default(),
            count: watch::Sender::default(),
            stopped: watch::Sender::new(false),
            tokens: Mutex::default(),
            next: AtomicUsize::new(0),
        });
        for account in 1..=ACCOUNTS {
            shared.create(account).await;
        }
        let mut tasks = JoinSet::new();
        for caller in 0..CALLERS {
            tasks.spawn(Arc::clone(&shared).work(caller));
        }
        Self { tasks, shared }
    }

    pub(crate) fn count(&self) -> watch::Receiver<Count> {
        self.shared.count.subscribe()
    }

    pub(crate) async fn stop(self) -> Seen {
        self.shared.stopped.send_replace(true);
        self.tasks.join_all().await;
        let calls = std::mem::take(&mut *self.shared.calls.lock().unwrap());
        let count = *self.shared.count.borrow();
        let tokens = std::mem::take(&mut *self.shared.tokens.lock().unwrap());
        Seen { calls, count, tokens }
    }
}

impl Shared {
    async fn create(&self, id: u64) {
        let name = self.value();
        let account = Some(Account {
            id,
            name: name.clone(),
            ..Account::default()
        });
        let at = Instant::now();
        let answer = self.clients[0]
            .clone()
            .create_account(CreateAccountRequest { account })
            .await
            .unwrap();
        let revision = answer.into_inner().account.unwrap().revision;
        let asked = Asked::Write {
            value: name,
            over: None,
        };
        self.note(id, asked, at, Answer::Written { revision });
    }

    /// Goes on from what it knows of an account: writes over it, writes over whatever there is, or reads.
    async fn work(self: Arc<Self>, caller: usize) {
        let mut known: BTreeMap<u64, i64> = BTreeMap::new();
        let mut turn = caller;
        while !*self.stopped.borrow() {
            turn += 1;
            let id = u64::try_from(turn * 7 + caller).unwrap() % ACCOUNTS + 1;
            let client = &self.clients[(turn + turn / 5) % self.clients.len()];
            let answer = match turn % 4 {
                0 => self.read(client, id).await,
                1 | 2 => self.write(client, id, known.get(&id).copied()).await,
                _ => self.write(client, id, None).await,
            };
            match answer {
                Answer::Written { revision } | Answer::Read { revision, .. } => {
                    known.insert(id, revision);
                }
                Answer::Conflict { current } => {
                    known.insert(id, current);
                }
                Answer::Nothing | Answer::Unknown => {
                    known.remove(&id);
                }
            }
        }
    }

    async fn write(&self, client: &Client, id: u64, over: Option<i64>) -> Answer {
        let name = self.value();
        let account = Some(Account {
            id,
            name: name.clone(),
            revision: over.unwrap_or_default(),
            ..Account::default()
        });
        let request = UpdateAccountRequest {
            account,
            update_mask: None,
        };
        let at = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, client.clone().update_account(request)).await;
        let mut token = None;
        let answer = match answer {
            Err(_elapsed) => Answer::Unknown,
            Ok(Err(status)) => refusal(&status),
            Ok(Ok(written)) => {
                token = written.metadata().get("angarium-revision").cloned();
                let revision = written.into_inner().account.unwrap().revision;
                Answer::Written { revision }
            }
        };
        self.note(id, Asked::Write { value: name, over }, at, answer.clone());
        if let (Answer::Written { revision }, Some(token)) = (&answer, token) {
            self.remember(id, *revision, &token);
            self.see_own(id, *revision, token).await;
        }
        answer
    }

    fn remember(&self, id: u64, revision: i64, token: &AsciiMetadataValue) {
        let mut tokens = self.tokens.lock().unwrap();
        if tokens.get(&id).is_none_or(|(highest, _)| revision > *highest) {
            tokens.insert(id, (revision, token.clone()));
        }
    }

    /// Whoever gives back the revision of its write sees it, at whichever registry.
    async fn see_own(&self, id: u64, revision: i64, token: AsciiMetadataValue) {
        let other = usize::try_from(revision).unwrap() % self.clients.len();
        let mut request = Request::new(GetAccountRequest { id });
        request.metadata_mut().insert("angarium-revision", token);
        let read = tokio::time::timeout(PATIENCE, self.clients[other].clone().get_account(request)).await;
        // One that is frozen, dead, or behind for long says nothing.
        let Ok(Ok(read)) = read else { return };
        let seen = read.into_inner().account.unwrap().revision;
        assert!(
            seen >= revision,
            "its own write at {revision} was not seen: {seen}"
        );
        self.count.send_modify(|count| count.own += 1);
    }

    async fn read(&self, client: &Client, id: u64) -> Answer {
        let mut request = Request::new(GetAccountRequest { id });
        request
            .metadata_mut()
            .insert("angarium-read", MetadataValue::from_static("latest"));
        let at = Instant::now();
        let answer = match tokio::time::timeout(PATIENCE, client.clone().get_account(request)).await {
            Ok(Ok(read)) => {
                let account = read.into_inner().account.unwrap();
                Answer::Read {
                    revision: account.revision,
                    value: account.name,
                }
            }
            Ok(Err(status)) => {
                let code = status.code();
                assert!(
                    matches!(code, Code::Unavailable | Code::Unknown | Code::Cancelled),
                    "{status}"
                );
                Answer::Nothing
            }
            Err(_elapsed) => Answer::Nothing,
        };
        self.note(id, Asked::Read, at, answer.clone());
        answer
    }

    fn note(&self, id: u64, asked: Asked, at: Instant, answer: Answer) {
        self.count.send_modify(|count| match answer {
            Answer::Written { .. } => count.written += 1,
            Answer::Read { .. } => count.read += 1,
            Answer::Unknown => count.unknown += 1,
            Answer::Conflict { .. } | Answer::Nothing => count.refused += 1,
        });
        let call = Call {
            asked,
            at,
            answered_at: Instant::now(),
            answer,
        };
        self.calls.lock().unwrap().entry(id).or_default().push(call);
    }

    fn value(&self) -> String {
        format!("value {}", self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a refusal of a write says of it.
fn refusal(status: &Status) -> Answer {
    let details = status.get_error_details();
    if let Some(info) = details.error_info()
        && let Some(current) = info.metadata.get("current_revision")
    {
        return Answer::Conflict {
            current: current.parse().unwrap(),
        };
    }
    // With advice when to try again nothing was written; else the connection broke, or Kafka did not answer.
    match (status.code(), details.retry_info()) {
        (Code::Unavailable | Code::ResourceExhausted, Some(_)) => Answer::Nothing,
        (Code::Unavailable | Code::Unknown | Code::Cancelled, None) => Answer::Unknown,
        _ => panic!("{status:?}"),
    }
}

impl Seen {
    pub(crate) fn summary(&self) -> String {
        let Count {
            written,
            read,
            unknown,
            refused,
            own,
        } = self.count;
        let mut took: Vec<Duration> = self
            .calls
            .values()
            .flatten()
            .filter(|call| matches!(call.answer, Answer::Written { .. }))
            .map(|call| call.answered_at - call.at)
            .collect();
        took.sort_unstable();
        let at = |share: usize| {
            took.get(took.len().saturating_sub(1) * share / 100)
                .copied()
                .unwrap_or_default()
                .as_millis()
        };
        format!(
            "writes took p50 {} ms, p90 {} ms, most {} ms; {written} writes acknowledged, {read} reads, {refused} refused, {unknown} without an answer; {own} own \
             writes were seen on another registry",
            at(50),
            at(90),
            at(100)
        )
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if self.count.own == 0 {
            return Err("nobody has seen its own write on another registry".to_owned());
        }
        for (account, calls) in &self.calls {
            history::check(calls).map_err(|problem| format!("account {account}: {problem}"))?;
        }
        Ok(())
    }

    /// In the end every registry has read all that was acknowledged itself.
    pub(crate) async fn assert_is_read(&self, client: &Client) {
        for (id, (revision, token)) in &self.tokens {
            let calls = &self.calls[id];
            let mut request = Request::new(GetAccountRequest { id: *id });
            request.metadata_mut().insert("angarium-revision", token.clone());
            let at = Instant::now();
            let account = client
                .clone()
                .get_account(request)
                .await
                .unwrap()
                .into_inner()
                .account
                .unwrap();
            assert!(
                account.revision >= *revision,
                "{account:?} is older than {revision}"
            );
            let mut calls = calls.clone();
            calls.push(Call {
                asked: Asked::Read,
                at,
                answered_at: Instant::now(),
                answer: Answer::Read {
                    revision: account.revision,
                    value: account.name,
                },
            });
            history::check(&calls).unwrap();
        }
    }
}
