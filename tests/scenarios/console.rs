//! The console in a real browser, over `angarium dev`: a person adds a webhook, tests it, saves it, and sees it deliver, fail and
//! recover; with scripts and without.
//!
//! `console/browser.cjs` is the person. With scripts it also has axe look at each page, in both themes, and looks whether a
//! screen of 320 px is enough. `ANGARIUM_TEST_PICTURES=FOLDER` keeps pictures of the pages.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use angarium_testkit::{process, public_libraries};

/// `angarium dev`, ended with the test.
struct Dev {
    child: Child,
    /// Where the console, and ingest, are.
    console: String,
    ingest: String,
    key: String,
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Dev {
    fn start() -> Self {
        let ports = [
            "http",
            "grpc",
            "registry",
            "registry-http",
            "fanout",
            "delivery",
            "metrics",
            "console",
        ];
        let mut child = Command::new(process::binary().unwrap())
            .arg("dev")
            .args(ports.map(|port| format!("--{port}-port=0")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut dev = Self {
            child,
            console: String::new(),
            ingest: String::new(),
            key: String::new(),
        };
        for line in told.by_ref().map(Result::unwrap) {
            let first = line
                .split([' ', ','])
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>();
            match first.as_slice() {
                ["console", address, ..] => dev.console = (*address).to_owned(),
                ["ingest", address, ..] => dev.ingest = (*address).to_owned(),
                [.., "Bearer", key, "\\"] if dev.key.is_empty() => {
                    dev.key = key.trim_end_matches('\'').to_owned();
                }
                ["Ctrl-C", ..] => return dev.reading_on(told),
                _ => {}
            }
        }
        let mut why = String::new();
        let mut stderr = dev.child.stderr.take().unwrap();
        stderr.read_to_string(&mut why).unwrap();
        panic!("dev ended before it was ready: {why}");
    }

    /// What it tells from now on is nobody's concern, but must not be in its way.
    fn reading_on(mut self, told: impl Iterator<Item = std::io::Result<String>> + Send + 'static) -> Self {
        let mut stderr = self.child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        std::thread::spawn(move || told.for_each(drop));
        self
    }
}

#[expect(clippy::disallowed_methods, reason = "tests have no settings of their own")]
fn pictures() -> String {
    std::env::var("ANGARIUM_TEST_PICTURES").unwrap_or_default()
}

fn goes_through(scripts: &str, pictures: &str) {
    let dev = Dev::start();
    let tools = public_libraries::tools().unwrap();
    let output = Command::new("node")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/scenarios/console/browser.cjs"
        ))
        .env("NODE_PATH", tools.join("node/node_modules"))
        .env("CHROMIUM", "chromium")
        .env("CONSOLE", &dev.console)
        .env("INGEST", &dev.ingest)
        .env("KEY", &dev.key)
        .env("SCRIPTS", scripts)
        .env("PICTURES", pictures)
        .output()
        .unwrap();
    let wrote = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "scripts {scripts}: {wrote}");
}

#[test]
fn w6_a_person_adds_tests_saves_and_watches_a_webhook_fail_and_recover_in_a_browser() {
    goes_through("on", &pictures());
}

#[test]
fn w6_all_of_it_works_without_scripts() {
    goes_through("off", "");
}
