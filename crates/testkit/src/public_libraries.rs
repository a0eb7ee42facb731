//! The public Standard Webhooks libraries for Python and JavaScript, asked what they think of requests.
//!
//! `cargo xtask test` installs both and says where through `ANGARIUM_TEST_TOOLS`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a library says when it verifies a request.
pub const ACCEPTED: &str = "accepted";
/// What both say when no signature is by this secret.
pub const NO_MATCH: &str = "refused: No matching signature found";

/// Whose library is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `standardwebhooks` of PyPI.
    Python,
    /// `standardwebhooks` of npm.
    JavaScript,
}

/// A request as a receiver has it, and the secret that it knows.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// `whsec_…`
    pub secret: String,
    /// Header `webhook-id`.
    pub id: String,
    /// Header `webhook-timestamp`.
    pub timestamp: String,
    /// Header `webhook-signature`.
    pub signature: String,
    /// The body.
    pub body: String,
}

impl Language {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Python, Self::JavaScript];

    /// What it says of each request: [`ACCEPTED`], or `refused:` and why.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn verdicts(self, requests: &[Request]) -> Result<Vec<String>> {
        let script = match self {
            Self::Python => include_str!("public_libraries/verify.py"),
            Self::JavaScript => include_str!("public_libraries/verify.cjs"),
        };
        let verdicts: Vec<String> = ask(self, script, requests)?;
        ensure!(
            verdicts.len() == requests.len(),
            "{self:?} gives one verdict a request"
        );
        Ok(verdicts)
    }
}

/// Has a script in that language, with the libraries that are installed for it, read JSON and answer in JSON.
///
/// # Errors
/// When it does not start, fails or answers something else.
pub fn ask<T: DeserializeOwned>(
    language: Language,
    script: &str,
    question: &(impl Serialize + ?Sized),
) -> Result<T> {
    let tools = tools()?;
    let mut command = match language {
        Language::Python => Command::new("python3"),
        Language::JavaScript => Command::new("node"),
    };
    match language {
        Language::Python => command.env("PYTHONPATH", tools.join("python")).arg("-c"),
        Language::JavaScript => command
            .env("NODE_PATH", tools.join("node/node_modules"))
            .arg("-e"),
    };
    let mut child = command
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{language:?} does not start: run the tests with `cargo xtask test`"))?;
    // Dropped once written: the script reads to the end.
    let mut stdin = child.stdin.take().context("its standard input is a pipe")?;
    stdin.write_all(&serde_json::to_vec(question)?)?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let wrote = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{language:?}: {wrote}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Where `cargo xtask test` has put them, and other tools that tests ask.
///
/// # Errors
/// When the tests were run by something else.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no settings; `cargo xtask test` tells them where things are"
)]
pub fn tools() -> Result<PathBuf> {
    std::env::var_os("ANGARIUM_TEST_TOOLS")
        .map(PathBuf::from)
        .context("ANGARIUM_TEST_TOOLS is not set: run the tests with `cargo xtask test`")
}
