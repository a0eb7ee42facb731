//! What runs on after its starter, written down: so that a later process can find it and end it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::server::{STOP_LIMIT, Server};
use crate::{Error, Kafka, Redis, wait};

/// A Kafka and a Redis that some process started, by their addresses and process ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Bootstrap addresses.
    pub kafka: String,
    /// URL.
    pub redis: String,
    /// The directory that both keep their data in; empty in a file that an older version wrote.
    #[serde(default)]
    pub data: PathBuf,
    processes: Vec<Process>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    name: String,
    #[serde(flatten)]
    identity: Identity,
}

/// What became of a process that was to be stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The server.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// How it ended.
    pub how: How,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It had ended before; whatever has its id now was left alone.
    WasGone,
    /// In good order.
    Ended,
    /// It did not end within 20 s and was killed.
    Killed,
}

impl State {
    /// Describes two running servers that keep their data in `data`.
    pub fn of(kafka: &Kafka, redis: &Redis, data: &Path) -> Result<Self, Error> {
        let servers = kafka.nodes.iter().chain([&redis.server]);
        let process = |server: &Server| {
            Ok(Process {
                name: server.name.clone(),
                identity: server.identity()?,
            })
        };
        Ok(Self {
            kafka: kafka.bootstrap(),
            redis: redis.url(),
            data: data.to_owned(),
            processes: servers.map(process).collect::<Result<_, Error>>()?,
        })
    }

    /// What `path` holds; `None` when there is no such file.
    pub fn load(path: &Path) -> Result<Option<Self>, Error> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| Error::State {
                path: path.to_owned(),
                source,
            })
    }

    /// Writes the file, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let dir = path.parent().unwrap_or(Path::new("."));
        let text = serde_json::to_vec_pretty(self).map_err(|source| Error::State {
            path: path.to_owned(),
            source,
        })?;
        let write = || {
            fs::create_dir_all(dir)?;
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            file.write_all(&text)?;
            file.persist(path).map_err(io::Error::from)
        };
        write().map_err(Error::file("write", path))?;
        Ok(())
    }

    /// How many brokers Kafka has.
    #[must_use]
    pub fn brokers(&self) -> u32 {
        u32::try_from(self.kafka.split(',').count()).unwrap_or(u32::MAX)
    }

    /// Whether all of it still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.processes.iter().all(|process| process.identity.is_alive())
    }

    /// Ends what still runs, by process id, and then removes the file at `path`.
    pub fn stop_all(&self, path: &Path) -> Result<Vec<Stopped>, Error> {
        let alive: Vec<bool> = self
            .processes
            .iter()
            .map(|process| process.identity.is_alive())
            .collect();
        // All are asked before one is awaited: they end at the same time.
        for process in &self.processes {
            process.identity.signal(Signal::TERM);
        }
        let mut stopped = Vec::new();
        for (process, was_alive) in self.processes.iter().zip(alive) {
            let how = if was_alive { process.end()? } else { How::WasGone };
            stopped.push(Stopped {
                name: process.name.clone(),
                pid: process.identity.pid(),
                how,
            });
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
            _ => Ok(stopped),
        }
    }
}

impl Process {
    /// Waits for the end that was asked for; kills after the limit.
    fn end(&self) -> Result<How, Error> {
        let gone = || Ok((!self.identity.is_alive()).then_some(()));
        if wait::until(STOP_LIMIT, gone)?.is_some() {
            return Ok(How::Ended);
        }
        self.identity.signal(Signal::KILL);
        wait::until(STOP_LIMIT, gone)?;
        Ok(How::Killed)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn state(processes: Vec<Process>) -> State {
        State {
            kafka: "127.0.0.1:20000".into(),
            redis: "redis://127.0.0.1:20002/".into(),
            data: "/data".into(),
            processes,
        }
    }

    fn process(pid: u32) -> Process {
        Process {
            name: "Kafka node 1".into(),
            identity: Identity::of(pid).unwrap(),
        }
    }

    #[test]
    fn a_state_is_read_back_as_it_was_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("local/state.json");
        assert_eq!(State::load(&path).unwrap(), None);
        let saved = state(vec![process(std::process::id())]);
        saved.save(&path).unwrap();
        assert_eq!(State::load(&path).unwrap(), Some(saved));
    }

    #[test]
    fn a_file_that_is_no_state_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        fs::write(&path, "{\"kafka\": 1}").unwrap();
        let error = State::load(&path).unwrap_err().to_string();
        assert!(error.contains("state.json"), "{error}");
    }

    #[test]
    fn stopping_ends_what_runs_leaves_the_rest_alone_and_forgets_both() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let spawn = || Command::new("sleep").arg("600").spawn().unwrap();
        let (mut mine, mut other) = (spawn(), spawn());
        // The second entry is a process that ended long ago, whose id somebody else has now.
        let text = serde_json::to_string(&process(other.id())).unwrap();
        let mut reused: serde_json::Value = serde_json::from_str(&text).unwrap();
        reused["started"] = 1.into();
        let state = state(vec![process(mine.id()), serde_json::from_value(reused).unwrap()]);
        assert!(!state.is_running());
        state.save(&path).unwrap();

        let stopped: Vec<How> = state
            .stop_all(&path)
            .unwrap()
            .iter()
            .map(|stopped| stopped.how)
            .collect();

        assert_eq!(stopped, [How::Ended, How::WasGone]);
        assert!(!path.exists());
        assert!(
            other.try_wait().unwrap().is_none(),
            "a stranger's process was ended"
        );
        other.kill().unwrap();
        other.wait().unwrap();
        mine.wait().unwrap();
    }
}
