//! One server process: started with its output in a log, awaited, stopped by its id.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::identity::Identity;
use crate::probe::Probe;
use crate::{Error, wait};

/// A broker was seen to take 5 s on a quiet machine with two cores and 15 s on a busy one.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a server may take to end in good order before it is killed.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Whether Ctrl-C in the terminal reaches the servers too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// They share the caller's process group: Ctrl-C ends them with the caller. For a test.
    Shared,
    /// Each leads a group of its own: only who knows its id ends it. For what is to be detached.
    Own,
}

/// A server that can be started again and again on the same port.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) log: PathBuf,
    pub(crate) port: u16,
    pub(crate) probe: Probe,
    pub(crate) group: Group,
    pub(crate) child: Option<Child>,
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Which process runs now. The child is ours and not reaped, so its id cannot have been re-used.
    pub(crate) fn identity(&self) -> Result<Identity, Error> {
        self.child
            .as_ref()
            .and_then(|child| Identity::of(child.id()))
            .ok_or_else(|| Error::NoIdentity {
                name: self.name.clone(),
            })
    }

    pub(crate) fn launch(&mut self) -> Result<(), Error> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(Error::file("write the log", &self.log))?;
        let errors = log.try_clone().map_err(Error::file("write the log", &self.log))?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        if self.group == Group::Own {
            command.process_group(0);
        }
        let child = command.spawn().map_err(|source| Error::Run {
            program: self.program.clone(),
            source,
        })?;
        self.child = Some(child);
        Ok(())
    }

    /// Returns when the server answers.
    pub(crate) fn await_ready(&mut self) -> Result<(), Error> {
        let ready = wait::until(START_LIMIT, || {
            // Asked first: an answer from somebody else on the port must not hide that ours could not listen.
            if let Some(status) = self.ended()? {
                let tail = tail(&self.log);
                return Err(Error::Ended {
                    name: self.name.clone(),
                    status,
                    log: self.log.clone(),
                    tail,
                });
            }
            Ok(self.probe.answers(self.address()).then_some(()))
        })?;
        ready.ok_or_else(|| Error::Silent {
            name: self.name.clone(),
            limit: START_LIMIT,
            log: self.log.clone(),
            tail: tail(&self.log),
        })
    }

    /// Asks the server to end in good order; `await_end` sees to it that it does.
    pub(crate) fn terminate(&mut self) -> Result<(), Error> {
        // A child that was seen to have ended is reaped: its id may be somebody else's by now.
        if self.ended()?.is_some() {
            self.child = None;
        }
        let Some(child) = &self.child else { return Ok(()) };
        kill_process(Pid::from_child(child), Signal::TERM).map_err(|errno| self.failure("stop", errno.into()))
    }

    /// Waits up to the limit, then kills.
    pub(crate) fn await_end(&mut self) -> Result<(), Error> {
        if self.child.is_none() {
            return Ok(());
        }
        if wait::until(STOP_LIMIT, || self.ended())?.is_none() {
            return self.kill();
        }
        self.child = None;
        Ok(())
    }

    /// Ends the server at once (SIGKILL) and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<(), Error> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        child
            .kill()
            .and_then(|()| child.wait())
            .map_err(|source| self.failure("kill", source))?;
        Ok(())
    }

    /// Lets the process live on.
    pub(crate) fn detach(mut self) {
        self.child = None;
    }

    fn ended(&mut self) -> Result<Option<std::process::ExitStatus>, Error> {
        let ended = self.child.as_mut().map(Child::try_wait).transpose();
        ended
            .map(Option::flatten)
            .map_err(|source| self.failure("watch", source))
    }

    fn failure(&self, action: &'static str, source: std::io::Error) -> Error {
        Error::Process {
            action,
            name: self.name.clone(),
            source,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is left to hear of a failure, and a child that cannot be killed has ended already.
        self.kill().ok();
    }
}

/// Runs a program that does a job and ends, its output in `log`.
pub(crate) fn run(what: &str, command: &mut Command, log: &Path) -> Result<(), Error> {
    let output = File::create(log).map_err(Error::file("write the log", log))?;
    let errors = output.try_clone().map_err(Error::file("write the log", log))?;
    let status = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .status()
        .map_err(|source| Error::Run {
            program: command.get_program().into(),
            source,
        })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        what: what.to_owned(),
        status,
        log: log.to_owned(),
        tail: tail(log),
    })
}

/// The last lines of a log: enough to see the reason without opening it.
fn tail(log: &Path) -> String {
    const LINES: usize = 20;
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<String> = text.lines().map(|line| format!("  | {line}")).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(dir: &Path, script: &str) -> Server {
        Server {
            name: "a shell".into(),
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            log: dir.join("log"),
            port: 1,
            probe: Probe::Redis,
            group: Group::Own,
            child: None,
        }
    }

    #[test]
    fn a_server_that_ends_at_its_start_is_reported_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let mut server = server(dir.path(), "echo no room left; exit 3");
        server.launch().unwrap();
        let error = server.await_ready().unwrap_err().to_string();
        assert!(error.contains("| no room left"), "{error}");
        assert!(error.contains(&server.log.display().to_string()), "{error}");
    }

    #[test]
    fn a_server_is_stopped_by_its_id_and_another_stop_does_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut server = server(dir.path(), "exec sleep 600");
        server.launch().unwrap();
        let identity = server.identity().unwrap();
        for _ in 0..2 {
            server.terminate().unwrap();
            server.await_end().unwrap();
        }
        assert!(!identity.is_alive());
    }

    #[test]
    fn a_dropped_server_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let mut server = server(dir.path(), "exec sleep 600");
        server.launch().unwrap();
        let identity = server.identity().unwrap();
        drop(server);
        assert!(!identity.is_alive());
    }

    #[test]
    fn only_the_last_lines_of_a_log_are_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let lines: String = (1..=30).map(|n| format!("line {n}\n")).collect();
        fs::write(&log, lines).unwrap();
        let quoted = tail(&log);
        assert!(
            quoted.starts_with("  | line 11\n") && quoted.ends_with("  | line 30"),
            "{quoted}"
        );
    }
}
