//! Every task and thread of a process: named, owned, ended.
//!
//! A task ends by itself or because the [`Shutdown`] began; it is never aborted. A critical task that fails,
//! and any task that panics, takes the process down in order: the failure is logged with its causes, the
//! shutdown begins, and [`Tasks::join`] returns the first failure.

use std::any::Any;
use std::collections::BTreeMap;
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio_util::task::TaskTracker;

use crate::{Shutdown, chain};

/// A cheap handle to the tasks of a process.
#[derive(Clone, Debug)]
pub struct Tasks {
    shutdown: Shutdown,
    tracker: TaskTracker,
    ledger: Arc<Mutex<Ledger>>,
}

/// What is running, and the first failure.
#[derive(Debug, Default)]
struct Ledger {
    next: u64,
    running: BTreeMap<u64, &'static str>,
    first_failure: Option<Failure>,
}

/// A task or thread that failed, and why.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A critical task returned an error.
    #[error("{task} failed")]
    Error {
        /// The task's name.
        task: &'static str,
        /// What it returned.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A task or thread panicked: a mistake in this program.
    #[error("{task} panicked: {message}")]
    Panic {
        /// The task's name.
        task: &'static str,
        /// The message of the panic.
        message: String,
    },
}

/// How a process that did not end well ended.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// Everything ended, but something had failed.
    #[error("ended after a failure")]
    Failed(#[source] Failure),
    /// Something did not end before the deadline.
    #[error("still running {} after the shutdown began: {}", humantime::format_duration(*.deadline), .tasks.join(", "))]
    TimedOut {
        /// The names of the tasks and threads that did not end.
        tasks: Vec<&'static str>,
        /// How long they had.
        deadline: Duration,
        /// The failure before that, if any.
        #[source]
        failure: Option<Failure>,
    },
}

