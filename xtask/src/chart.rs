//! `cargo xtask chart`: what the Helm chart renders, and the table of its values.
//!
//! What every example renders is kept in `golden/`, so that a change of the chart shows what it changes for an installation.
//! Kubernetes' own schemas say whether that is well-formed, for the oldest version that the chart allows and the newest that they
//! know; of kinds that are no part of Kubernetes the golden files alone tell.

mod values;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use angarium_local::prerequisites::{self, Tool};
use anyhow::Context;

use crate::{paths, say, tools};

/// Write what the Helm chart renders for its examples, and the table of values in its README.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing: say what is not current, and hold the chart and what it renders against the rules of Helm and Kubernetes.
    #[arg(long)]
    check: bool,
}

const CHART: &str = "helm/angarium";
/// The oldest is that of `kubeVersion` in Chart.yaml.
const KUBERNETES: [&str; 3] = ["1.30", "1.34", "1.37"];

/// What must be refused, and what it has to be told. All of it starts from the example `small`.
const REFUSED: [(&str, &str); 7] = [
    ("delivery.replica=3", "'replica' not allowed"),
    ("settings.operator.key=0123456789abcdef", "'operator' not allowed"),
    (
        "settings.ingest.listen=0.0.0.0:80",
        "does not match pattern ':8080$'",
    ),
    (
        "secrets.sealKeys.secretName=",
        "secrets.sealKeys.secretName is missing",
    ),
    (
        "settings.redis.url=redis://:password@redis:6379",
        "settings.redis.url has a password",
    ),
    (
        "settings.egress.allow_http=false",
        "tests.receive needs settings.egress.allow_http",
    ),
    (
        "fanout.keda.enabled=true,fanout.keda.maxReplicas=13",
        "more than the 12 partitions",
    ),
];

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    prerequisites::ensure(&[Tool::Python, Tool::Node], &mut say)?;
    let Some(helm) = tools::helm()? else {
        say("skip    the chart: there is no `helm` on this machine");
        return Ok(ExitCode::SUCCESS);
    };
    let chart = Chart {
        helm,
        check: args.check,
    };
    let mut wrong = chart.readme()?;
    let mut rendered = Vec::new();
    for example in chart.examples()? {
        let golden = paths::root()
            .join(CHART)
            .join("golden")
            .join(format!("{example}.yaml"));
        wrong.extend(chart.render(&example, &golden)?);
        rendered.push(golden);
    }
    if args.check {
        wrong.extend(chart.refuses()?);
        wrong.extend(validate(&rendered)?);
    }
    for line in &wrong {
        println!("{line}");
    }
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Chart {
    helm: PathBuf,
    check: bool,
}

impl Chart {
    /// The names of the files of example values, in order.
    fn examples(&self) -> anyhow::Result<Vec<String>> {
        let dir = paths::root().join(CHART).join("examples");
        let entries = fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))?;
        let mut names = Vec::new();
        for entry in entries {
            let path = entry
                .with_context(|| format!("cannot list {}", dir.display()))?
                .path();
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
        names.sort();
        Ok(names)
    }

    /// Renders an example into its golden file.
    fn render(&self, example: &str, golden: &Path) -> anyhow::Result<Vec<String>> {
        let values = format!("{CHART}/examples/{example}.yaml");
        let linted = self.helm(&["lint", "--quiet", CHART, "-f", &values])?;
        if !linted.status.success() {
            return Ok(vec![said(&linted)]);
        }
        let rendered = self.template(&["-f", &values])?;
        if !rendered.status.success() {
            return Ok(vec![format!("{values}: {}", said(&rendered))]);
        }
        self.keep(golden, &String::from_utf8_lossy(&rendered.stdout))
    }

    /// Values that would make an installation that does not work, or is less safe than its operator believes.
    fn refuses(&self) -> anyhow::Result<Vec<String>> {
        let values = format!("{CHART}/examples/small.yaml");
        let mut wrong = Vec::new();
        for (set, told) in REFUSED {
            let rendered = self.template(&["-f", &values, "--set", set])?;
            if rendered.status.success() || !said(&rendered).contains(told) {
                wrong.push(format!(
                    "{set} must be refused with `{told}`, but: {}",
                    said(&rendered)
                ));
            }
        }
        Ok(wrong)
    }

    fn readme(&self) -> anyhow::Result<Vec<String>> {
        let dir = paths::root().join(CHART);
        let (readme, values) = (read(&dir.join("README.md"))?, read(&dir.join("values.yaml"))?);
        let current = values::into_readme(&readme, &values).context("helm/angarium/README.md")?;
        self.keep(&dir.join("README.md"), &current)
    }

    /// Writes a file, or says how it differs from what it should be.
    fn keep(&self, path: &Path, current: &str) -> anyhow::Result<Vec<String>> {
        if !self.check {
            fs::write(path, current).with_context(|| format!("cannot write {}", path.display()))?;
            return Ok(Vec::new());
        }
        let kept = fs::read_to_string(path).unwrap_or_default();
        if kept == current {
            return Ok(Vec::new());
        }
        let same = kept
            .lines()
            .zip(current.lines())
            .take_while(|(kept, current)| kept == current);
        let line = same.count();
        let at = |text: &str| text.lines().nth(line).unwrap_or("(its end)").to_owned();
        Ok(vec![format!(
            "{}:{}: not current; run `cargo xtask chart`\n  is         {}\n  should be  {}",
            path.strip_prefix(paths::root()).unwrap_or(path).display(),
            line + 1,
            at(&kept),
            at(current),
        )])
    }

    fn template(&self, args: &[&str]) -> anyhow::Result<Output> {
        self.helm(&[&["template", "angarium", CHART, "--namespace", "angarium"], args].concat())
    }

    fn helm(&self, args: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(&self.helm);
        command.args(args).current_dir(paths::root());
        command.output().context("cannot run helm")
    }
}

/// Holds what was rendered against Kubernetes' schemas: no field may be one that they do not know.
fn validate(rendered: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let python = tools::python_checks()?;
    let mut command = Command::new("python3");
    command.args(["-m", "kubernetes_validate", "--strict", "--quiet", "--no-warn"]);
    for version in KUBERNETES {
        command.args(["-k", version]);
    }
    let output = command
        .args(rendered)
        .env("PYTHONPATH", python)
        .output()
        .context("cannot run kubernetes-validate")?;
    Ok(if output.status.success() {
        Vec::new()
    } else {
        vec![said(&output)]
    })
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn said(output: &Output) -> String {
    let [out, error] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{error}")
}
