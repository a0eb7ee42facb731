//! Which process: its id and when it started, so that a re-used id is never taken for it.

use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// A process, for as long as it lives. Another one that later gets the same id started at another time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pid: u32,
    /// Clock ticks since the machine's boot.
    started: u64,
}

impl Identity {
    /// The process that has this id now; `None` when there is none, or it ended and only waits to be reaped.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let path = PathBuf::from(format!("/proc/{pid}/stat"));
        let stat = std::fs::read_to_string(path).ok()?;
        Some(Self {
            pid,
            started: started(&stat)?,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Signals this process if it still is the one it was. An end between the look and the signal is no failure.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.is_alive()) {
            kill_process(pid, signal).ok();
        }
    }
}

/// The start time in a line of `/proc/PID/stat`: field 22, counted behind the program's name, which may itself
/// hold spaces and brackets. `None` for a process that has ended (states Z and X).
fn started(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // The state is field 3, so 18 fields lie between it and field 22.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "4242 (a (b) c) S 1 4242 4242 0 -1 4194560 1 0 0 0 10 5 0 0 20 0 30 0 987654 1 2 3";

    #[test]
    fn the_start_time_is_found_behind_a_name_with_brackets() {
        assert_eq!(started(STAT), Some(987_654));
    }

    #[test]
    fn a_process_that_waits_to_be_reaped_has_ended() {
        assert_eq!(started(&STAT.replace(") S ", ") Z ")), None);
    }

    #[test]
    fn a_reused_id_is_not_the_same_process() {
        let me = Identity::of(std::process::id()).unwrap();
        assert!(me.is_alive());
        let before_me = Identity {
            started: me.started - 1,
            ..me
        };
        assert!(!before_me.is_alive());
        // Were the id alone looked at, this would end the test run.
        before_me.signal(Signal::KILL);
    }
}
