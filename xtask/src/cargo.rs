//! Cargo, as a person calls it.

use std::process::Command;

/// What `cargo xtask` tells this program of itself. Build scripts ask for some of it (that of `ring` does): if it were passed
/// on, whatever a person has built would be built again here, and again there.
const OF_XTASK: [&str; 6] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// A call of it.
pub(crate) fn cargo() -> Command {
    as_a_person_calls(Command::new("cargo"))
}

/// The same for a program that may be it.
pub(crate) fn as_a_person_calls(mut command: Command) -> Command {
    for name in OF_XTASK {
        command.env_remove(name);
    }
    command
}
