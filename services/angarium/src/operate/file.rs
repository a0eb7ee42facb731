//! Files that commands are given.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::Context as _;

/// The text in a file that a flag names; `-` is standard input.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read(file: &Path, flag: &str) -> anyhow::Result<String> {
    if file != Path::new("-") {
        return fs::read_to_string(file).with_context(|| format!("{flag}: cannot read {}", file.display()));
    }
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .with_context(|| format!("{flag}: cannot read standard input"))?;
    Ok(text)
}
