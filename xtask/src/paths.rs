//! Where things are in the checkout; everything a chore makes is below `target/`.

use std::path::{Path, PathBuf};

/// The checkout.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

pub(crate) fn target(below: &str) -> PathBuf {
    root().join("target").join(below)
}

/// Which processes `up` left running.
pub(crate) fn up_state() -> PathBuf {
    target("local/state.json")
}
