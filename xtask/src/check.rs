//! `cargo xtask check`: everything that can be said about the code without running it, and with `--all` whether the
//! benchmark runs.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use angarium_local::prerequisites::{self, Tool};
use anyhow::Context;

use crate::cargo::as_a_person_calls;
use crate::stopwatch::Stopwatch;
use crate::tools::{self, CargoTool};
use crate::{paths, say};

/// Check format, lints, docs, spelling, protocol and scripts.
///
/// Every check runs, also after one failed; the command to run a failed one alone is printed. Tools come from package
/// registries into target/tools, once.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also build cargo-deny and cargo-machete, once, which takes minutes (where they were built they always run), and
    /// see that the benchmark works: a quick run, whose figures say nothing.
    #[arg(long)]
    all: bool,
}

/// One program to run at the root of the checkout.
struct Check {
    name: &'static str,
    program: PathBuf,
    args: Vec<&'static str>,
    env: Option<(&'static str, String)>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut failed = Vec::new();
    let checks = checks(args)?;
    for check in &checks {
        if !check.passes()? {
            failed.push(check.name);
        }
    }
    if failed.is_empty() {
        println!("all {} checks passed", checks.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{} of {} checks failed: {}",
        failed.len(),
        checks.len(),
        failed.join(", ")
    );
    Ok(ExitCode::FAILURE)
}

/// The quick ones first: a spelling mistake need not wait for clippy.
fn checks(args: &Args) -> anyhow::Result<Vec<Check>> {
    prerequisites::ensure(&[Tool::Python, Tool::Node], &mut say)?;
    let mut checks = of_files(&tools::python_checks()?);
    let cargo_tools: [(CargoTool, &[&'static str]); 2] = [
        // Advisories change by the day without a change here, so they are no part of a check of a change.
        (tools::DENY, &["check", "bans", "licenses", "sources"]),
        (tools::MACHETE, &["--with-metadata"]),
    ];
    for (tool, tool_args) in cargo_tools {
        if args.all {
            tool.ensure()?;
        }
        match tool.installed() {
            Some(program) => checks.push(Check::new(tool.name, program, tool_args)),
            None => say(&format!(
                "skip    {} (`cargo xtask check --all` builds it)",
                tool.name
            )),
        }
    }
    checks.push(Check::new(
        "clippy",
        "cargo",
        &[
            "clippy",
            "--locked",
            "--release",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
    ));
    let docs = Check::new(
        "rustdoc",
        "cargo",
        &[
            "doc",
            "--locked",
            "--release",
            "--workspace",
            "--no-deps",
            "--quiet",
        ],
    );
    checks.push(docs.with("RUSTDOCFLAGS", "-D warnings"));
    if args.all {
        checks.push(Check::new("bench", "cargo", &["xtask", "bench", "--quick"]));
    }
    Ok(checks)
}

/// Those that need no compiler but for xtask itself.
fn of_files(python: &Path) -> Vec<Check> {
    let bin = python.join("bin");
    let module = |name, args: &[&'static str]| {
        let args = [&["-m"], args].concat();
        Check::new(name, "python3", &args).with("PYTHONPATH", python.to_string_lossy())
    };
    let openapi = [
        "openapi_spec_validator",
        "docs/webhooks.openapi.json",
        "docs/registry.openapi.json",
    ];
    let compose = [
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "deploy/compose.yaml",
    ];
    vec![
        Check::new("fmt", "cargo", &["fmt", "--all", "--", "--check", "-l"]),
        Check::new("typos", bin.join("typos"), &["--format", "brief"]),
        Check::new("buf lint", bin.join("buf"), &["lint", "proto"]),
        Check::new("shellcheck", bin.join("shellcheck"), &[".ci/run"]),
        module("openapi", &openapi),
        Check::new("helm", "cargo", &["xtask", "chart", "--check"]),
        Check::new("dashboards", "cargo", &["xtask", "dashboards", "--check"]),
        Check::new(
            "dockerfile",
            bin.join("hadolint"),
            &["--no-color", "deploy/Dockerfile"],
        ),
        module("compose", &compose),
    ]
}

impl Check {
    fn new(name: &'static str, program: impl Into<PathBuf>, args: &[&'static str]) -> Self {
        Self {
            name,
            program: program.into(),
            args: args.to_vec(),
            env: None,
        }
    }

    fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.env = Some((variable, value.into()));
        self
    }

    /// Runs it and prints one line, or what it said and how to run it alone.
    fn passes(&self) -> anyhow::Result<bool> {
        let watch = Stopwatch::start();
        let mut command = as_a_person_calls(Command::new(&self.program));
        command
            .args(&self.args)
            .envs(self.env.clone())
            .current_dir(paths::root())
            .stdin(Stdio::null());
        let output = command
            .output()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        if output.status.success() {
            println!("ok      {:<14}{}", self.name, watch.elapsed());
            return Ok(true);
        }
        print!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        println!("FAILED  {}: {}", self.name, self.by_hand());
        Ok(false)
    }

    fn by_hand(&self) -> String {
        let env = self
            .env
            .as_ref()
            .map(|(name, value)| format!("{name}='{value}' "))
            .unwrap_or_default();
        // As one would type it at the root.
        let program = self.program.strip_prefix(paths::root()).unwrap_or(&self.program);
        format!("{env}{} {}", program.display(), self.args.join(" "))
    }
}
