//! What every service stands on.
//!
//! - [`Tasks`] owns every task and thread of a process; [`Shutdown`] tells them to end. Nothing else spawns.
//! - [`Clock`] gives wall-clock time, which a test can set.
//! - [`config`] reads settings once, and reports all mistakes together.
//! - [`grpc`] is the server and the client of the house: keys, health, reflection, limits, an end that is bounded.
//! - [`UnderWay`] bounds what is under way at once, of each who asks and in all.
//! - [`http`] is the server for those who speak HTTP/1.1.
//! - [`access`] says who is let in, and with what; [`metrics`] defines what is measured, [`trace`] where an
//!   event comes from; [`signals`] the wish of the operating system.
//!
//! A process is wired in this order: read the settings, start telemetry, make [`Tasks`], start services on
//! them, wait for [`signals::terminated`] or for the shutdown that a critical failure begins, then
//! [`Tasks::join`] under a deadline.

pub mod access;
mod clock;
pub mod config;
pub mod grpc;
pub mod http;
mod listening;
pub mod metrics;
mod served;
mod shutdown;
pub mod signals;
mod tasks;
pub mod trace;
mod under_way;

pub use clock::{Clock, ManualClock, millis, uptime};
pub use listening::listen;
pub use shutdown::Shutdown;
pub use tasks::{Failure, Tasks, Unfinished};
pub use under_way::{Full, Permit, UnderWay};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The name of this machine; on Kubernetes that of the pod. Empty if it is no UTF-8.
#[must_use]
pub fn host_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_str().unwrap_or_default().to_owned()
}

/// Has this process open as many files as the system allows it: connections are files, and the usual first limit, 1,024, is
/// less than a busy service needs. How many it may have open now; `None`: any number.
#[must_use]
pub fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_refused) => limit.current,
    }
}

/// An error and all its causes on one line, for a log field.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |cause| cause.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_open_as_many_files_as_the_system_allows() {
        let allowed = raise_open_files();
        assert_eq!(getrlimit(Resource::Nofile).current, allowed);
        assert_eq!(raise_open_files(), allowed);
    }
}
