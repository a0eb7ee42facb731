//! The public Standard Webhooks libraries for Python and JavaScript, asked what they think of requests.
//!
//! `cargo xtask test` installs both and says where through `ANGARIUM_TEST_TOOLS`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

/// What a library says when it verifies a request.
pub const ACCEPTED: &str = "accepted";
/// What both say when no signature is by this secret.
pub const NO_MATCH: &str = "refused: No matching signature found";

/// A public library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
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

impl Library {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Python, Self::JavaScript];

    /// What it says of each request: [`ACCEPTED`], or `refused:` and why.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn verdicts(self, requests: &[Request]) -> Result<Vec<String>> {
        let mut child = self
            .command()?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{self:?} does not start: run the tests with `cargo xtask test`"))?;
        // Dropped once written: the script reads to the end.
        let mut stdin = child.stdin.take().context("its standard input is a pipe")?;
        stdin.write_all(&serde_json::to_vec(requests)?)?;
        drop(stdin);
        let output = child.wait_with_output()?;
        let wrote = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{self:?}: {wrote}");
        let verdicts: Vec<String> = serde_json::from_slice(&output.stdout)?;
        ensure!(
            verdicts.len() == requests.len(),
            "{self:?} gives one verdict a request"
        );
        Ok(verdicts)
    }

    fn command(self) -> Result<Command> {
        let tools = tools()?;
        let mut command = match self {
            Self::Python => Command::new("python3"),
            Self::JavaScript => Command::new("node"),
        };
        match self {
            Self::Python => command
                .env("PYTHONPATH", tools.join("python"))
                .args(["-c", include_str!("public_libraries/verify.py")]),
            Self::JavaScript => command
                .env("NODE_PATH", tools.join("node/node_modules"))
                .args(["-e", include_str!("public_libraries/verify.cjs")]),
        };
        Ok(command)
    }
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
