//! A service as a process of its own, which a test may kill.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::poll::poll;

/// How much of a log is shown when something fails.
const SHOWN_LINES: usize = 30;

/// The real binary in a role; killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    role: &'static str,
    name: String,
    env: BTreeMap<String, String>,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `angarium <role>` with these settings; what it logs goes to a file in `dir`.
    ///
    /// # Errors
    /// When there is no binary, or it cannot be started.
    pub fn start(role: &'static str, env: BTreeMap<String, String>, dir: &Path) -> Result<Self> {
        Self::start_named(role.to_owned(), role, env, dir)
    }

    /// The same under a name of its own, which the log file has too: for one of several in the same role.
    ///
    /// # Errors
    /// When there is no binary, or it cannot be started.
    pub fn start_named(
        name: String,
        role: &'static str,
        mut env: BTreeMap<String, String>,
        dir: &Path,
    ) -> Result<Self> {
        env.insert("ANGARIUM_PROCESS_NAME".to_owned(), name.clone());
        let log = dir.join(format!("{name}.log"));
        let child = launch(role, &env, &log)?;
        Ok(Self {
            role,
            name,
            env,
            log,
            child,
        })
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> &'static str {
        self.role
    }

    /// Its name: the role, unless there are several.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a crash does, and waits for its end.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .with_context(|| format!("cannot kill {}", self.name))?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends it a signal: SIGSTOP freezes it until SIGCONT.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // Not reaped before this look, so the id is still its own.
        if let Some(status) = self.child.try_wait()? {
            bail!("{} has ended with {status}; {}", self.name, self.log_end());
        }
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("cannot signal {}", self.name))
    }

    /// Starts it again with the same settings, once it has ended.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart(&mut self) -> Result<()> {
        self.child = launch(self.role, &self.env, &self.log)?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it has not ended after `limit`.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.ended(limit).await
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When it has not ended after `limit`.
    pub async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let ended = poll(limit, async || Ok(self.child.try_wait()?)).await?;
        ended.with_context(|| format!("{} has not ended within {limit:?}; {}", self.name, self.log_end()))
    }

    /// Waits until `ready` says yes, and fails early when the process has ended.
    ///
    /// # Errors
    /// When it has ended, or is not ready after `limit`; its log is shown.
    pub async fn wait_until<F>(&mut self, limit: Duration, ready: impl Fn() -> F) -> Result<()>
    where
        F: Future<Output = bool>,
    {
        let came = poll(limit, async || {
            if ready().await {
                return Ok(Some(()));
            }
            match self.child.try_wait()? {
                Some(status) => bail!("{} has ended with {status}; {}", self.name, self.log_end()),
                None => Ok(None),
            }
        });
        came.await?
            .with_context(|| format!("{} is not ready after {limit:?}; {}", self.name, self.log_end()))
    }

    /// Waits until it has logged a line with all of these texts, since it was started first.
    ///
    /// # Errors
    /// When it has not within the limit.
    pub async fn until_logged(&self, limit: Duration, texts: &[&str]) -> Result<()> {
        let logged = poll(limit, async || {
            let log = std::fs::read_to_string(&self.log)?;
            let mut lines = log.lines();
            Ok(lines
                .any(|line| texts.iter().all(|text| line.contains(text)))
                .then_some(()))
        });
        logged
            .await?
            .with_context(|| format!("{} does not log {texts:?}; {}", self.name, self.log_end()))
    }

    /// The last lines of its log, for a person.
    #[must_use]
    pub fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let end = lines
            .get(lines.len().saturating_sub(SHOWN_LINES)..)
            .unwrap_or_default();
        format!("its log {} ends with\n{}", self.log.display(), end.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs a command of the real binary to its end.
///
/// # Errors
/// When it fails; what it wrote is shown.
pub fn run(arguments: &[&str], env: &BTreeMap<String, String>) -> Result<String> {
    let output = Command::new(binary()?)
        .args(arguments)
        .envs(env)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let wrote = String::from_utf8_lossy(&output.stderr);
        bail!(
            "angarium {} ended with {}: {wrote}",
            arguments.join(" "),
            output.status
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn launch(role: &str, env: &BTreeMap<String, String>, log: &Path) -> Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    Command::new(binary()?)
        .arg(role)
        .envs(env)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start angarium {role}"))
}

/// The binary that was built beside the tests: `target/release/angarium` for a test in `target/release/deps`.
///
/// # Errors
/// When there is none.
pub fn binary() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let found = test
        .ancestors()
        .skip(1)
        .map(|dir| dir.join("angarium"))
        .find(|path| path.is_file());
    found.with_context(|| {
        format!(
            "no angarium beside {}: build it with `cargo build --release -p angarium`",
            test.display()
        )
    })
}
