//! Ctrl-C and SIGTERM: whoever started servers has to end them, so the signals must not end this process first.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// From its making on, signals are counted and passed to the program that [`Interrupt::run`] runs.
pub(crate) struct Interrupt(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    signals: u32,
    /// The process group of the program that runs now.
    running: Option<Pid>,
}

impl Interrupt {
    pub(crate) fn install() -> anyhow::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot catch signals")?;
        let interrupt = Self(Arc::default());
        let seen = Arc::clone(&interrupt.0);
        // Lives as long as this process; there is nothing to end.
        std::thread::spawn(move || {
            for _ in signals.forever() {
                lock(&seen).raise();
            }
        });
        Ok(interrupt)
    }

    /// Fails once a signal came: to be asked between two steps.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(lock(&self.0).signals == 0, "interrupted");
        Ok(())
    }

    /// Runs a program in a process group of its own, so that it and all it starts can be ended as one: the first
    /// signal asks them to end, the second one kills.
    pub(crate) fn run(&self, command: &mut Command) -> anyhow::Result<ExitStatus> {
        let program = command.get_program().display().to_string();
        command.process_group(0).stdin(Stdio::null());
        let mut child = {
            let mut seen = lock(&self.0);
            anyhow::ensure!(seen.signals == 0, "interrupted");
            let child = command.spawn().with_context(|| format!("cannot run {program}"))?;
            seen.running = Some(Pid::from_child(&child));
            child
        };
        // Not reaped before it is forgotten: a signal that comes now must not reach whoever gets its id next.
        let id = WaitId::Pid(Pid::from_child(&child));
        while waitid(id.clone(), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            .is_err_and(|e| e == rustix::io::Errno::INTR)
        {}
        lock(&self.0).running = None;
        let status = child
            .wait()
            .with_context(|| format!("cannot wait for {program}"))?;
        self.check()?;
        Ok(status)
    }
}

impl Seen {
    fn raise(&mut self) {
        self.signals += 1;
        if let Some(group) = self.running {
            let signal = if self.signals == 1 {
                Signal::TERM
            } else {
                Signal::KILL
            };
            // The group may have ended by itself at this moment.
            kill_process_group(group, signal).ok();
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