impl Tasks {
    /// No tasks yet; they end with `shutdown`.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            shutdown,
            tracker: TaskTracker::new(),
            ledger: Arc::default(),
        }
    }

    /// What the tasks listen to.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Runs `future` until it ends. It should end soon after the shutdown begins; it is not aborted.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let entry = self.enter(name);
        // The handle says nothing more: panics are caught inside, and the tracker awaits the end.
        drop(self.tracker.spawn(async move {
            // A panic may leave what the task shares with others half done. Nobody goes on with it: a panic
            // ends the process.
            if let Err(panic) = AssertUnwindSafe(future).catch_unwind().await {
                entry.panicked(panic.as_ref());
            }
        }));
    }

    /// Runs `future`, without which the process cannot do its work: an error begins the shutdown of all.
    pub fn spawn_critical<E>(
        &self,
        name: &'static str,
        future: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: Error + Send + Sync + 'static,
    {
        let tasks = self.clone();
        self.spawn(name, async move {
            if let Err(error) = future.await {
                tasks.fail(Failure::Error {
                    task: name,
                    source: Box::new(error),
                });
            }
        });
    }

    /// Runs `work` on an operating-system thread of this name, for libraries that block. It must watch the
    /// shutdown itself.
    pub fn spawn_thread(&self, name: &'static str, work: impl FnOnce() + Send + 'static) {
        let entry = self.enter(name);
        let tracked = self.tracker.token();
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // As in `spawn`: nobody goes on with what a panic left half done.
            if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(work)) {
                entry.panicked(panic.as_ref());
            }
            drop(entry);
            drop(tracked);
        });
        if let Err(error) = started {
            self.fail(Failure::Error {
                task: name,
                source: Box::new(error),
            });
        }
    }

    /// Waits until everything has ended, but no longer than `deadline`. Begin the shutdown first.
    ///
    /// # Errors
    /// Names what is still running at the deadline, and gives the first failure (which has been logged).
    pub async fn join(&self, deadline: Duration) -> Result<(), Unfinished> {
        self.tracker.close();
        let ended = tokio::time::timeout(deadline, self.tracker.wait()).await.is_ok();
        let mut ledger = self.ledger();
        let failure = ledger.first_failure.take();
        if !ended {
            let tasks = ledger.running.values().copied().collect();
            return Err(Unfinished::TimedOut {
                tasks,
                deadline,
                failure,
            });
        }
        failure.map_or(Ok(()), |failure| Err(Unfinished::Failed(failure)))
    }

    fn enter(&self, name: &'static str) -> Entry {
        let mut ledger = self.ledger();
        let number = ledger.next;
        ledger.next += 1;
        ledger.running.insert(number, name);
        drop(ledger);
        Entry {
            tasks: self.clone(),
            number,
            name,
        }
    }

    /// Only the first failure is kept: what follows is mostly its consequence. All are logged.
    fn fail(&self, failure: Failure) {
        tracing::error!(error = chain(&failure), "a task failed; this process ends");
        self.ledger().first_failure.get_or_insert(failure);
        self.shutdown.begin();
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Nothing panics while it is held, so a poisoned ledger is still whole.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line in the ledger, struck out on drop.
struct Entry {
    tasks: Tasks,
    number: u64,
    name: &'static str,
}

impl Entry {
    fn panicked(&self, panic: &(dyn Any + Send)) {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let message = text.unwrap_or("no message").to_owned();
        self.tasks.fail(Failure::Panic {
            task: self.name,
            message,
        });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.tasks.ledger().running.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(25);

    #[tokio::test]
    async fn tasks_end_with_the_shutdown_and_join_waits_for_them() {
        let tasks = Tasks::new(Shutdown::new());
        let begun = tasks.shutdown().begun();
        tasks.spawn("waits", begun);
        tasks.shutdown().begin();
        tasks.join(DEADLINE).await.unwrap();
    }

    #[tokio::test]
    async fn an_error_of_a_critical_task_begins_the_shutdown_and_comes_out_of_join() {
        let tasks = Tasks::new(Shutdown::new());
        tasks.spawn_critical("reader", async { Err(io::Error::other("the disk is gone")) });
        tasks.shutdown().begun().await;
        let error = tasks.join(DEADLINE).await.unwrap_err();
        assert!(matches!(
            &error,
            Unfinished::Failed(Failure::Error { task: "reader", .. })
        ));
        assert_eq!(
            chain(&error),
            "ended after a failure: reader failed: the disk is gone"
        );
    }

    #[tokio::test]
    async fn a_panic_in_any_task_or_thread_is_critical() {
        let tasks = Tasks::new(Shutdown::new());
        tasks.spawn("careless", async { panic!("index {} of 3", 7) });
        tasks.shutdown().begun().await;
        let error = tasks.join(DEADLINE).await.unwrap_err();
        assert_eq!(
            chain(&error),
            "ended after a failure: careless panicked: index 7 of 3"
        );

        let tasks = Tasks::new(Shutdown::new());
        tasks.spawn_thread("careless thread", || panic!("oh"));
        tasks.shutdown().begun().await;
        let error = tasks.join(DEADLINE).await.unwrap_err();
        assert_eq!(
            chain(&error),
            "ended after a failure: careless thread panicked: oh"
        );
    }

    #[tokio::test]
    async fn the_first_failure_is_the_one_that_is_reported() {
        let tasks = Tasks::new(Shutdown::new());
        tasks.spawn_critical("cause", async { Err(io::Error::other("first")) });
        let begun = tasks.shutdown().begun();
        tasks.spawn_critical("consequence", async {
            begun.await;
            Err(io::Error::other("second"))
        });
        let error = tasks.join(DEADLINE).await.unwrap_err();
        assert!(matches!(
            error,
            Unfinished::Failed(Failure::Error { task: "cause", .. })
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn join_gives_up_at_the_deadline_and_names_what_still_runs() {
        let tasks = Tasks::new(Shutdown::new());
        tasks.spawn("obedient", tasks.shutdown().begun());
        tasks.spawn("stubborn", std::future::pending());
        tasks.shutdown().begin();
        let error = tasks.join(DEADLINE).await.unwrap_err();
        assert!(
            matches!(&error, Unfinished::TimedOut { tasks, failure: None, .. } if tasks == &["stubborn"])
        );
        assert_eq!(
            error.to_string(),
            "still running 25s after the shutdown began: stubborn"
        );
    }

    #[tokio::test]
    async fn a_thread_is_waited_for() {
        let tasks = Tasks::new(Shutdown::new());
        let (go, wait) = mpsc::sync_channel::<()>(1);
        tasks.spawn_thread("poll", move || wait.recv().unwrap());
        tasks.shutdown().begin();
        let error = tasks.join(Duration::ZERO).await.unwrap_err();
        assert!(matches!(error, Unfinished::TimedOut { tasks, .. } if tasks == ["poll"]));
        go.send(()).unwrap();
        tasks.join(DEADLINE).await.unwrap();
    }
}
