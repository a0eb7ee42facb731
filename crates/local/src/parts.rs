//! What the servers are made of: Java, Kafka's jars and the Redis binary.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::prerequisites::{self, Tool};
use crate::{Error, server};

const POM: &str = include_str!("../../../deploy/local/kafka/pom.xml");

/// Found once, used for every start.
#[derive(Debug, Clone)]
pub struct Parts {
    java: PathBuf,
    redis_server: PathBuf,
    jars: PathBuf,
}

/// Where this checkout keeps Kafka's jars: every user of this crate should share one download.
#[must_use]
pub fn cache_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/local/cache")
}

impl Parts {
    /// Finds the tools, installing what is missing where [`prerequisites::ensure`] may, and fetches Kafka's jars
    /// (54 MB, through Maven) into `cache` unless they are there. `say` gets a line before everything that takes long.
    pub fn ensure(cache: &Path, say: &mut dyn FnMut(&str)) -> Result<Self, Error> {
        prerequisites::ensure(&[Tool::Java, Tool::Maven, Tool::Redis], say)?;
        fs::create_dir_all(cache).map_err(Error::file("create", cache))?;
        let cache = cache
            .canonicalize()
            .map_err(Error::file("use the directory", cache))?;
        Ok(Self {
            java: prerequisites::find("java")?,
            redis_server: prerequisites::find("redis-server")?,
            jars: ensure_jars(&cache, say)?,
        })
    }

    pub(crate) fn java(&self) -> &Path {
        &self.java
    }

    pub(crate) fn redis_server(&self) -> &Path {
        &self.redis_server
    }

    /// Java itself expands the star.
    pub(crate) fn class_path(&self) -> OsString {
        self.jars.join("*").into()
    }
}

/// The directory of the jars. It is complete when the pom beside it, written last, is the one of this build.
fn ensure_jars(cache: &Path, say: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
    let jars = cache.join("kafka");
    let marker = cache.join("kafka.pom.xml");
    // Several test processes may want the jars at once: one fetches, the others wait here. Closing unlocks.
    let lock_path = cache.join("lock");
    let lock = File::create(&lock_path).map_err(Error::file("create", &lock_path))?;
    lock.lock().map_err(Error::file("lock", &lock_path))?;
    if fs::read_to_string(&marker).is_ok_and(|fetched| fetched == POM) {
        return Ok(jars);
    }
    say("fetching Apache Kafka's jars through Maven, once (54 MB)");
    // What an interrupted fetch or another version left behind must not end up on the class path.
    for leftover in [&marker, &jars] {
        let removed = if leftover.is_dir() {
            fs::remove_dir_all(leftover)
        } else {
            fs::remove_file(leftover)
        };
        removed
            .or_else(|error| if leftover.exists() { Err(error) } else { Ok(()) })
            .map_err(Error::file("remove", leftover))?;
    }
    let pom = cache.join("pom.xml");
    fs::write(&pom, POM).map_err(Error::file("write", &pom))?;
    let mut command = Command::new(prerequisites::find("mvn")?);
    command.args([
        "--batch-mode",
        "--no-transfer-progress",
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
    ]);
    command
        .arg("--file")
        .arg(&pom)
        .arg(format!("-DoutputDirectory={}", jars.display()));
    server::run("fetching Kafka's jars", &mut command, &cache.join("maven.log"))?;
    fs::write(&marker, POM).map_err(Error::file("write", &marker))?;
    Ok(jars)
}
