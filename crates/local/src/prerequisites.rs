//! The tools that the project's chores need from the system, and how they get there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Error;

/// Kafka 4 does not start on anything older.
const OLDEST_JAVA: u32 = 17;

/// A tool that comes from the system's packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Runs Kafka and Maven.
    Java,
    /// Fetches Kafka.
    Maven,
    /// The server.
    Redis,
    /// With pip: fetches and runs Python's Standard Webhooks library and some of the checks.
    Python,
    /// With npm: fetches and runs JavaScript's Standard Webhooks library.
    Node,
    /// Reads metrics, and checks rules with its `promtool`.
    Prometheus,
    /// A browser: opens the console's pages.
    Chromium,
}

/// A tool that is not there, or not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub tool: Tool,
    /// What was looked for, for a reader.
    pub what: String,
}

impl Tool {
    /// The package names of Debian and what derives from it.
    fn packages(self) -> &'static str {
        match self {
            Self::Java => "default-jre-headless",
            Self::Maven => "maven",
            Self::Redis => "redis-server",
            Self::Python => "python3 python3-pip",
            Self::Node => "nodejs npm",
            Self::Prometheus => "prometheus",
            Self::Chromium => "chromium",
        }
    }

    /// What is wrong with it; `None` when it is there.
    fn lack(self) -> Option<String> {
        let absent = |program: &str| find(program).is_err();
        match self {
            Self::Java if absent("java") => Some(format!("Java {OLDEST_JAVA} or newer (`java`)")),
            Self::Java => too_old(&output("java", &["-version"])),
            Self::Maven => absent("mvn").then(|| "Maven (`mvn`)".to_owned()),
            Self::Redis => absent("redis-server").then(|| "Redis (`redis-server`)".to_owned()),
            Self::Python if absent("python3") => Some("Python 3 (`python3`)".to_owned()),
            Self::Python => output("python3", &["-m", "pip", "--version"])
                .is_empty()
                .then(|| "pip for `python3`".to_owned()),
            Self::Prometheus => absent("prometheus")
                .then_some("`prometheus`")
                .or(absent("promtool").then_some("`promtool`"))
                .map(|program| format!("Prometheus ({program})")),
            Self::Node => absent("node")
                .then_some("`node`")
                .or(absent("npm").then_some("`npm`"))
                .map(|program| format!("Node.js ({program})")),
            Self::Chromium => absent("chromium").then(|| "Chromium (`chromium`)".to_owned()),
        }
    }
}

/// Which of the tools are missing here.
#[must_use]
pub fn missing(tools: &[Tool]) -> Vec<Missing> {
    tools
        .iter()
        .filter_map(|&tool| tool.lack().map(|what| Missing { tool, what }))
        .collect()
}

/// Sees to it that the tools are there: on Debian as root it installs what is missing and says so, elsewhere it fails
/// and names what to install.
pub fn ensure(tools: &[Tool], say: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let lacking = missing(tools);
    if lacking.is_empty() {
        return Ok(());
    }
    if rustix::process::geteuid().is_root() && Path::new("/etc/debian_version").exists() {
        install(&lacking, say)?;
    }
    let lacking = missing(tools);
    if lacking.is_empty() {
        Ok(())
    } else {
        Err(refusal(&lacking))
    }
}

fn install(lacking: &[Missing], say: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let packages = packages(lacking);
    say(&format!("installing with apt-get: {packages}"));
    apt_get(&["update"])?;
    let mut args = vec!["install", "--yes", "--no-install-recommends"];
    args.extend(packages.split(' '));
    apt_get(&args)
}

fn apt_get(args: &[&str]) -> Result<(), Error> {
    let log =
        tempfile::NamedTempFile::new().map_err(Error::file("create a file in", std::env::temp_dir()))?;
    let mut command = Command::new("apt-get");
    command.arg("--quiet").args(args);
    // Runlevel 1 keeps the package of redis-server from starting a service that nobody asked for.
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("RUNLEVEL", "1");
    let run = crate::server::run(&format!("apt-get {}", args.join(" ")), &mut command, log.path());
    if run.is_err() {
        // The failure names the log. Not being able to keep it hides nothing: the failure quotes its end.
        log.keep().ok();
    }
    run
}

fn refusal(lacking: &[Missing]) -> Error {
    let what: Vec<&str> = lacking.iter().map(|missing| missing.what.as_str()).collect();
    Error::Missing {
        what: what.join(", "),
        packages: packages(lacking),
    }
}

fn packages(lacking: &[Missing]) -> String {
    let packages: Vec<&str> = lacking.iter().map(|missing| missing.tool.packages()).collect();
    packages.join(" ")
}

/// The program's place on the PATH.
#[expect(
    clippy::disallowed_methods,
    reason = "PATH is the system's, not one of Angarium's settings"
)]
pub(crate) fn find(program: &str) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
        .ok_or_else(|| Error::Missing {
            what: format!("`{program}`"),
            packages: program.to_owned(),
        })
}

/// What the program prints, on either stream; empty when it fails.
fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    output
        .ok()
        .filter(|output| output.status.success())
        .map_or_else(String::new, |output| {
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        })
}

/// `java -version` begins with a line such as `openjdk version "17.0.15" 2025-04-15` (before 9: `"1.8.0_412"`). A
/// version that cannot be read passes: Kafka's log will tell.
fn too_old(version: &str) -> Option<String> {
    let quoted = version.split('"').nth(1)?;
    let major: u32 = quoted.split(['.', '-', '+']).next()?.parse().ok()?;
    (major < OLDEST_JAVA).then(|| format!("Java {OLDEST_JAVA} or newer (`java` is {quoted})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_java_counts_as_missing() {
        assert_eq!(too_old("openjdk version \"17.0.15\" 2025-04-15\n"), None);
        assert_eq!(too_old("openjdk version \"21\" 2023-09-19\n"), None);
        assert!(
            too_old("openjdk version \"11.0.2\" 2019-01-15\n")
                .unwrap()
                .contains("11.0.2")
        );
        assert!(
            too_old("java version \"1.8.0_412\"\n")
                .unwrap()
                .contains("1.8.0_412")
        );
    }

    #[test]
    fn the_refusal_names_what_to_install() {
        let lacking = [
            Missing {
                tool: Tool::Java,
                what: "Java 17 or newer (`java`)".into(),
            },
            Missing {
                tool: Tool::Redis,
                what: "Redis (`redis-server`)".into(),
            },
        ];
        let text = refusal(&lacking).to_string();
        assert!(
            text.contains("Java 17 or newer (`java`), Redis (`redis-server`)"),
            "{text}"
        );
        assert!(
            text.contains("`apt-get install default-jre-headless redis-server`"),
            "{text}"
        );
    }

    #[test]
    fn a_program_is_found_where_the_path_says() {
        assert!(find("sh").unwrap().is_absolute());
        assert!(matches!(find("no-such-program-here"), Err(Error::Missing { .. })));
    }
}
