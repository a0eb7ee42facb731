//! Profiles: where an installation is, with which key and which account people work there, by a name.
//!
//! ```toml
//! [staging]
//! registry = "http://registry.staging:8082"
//! ingest = "http://ingest.staging:8080"
//! fanout = "http://fanout.staging:8084"
//! delivery = "http://delivery.staging:8083"
//! key_file = "staging.key"    # from the folder of this file; or key = "ak_…"
//! account = 1                 # or "ext:acme-gmbh", by its external id
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::account_ref::Named;

/// Where the file is, from the home of who runs a command.
const FILE: &str = ".config/angarium/profiles.toml";

/// What is known of an installation.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    registry: Option<String>,
    ingest: Option<String>,
    fanout: Option<String>,
    delivery: Option<String>,
    /// What is presented to it; once it is chosen, also that of `key_file`.
    pub(super) key: Option<String>,
    key_file: Option<PathBuf>,
    pub(super) account: Option<Named>,
}

/// The profile that was asked for cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WrongProfile {
    #[error("--profile: where is the file of profiles? give --profiles FILE")]
    NoHome,
    #[error("--profile: cannot read {}", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    #[error("{}: {}", .0.display(), .1)]
    NotToml(PathBuf, String),
    #[error("--profile: {} has no {:?}; it has {}", .0.display(), .1, .2)]
    Unknown(PathBuf, String, String),
    #[error("{}: profile {:?} has both key and key_file: keep one", .0.display(), .1)]
    TwoKeys(PathBuf, String),
    #[error("{} holds a key, and others may read it: run `chmod 600` on it", .0.display())]
    NotPrivate(PathBuf),
}

impl Profile {
    /// The one that was asked for; an empty one if none was.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(super) fn chosen(name: Option<&str>, file: Option<&Path>) -> Result<Self, WrongProfile> {
        // A variable that is set to nothing counts as not set.
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Ok(Self::default());
        };
        let file = match file {
            Some(file) => file.to_owned(),
            None => std::env::home_dir().ok_or(WrongProfile::NoHome)?.join(FILE),
        };
        let mut all = read(&file)?;
        let Some(mut profile) = all.remove(name) else {
            let names: Vec<String> = all.into_keys().collect();
            let names = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            return Err(WrongProfile::Unknown(file, name.to_owned(), names));
        };
        match (&profile.key, &profile.key_file) {
            (Some(_), Some(_)) => return Err(WrongProfile::TwoKeys(file, name.to_owned())),
            (Some(_), None) => check_private(&file)?,
            (None, Some(key_file)) => {
                let key_file = file.parent().unwrap_or(Path::new("")).join(key_file);
                check_private(&key_file)?;
                profile.key = Some(text(&key_file)?.trim().to_owned());
            }
            (None, None) => {}
        }
        Ok(profile)
    }

    /// Where a service is.
    pub(super) fn endpoint(&self, service: &str) -> Option<&str> {
        match service {
            "registry" => self.registry.as_deref(),
            "ingest" => self.ingest.as_deref(),
            "fanout" => self.fanout.as_deref(),
            "delivery" => self.delivery.as_deref(),
            _ => None,
        }
    }
}

fn read(file: &Path) -> Result<BTreeMap<String, Profile>, WrongProfile> {
    let text = text(file)?;
    toml::from_str(&text).map_err(|error| {
        // The line itself may hold a key, so only what is wrong and where is told.
        let before = error
            .span()
            .and_then(|span| text.get(..span.start))
            .unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        WrongProfile::NotToml(file.to_owned(), format!("line {line}: {}", error.message()))
    })
}

fn text(file: &Path) -> Result<String, WrongProfile> {
    fs::read_to_string(file).map_err(|error| WrongProfile::Unreadable(file.to_owned(), error))
}

/// A key that others may read is theirs as well.
fn check_private(file: &Path) -> Result<(), WrongProfile> {
    let metadata = fs::metadata(file).map_err(|error| WrongProfile::Unreadable(file.to_owned(), error))?;
    if metadata.permissions().mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(WrongProfile::NotPrivate(file.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of profiles, and a file with a key beside it.
    fn files(profiles: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("profiles.toml");
        for (path, text) in [(&file, profiles), (&dir.path().join("a.key"), "ak_of_a_file\n")] {
            fs::write(path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        (dir, file)
    }

    fn refused(profiles: &str, mode: u32) -> String {
        let (_dir, file) = files(profiles, mode);
        Profile::chosen(Some("a"), Some(&file)).err().unwrap().to_string()
    }

    #[test]
    fn a_profile_says_where_services_are_and_with_which_key_and_account() {
        let text = "[a]\nregistry = 'http://r'\nkey_file = 'a.key'\naccount = 7\n[b]\nkey = 'ak_of_b'\naccount = 'ext:7'";
        let (_dir, file) = files(text, 0o600);
        let a = Profile::chosen(Some("a"), Some(&file)).unwrap();
        assert_eq!(a.endpoint("registry"), Some("http://r"));
        let account = |profile: Profile| profile.account.map(|Named(account)| account.to_string());
        assert_eq!(a.endpoint("ingest"), None);
        assert_eq!(a.key.as_deref(), Some("ak_of_a_file"));
        assert_eq!(account(a).as_deref(), Some("7"));
        let b = Profile::chosen(Some("b"), Some(&file)).unwrap();
        assert_eq!(b.key.as_deref(), Some("ak_of_b"));
        assert_eq!(account(b).as_deref(), Some("ext:7"));
        for none in [None, Some("")] {
            assert!(Profile::chosen(none, Some(&file)).unwrap().key.is_none());
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_not_used() {
        for profiles in ["[a]\nkey = 'ak_x'", "[a]\nkey_file = 'a.key'"] {
            let told = refused(profiles, 0o640);
            assert!(told.contains("chmod 600") && !told.contains("ak_"), "{told}");
        }
        let (_dir, file) = files("[a]\nregistry = 'http://r'", 0o644);
        assert!(
            Profile::chosen(Some("a"), Some(&file)).is_ok(),
            "there is none in it"
        );
    }

    #[test]
    fn what_is_wrong_with_a_profile_is_told_with_its_place_and_without_its_key() {
        let told = refused("[a]\naccount = 1\nkye = 'ak_secret'", 0o600);
        assert!(
            told.contains("line 3: unknown field `kye`") && !told.contains("ak_secret"),
            "{told}"
        );
        let told = refused("[b]\n[c]", 0o600);
        assert!(told.ends_with("has no \"a\"; it has b, c"), "{told}");
        assert!(refused("[a]\nkey = 'x'\nkey_file = 'y'", 0o600).contains("keep one"));
        assert!(refused("[a]\nkey_file = 'nowhere'", 0o600).contains("cannot read"));
    }
}
