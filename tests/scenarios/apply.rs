//! Webhooks as a file says: applied once, then nothing changes; exported, and nothing changes; pruned by their tag.

use std::fs;
use std::process::Command;

use angarium_testkit::process;
use angarium_testkit::stack::{Backends, Stack};
use serde_json::Value;

const ACCOUNT: u64 = 1;
const PASSWORD: &str = "correct horse battery staple";

/// `--dry-run` found something to change.
const WOULD_CHANGE: i32 = 3;

struct World {
    stack: Stack,
    dir: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let stack = Stack::start(&Backends::shared().unwrap()).await.unwrap();
        stack.create_account(ACCOUNT).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        fs::create_dir(dir.path().join("secrets")).unwrap();
        Self { stack, dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, text: &str) -> String {
        let path = self.path("webhooks.yaml");
        fs::write(&path, text).unwrap();
        path
    }

    /// Applies a file; what it shows.
    fn apply(&self, file: &str, flags: &[&str]) -> String {
        let secrets = self.path("secrets");
        let apply = [&["apply", "-f", file, "--secrets", &secrets], flags].concat();
        process::run(&apply, self.stack.env()).unwrap()
    }

    /// Its exit code and what it shows, of what would change.
    fn dry_run(&self, file: &str, flags: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(process::binary().unwrap())
            .args(["apply", "-f", file, "--dry-run"])
            .args(flags)
            .envs(self.stack.env())
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), told)
    }

    fn webhooks(&self) -> Value {
        let list = ["webhook", "list", "--account", "1", "--output", "json"];
        serde_json::from_str(&process::run(&list, self.stack.env()).unwrap()).unwrap()
    }
}

fn webhook(name: &str, url: &str, authentication: &str) -> String {
    format!(
        "  - name: {name}\n    url: {url}\n    authentication: {authentication}\n    events: [COURSE_ENROLLMENT, 'LEARNER_*']\n    \
         tags: {{from: file}}\n    headers: [{{name: X-Team, value: {name}}}]\n    timetable: {{cron: '*/5 * * * *'}}\n"
    )
}

#[tokio::test]
async fn w4_a_file_is_applied_once_exported_changed_and_pruned_and_no_secret_is_shown() {
    let world = World::start().await;
    let signed = webhook("signed", "http://127.0.0.1:9/a", "{method: signature}");
    let basic = "{method: basic, username: us, secretFile: password}";
    let carried = webhook("carried", "http://127.0.0.1:9/b", basic);
    let file = world.write(&format!("account: 1\nwebhooks:\n{signed}{carried}"));

    let (code, told) = world.dry_run(&file, &[]);
    assert_eq!(code, Some(WOULD_CHANGE), "{told}");
    assert!(
        told.ends_with("2 to create, 0 to change, 0 to delete; 0 as they should be\n"),
        "{told}"
    );
    assert_eq!(world.webhooks(), Value::Array(Vec::new()), "nothing is written");

    let shown = world.apply(&file, &[]);
    assert!(
        shown.contains("2 created, 0 changed, 0 deleted; 0 as they should be\n"),
        "{shown}"
    );
    let document = fs::read_to_string(world.path("secrets/1-signed.json")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    assert!(
        !shown.contains(document["secret"].as_str().unwrap()) && !shown.contains(PASSWORD),
        "{shown}"
    );
    let before = world.webhooks();
    assert_eq!(before[0]["secrets"][0]["fingerprint"], document["fingerprint"]);

    // Once more, and what is exported: nothing changes, not even a revision.
    for output in ["table", "json"] {
        let export = ["webhook", "export", "--account", "1", "--output", output];
        let text = process::run(&export, world.stack.env()).unwrap();
        assert!(!text.contains(PASSWORD), "{text}");
        fs::write(world.path("exported.yaml"), text).unwrap();
        for file in [&file, &world.path("exported.yaml")] {
            let (code, told) = world.dry_run(file, &[]);
            assert_eq!(code, Some(0), "{told}");
            world.apply(file, &[]);
        }
    }
    assert_eq!(world.webhooks(), before);

    // A path of the same host, a webhook that left the file, and one of other tags that stays.
    let stays = [
        "webhook",
        "create",
        "--account",
        "1",
        "--name",
        "by hand",
        "--url",
        "http://127.0.0.1:9/c",
    ];
    let stays = [&stays[..], &["--events", "*", "--no-auth", "--tag", "from=hand"]].concat();
    process::run(&stays, world.stack.env()).unwrap();
    let file = world.write(&format!("account: 1\nwebhooks:\n{}", carried.replace("/b", "/d")));
    let prune = ["--prune", "--tag", "from=file"];
    let (code, told) = world.dry_run(&file, &prune);
    assert_eq!(code, Some(WOULD_CHANGE));
    assert!(
        told.contains("url: \"http://127.0.0.1:9/b\" → \"http://127.0.0.1:9/d\"\n"),
        "{told}"
    );
    let shown = world.apply(&file, &prune);
    assert!(
        shown.ends_with("0 created, 1 changed, 1 deleted; 0 as they should be\n"),
        "{shown}"
    );
    let after = world.webhooks();
    let names: Vec<&str> = after
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["carried", "by hand"]);
}

#[tokio::test]
async fn w1_a_file_with_mistakes_changes_nothing_and_tells_each_with_its_line() {
    let world = World::start().await;
    let good = webhook("good", "http://127.0.0.1:9/a", "{method: none}");
    let bad = webhook("bad", "ftp://127.0.0.1/", "{method: none}").replace("LEARNER_*", "LERNER_*");
    let file = world.write(&format!("account: 1\nwebhooks:\n{good}{bad}"));
    let output = Command::new(process::binary().unwrap())
        .args(["apply", "-f", &file])
        .envs(world.stack.env())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    for place in [
        "webhooks.yaml:11: webhooks[1]: url: ",
        "webhooks.yaml:13: webhooks[1]: events[1]: ",
    ] {
        assert!(told.contains(place), "{told}");
    }
    assert_eq!(world.webhooks(), Value::Array(Vec::new()));
}
