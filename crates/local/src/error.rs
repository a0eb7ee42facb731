//! What can go wrong, told to the person at the terminal.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// A failure to get, start or stop a local server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Tools are missing, and this machine is not one where they are installed for the user.
    #[error(
        "missing on this machine: {what}. Install what is missing with your system's packages \
         (on Debian: `apt-get install {packages}`) and try again"
    )]
    Missing {
        /// The tools and why each counts as missing.
        what: String,
        /// Debian's names of their packages.
        packages: String,
    },

    /// A file or directory could not be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// A program could not be run at all.
    #[error("cannot run {}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// A program that should do a job and end did so without success.
    #[error("{what} failed ({status}); its log {} ends with\n{tail}", log.display())]
    Failed {
        /// The job.
        what: String,
        /// How the program ended.
        status: ExitStatus,
        /// Its whole output.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },

    /// A server ended before it answered.
    #[error("{name} ended at its start ({status}); its log {} ends with\n{tail}", log.display())]
    Ended {
        /// The server.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// Its whole log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },

    /// A server runs but does not answer.
    #[error(
        "{name} did not answer within {} s; is this machine very busy? Its log {} ends with\n{tail}",
        limit.as_secs(), log.display()
    )]
    Silent {
        /// The server.
        name: String,
        /// How long was waited.
        limit: Duration,
        /// Its whole log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },

    /// The children of this process could not be asked or signalled.
    #[error("cannot {action} {name}")]
    Process {
        /// What was tried, as a verb.
        action: &'static str,
        /// The server.
        name: String,
        /// Why not.
        source: io::Error,
    },

    /// No port to listen on.
    #[error("no free port on 127.0.0.1 between {first} and {last}; stop something that listens there")]
    NoPort {
        /// The lowest port that was tried.
        first: u16,
        /// The highest.
        last: u16,
    },

    /// The state file is not one of ours.
    #[error(
        "{} is not a state file of this version; look which of the processes named in it still run, end them, \
         and remove the file", path.display()
    )]
    State {
        /// The state file.
        path: PathBuf,
        /// What does not fit.
        source: serde_json::Error,
    },

    /// A process that was just started cannot be found in `/proc`.
    #[error("{name} cannot be found in /proc, so it cannot be written down which process to stop later")]
    NoIdentity {
        /// The server.
        name: String,
    },
}

impl Error {
    /// For `map_err` on file work.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
