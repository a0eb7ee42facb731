//! What the operating system knows of this process.

use angarium_runtime::metrics::{Definition, figure};
use angarium_runtime::uptime;
use rustix::process::{Resource, getrlimit};

const MEMORY: Definition = Definition::gauge(
    "process.memory.usage",
    "By",
    &[],
    "Physical memory that the process uses",
);
const CPU: Definition = Definition::counter(
    "process.cpu.time",
    "s",
    &[],
    "Time that the process has used of all processors since it started",
);
const FILES: Definition = Definition::gauge(
    "process.open_file_descriptor.count",
    "{file_descriptor}",
    &[],
    "Open files; each connection is one",
);
const MOST_FILES: Definition = Definition::gauge(
    "process.open_file_descriptor.limit",
    "{file_descriptor}",
    &[],
    "Files that may be open",
);
const UPTIME: Definition = Definition::gauge("process.uptime", "s", &[], "For how long the process has run");
const TASKS: Definition = Definition::gauge(
    "angarium.process.tasks",
    "{task}",
    &[],
    "Tasks of tokio that have not ended",
);

/// What every process measures of itself.
pub const METRICS: &[Definition] = &[MEMORY, CPU, FILES, MOST_FILES, UPTIME, TASKS];

/// What is so is measured from now on. What this system does not tell is left out.
pub(crate) fn observe() {
    MEMORY.observe(|tell| told(resident_bytes(), tell));
    CPU.observe(|tell| told(cpu_seconds(), tell));
    FILES.observe(|tell| told(open_files(), tell));
    MOST_FILES.observe(|tell| told(getrlimit(Resource::Nofile).current.map(figure), tell));
    UPTIME.observe(|tell| tell(uptime().as_secs_f64(), &[]));
    let tokio = tokio::runtime::Handle::current();
    TASKS.observe(move |tell| {
        told(
            u64::try_from(tokio.metrics().num_alive_tasks()).ok().map(figure),
            tell,
        )
    });
}

fn told(value: Option<f64>, tell: &mut dyn FnMut(f64, &[opentelemetry::KeyValue])) {
    if let Some(value) = value {
        tell(value, &[]);
    }
}

fn resident_bytes() -> Option<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    Some(figure(pages * page))
}

fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name of the program, which may have spaces: utime and stime are the 12th and 13th.
    let (_, behind) = stat.rsplit_once(')')?;
    let mut ticks = behind.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some(figure(user + system) / figure(rustix::param::clock_ticks_per_second()))
}

fn open_files() -> Option<f64> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    u64::try_from(entries.count()).ok().map(figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_system_tells_what_a_process_uses() {
        assert!(resident_bytes().unwrap() > 1_000_000.0);
        assert!(cpu_seconds().unwrap() >= 0.0);
        assert!(open_files().unwrap() >= 3.0);
    }
}
