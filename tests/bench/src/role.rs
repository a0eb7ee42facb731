//! A role of Angarium as a process of its own.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

use crate::measure::Bench;
use crate::proc::{self, Usage};

/// A running role; killed on drop.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Role {
    /// Nothing but `settings` is in its environment, so that a run does not depend on the caller's.
    pub(crate) fn start(
        bench: &Bench,
        name: &'static str,
        settings: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let binary = &bench.binary;
        let log = bench.logs.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(binary)
            .arg(name)
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (*name, value)))
            .envs(bench.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", binary.display()))?;
        Ok(Self { name, child, log })
    }

    /// # Errors
    /// When it has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(
                "{} has ended ({status}); its log is {}",
                self.name,
                self.log.display()
            ),
        }
    }

    /// # Errors
    /// When it has ended.
    pub(crate) fn usage(&mut self) -> anyhow::Result<Usage> {
        self.check()?;
        let pid = self.child.id().context("a process without an id")?;
        proc::usage(pid).with_context(|| format!("what {} uses", self.name))
    }
}

/// Addresses on which nobody listens now.
pub(crate) fn free_addresses<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    // All are held until all are known, so that they differ.
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    let mut held = Vec::new();
    for address in &mut addresses {
        let listener = TcpListener::bind(*address).context("no free port")?;
        *address = listener.local_addr()?;
        held.push(listener);
    }
    Ok(addresses)
}
