//! What a process has used, as Linux tells it.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// Linux counts CPU time for user space in hundredths of a second, whatever its own timer (times(2)).
const TICK: Duration = Duration::from_millis(10);

/// What a process has used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    /// CPU time of all its threads, in user and kernel mode, since it started.
    pub(crate) cpu: Duration,
    /// Resident memory now, in KiB.
    pub(crate) resident_kib: u32,
    /// The most that it ever was, in KiB.
    pub(crate) peak_kib: u32,
}

/// # Errors
/// When the process is gone.
pub(crate) fn usage(pid: u32) -> anyhow::Result<Usage> {
    let read = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    };
    let status = read("status")?;
    Ok(Usage {
        cpu: cpu(&read("stat")?)?,
        resident_kib: kib(&status, "VmRSS:")?,
        peak_kib: kib(&status, "VmHWM:")?,
    })
}

/// `utime` and `stime` of proc_pid_stat(5).
fn cpu(stat: &str) -> anyhow::Result<Duration> {
    // The program's name is in parentheses and may hold spaces and parentheses itself. `state` follows it.
    let (_, fields) = stat.rsplit_once(')').context("no name in /proc/PID/stat")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks =
        || -> anyhow::Result<u32> { Ok(fields.next().context("/proc/PID/stat is cut off")?.parse()?) };
    Ok(TICK * ticks()? + TICK * ticks()?)
}

/// A size of proc_pid_status(5).
fn kib(status: &str, name: &str) -> anyhow::Result<u32> {
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    let value = value.with_context(|| format!("no {name} in /proc/PID/status: the process has ended"))?;
    let number = value.trim().strip_suffix(" kB");
    let number = number.with_context(|| format!("{name} is not in kB"))?;
    Ok(number.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_user_and_kernel_time_whatever_the_name() {
        let stat = "42 (a) (b c) S 1 42 42 0 -1 4194304 2000 0 3 0 150 25 0 0 20 0 9 0 1000 1 2";
        assert_eq!(cpu(stat).unwrap(), Duration::from_millis(1_750));
        assert!(cpu("42 (a) S 1 2").is_err());
    }

    #[test]
    fn resident_memory_is_found_by_its_name() {
        let status = "Name:\tangarium\nVmHWM:\t  900 kB\nVmRSS:\t   51200 kB\n";
        assert_eq!(kib(status, "VmRSS:").unwrap(), 51_200);
        assert_eq!(kib(status, "VmHWM:").unwrap(), 900);
        assert!(kib("Name:\tangarium\nState:\tZ (zombie)\n", "VmRSS:").is_err());
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(usage(std::process::id()).unwrap().resident_kib > 0);
    }
}
