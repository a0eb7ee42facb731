use std::path::Path;

use angarium_model::{AccountId, AccountRef, ExternalId};

use super::super::document::{Document, Entry, nowhere};
use super::super::load::{Ids, Types};
use super::super::show;
use super::*;
use crate::account_ref::Named;
use crate::cli::Shape;

const FULL: &str = r#"
account: 7
webhooks:
  - name: payroll
    description: |
      Enrolments, for payroll.
    url: https://example.com/hook
    authentication: {method: basic, username: us, secretFile: password}
    events: [COURSE_ENROLLMENT, 'LEARNER_*']
    filter: data.loType == "course"
    active: false
    timetable: {cron: '*/5 * * * *', timeZone: Europe/Rome}
    headers: [{name: X-Team, value: payroll}]
    contacts: [ops@example.com]
    tags: {team: payroll, env: test}
    ordering: unordered
    payloadFormat: single
    limits: {maxGroupEvents: 5, maxInFlight: 3}
    deadLetterAfter: 4
  - name: all
    url: https://example.com/all
    authentication: {method: signature}
    events: ['*']
    tags: {team: payroll, env: test}
---
account: 8
webhooks: []
"#;

fn ids() -> Ids {
    Ids::from([(ExternalId::new("acme").unwrap(), 7)])
}

fn given(text: &str) -> Given {
    Given::parse(Path::new("webhooks.yaml"), text, &ids(), Types::new()).unwrap()
}

fn refused(text: &str) -> String {
    Given::parse(Path::new("webhooks.yaml"), text, &ids(), Types::new())
        .err()
        .unwrap()
        .to_string()
}

/// What the registry has once the file is applied to nothing.
fn applied(given: &Given) -> Stored {
    let mut stored: Stored = given
        .accounts
        .iter()
        .map(|account| (*account, Vec::new()))
        .collect();
    for (index, wanted) in given.wanted.iter().enumerate() {
        let mut webhook = wanted.webhook.clone();
        webhook.id = format!("wh_{index:032}");
        webhook.revision = 40 + i64::try_from(index).unwrap();
        stored.get_mut(&wanted.account).unwrap().push(webhook);
    }
    stored
}

fn told(plan: &Plan<'_>) -> String {
    show::all(Shape::Table, plan, true)
}

fn tags(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_file_is_applied_once_and_then_nothing_changes() {
    let given = given(FULL);
    let stored = applied(&given);
    let (plan, _) = Plan::make(&given, &Stored::new(), &[]);
    assert_eq!(plan.counts(), [2, 0, 0]);
    let (plan, mistakes) = Plan::make(&given, &stored, &[]);
    mistakes.told(&given.path).unwrap();
    assert_eq!(
        told(&plan),
        "0 to create, 0 to change, 0 to delete; 2 as they should be\n"
    );
}

#[test]
fn what_is_exported_is_what_there_is_so_that_applying_it_changes_nothing() {
    let stored = applied(&given(FULL));
    let entries = stored[&7]
        .iter()
        .map(|webhook| nowhere(Entry::from_wire(webhook, false).unwrap()));
    let document = Document {
        account: nowhere(Named(AccountRef::Id(AccountId::new(7).unwrap()))),
        webhooks: entries.collect(),
    };
    let text = serde_saphyr::to_string(&document).unwrap();
    let again = given(&text);
    let (plan, _) = Plan::make(&again, &stored, &[]);
    assert_eq!(
        (plan.changes.len(), plan.unchanged),
        (0, 2),
        "{text}\n{}",
        told(&plan)
    );
    // JSON is YAML.
    let json = given(&serde_json::to_string_pretty(&document).unwrap());
    assert!(Plan::make(&json, &stored, &[]).0.changes.is_empty());
}

#[test]
fn what_differs_is_told_field_by_field_and_no_other_field_is_named() {
    let given = given(FULL);
    let mut stored = applied(&given);
    let payroll = &mut stored.get_mut(&7).unwrap()[0];
    payroll.tags.clear();
    payroll.target_url = "https://old.example.com/".into();
    let (plan, _) = Plan::make(&given, &stored, &[]);
    let expected = "\
~ account 7: change \"payroll\", wh_00000000000000000000000000000000
    url: \"https://old.example.com/\" → \"https://example.com/hook\"
    tags: {} → {\"env\":\"test\",\"team\":\"payroll\"}
0 to create, 1 to change, 0 to delete; 1 as they should be
";
    assert_eq!(told(&plan), expected);
    let Step::Update(_, before, paths) = &plan.changes[0].step else {
        panic!("it is an update")
    };
    // The password goes along to another host, and no one else's change is overwritten.
    let paths: Vec<&str> = paths.iter().copied().collect();
    assert_eq!(paths, ["authentication", "tags", "target_url"]);
    assert_eq!((before.revision, plan.changes[0].webhook.revision), (40, 40));
    assert_eq!(plan.changes[0].secret_file, Some(&PathBuf::from("password")));
}

#[test]
fn w7_one_that_was_switched_off_stays_off_unless_the_file_says_that_it_is_on() {
    let text = FULL.replace("active: false", "");
    let left_out = given(&text);
    let mut stored = applied(&left_out);
    stored.get_mut(&7).unwrap()[0].active = Some(false);
    assert!(Plan::make(&left_out, &stored, &[]).0.changes.is_empty());
    let on = given(&FULL.replace("active: false", "active: true"));
    let (plan, _) = Plan::make(&on, &stored, &[]);
    assert!(told(&plan).contains("active: false → true"), "{}", told(&plan));
}

#[test]
fn w2_what_calls_will_carry_must_be_named_unless_the_registry_has_it() {
    let nameless = given(&FULL.replace(", secretFile: password", ""));
    let stored = applied(&nameless);
    let told = |stored: &Stored| {
        let (_, mistakes) = Plan::make(&nameless, stored, &[]);
        mistakes.told(&nameless.path).err().map(|error| error.to_string())
    };
    assert_eq!(told(&stored), None, "it is kept");
    let mut signing = stored.clone();
    let payroll = &mut signing.get_mut(&7).unwrap()[0];
    payroll.authentication = stored[&7][1].authentication.clone();
    for lacking in [Stored::new(), signing] {
        let told = told(&lacking).unwrap();
        let place = "webhooks.yaml:8: webhooks[0]: authentication.secretFile: is required";
        assert!(told.contains(place), "{told}");
    }
}

#[test]
fn only_webhooks_with_all_tags_are_pruned_and_only_of_the_accounts_of_the_file() {
    let whole = given(FULL);
    let mut stored = applied(&whole);
    let mut odd = stored[&7][1].clone();
    odd.id = format!("wh_{}", "9".repeat(32));
    odd.name = "other".into();
    odd.tags.remove("env");
    stored.get_mut(&7).unwrap().push(odd);
    let start = FULL.find("  - name: all").unwrap();
    let end = FULL.find("---").unwrap();
    let less = given(&[&FULL[..start], &FULL[end..]].concat());
    assert!(
        Plan::make(&less, &stored, &[]).0.changes.is_empty(),
        "nobody asked"
    );
    let (plan, mistakes) = Plan::make(&less, &stored, &tags(&[("team", "payroll"), ("env", "test")]));
    mistakes.told(&less.path).unwrap();
    assert_eq!(plan.counts(), [0, 0, 1]);
    assert!(
        told(&plan).starts_with("- account 7: delete \"all\", wh_"),
        "{}",
        told(&plan)
    );
    let (_, mistakes) = Plan::make(&less, &stored, &tags(&[("team", "sales")]));
    let told = mistakes.told(&less.path).unwrap_err().to_string();
    assert!(
        told.contains("webhooks.yaml:4: webhooks[0]: tags: lacks team=sales"),
        "{told}"
    );
}

#[test]
fn a_name_that_two_have_is_refused_until_an_id_says_which() {
    let first = given(FULL);
    let mut stored = applied(&first);
    stored.get_mut(&7).unwrap()[1].name = "payroll".into();
    let (_, mistakes) = Plan::make(&first, &stored, &[]);
    let told = mistakes.told(&first.path).unwrap_err().to_string();
    let both = format!("wh_{:032} and wh_{:032} have it", 0, 1);
    assert!(told.contains(&both), "{told}");
    let named = FULL.replace(
        "  - name: all",
        "  - id: wh_00000000000000000000000000000001\n    name: all",
    );
    let named = given(&named.replace(
        "  - name: payroll",
        "  - id: wh_00000000000000000000000000000000\n    name: payroll",
    ));
    let (plan, mistakes) = Plan::make(&named, &stored, &[]);
    mistakes.told(&named.path).unwrap();
    let told = super::super::show::all(Shape::Table, &plan, true);
    assert!(told.contains("name: \"payroll\" → \"all\""), "{told}");
    let gone = given(&FULL.replace(
        "  - name: all",
        "  - id: wh_99999999999999999999999999999999\n    name: all",
    ));
    let (_, mistakes) = Plan::make(&gone, &stored, &[]);
    assert!(
        mistakes
            .told(&gone.path)
            .unwrap_err()
            .to_string()
            .contains("account 7 has no wh_9999")
    );
}

#[test]
fn w1_every_mistake_of_a_file_is_told_with_its_line_and_field() {
    let wrong = FULL
        .replace("https://example.com/hook", "ftp://example.com/")
        .replace("'LEARNER_*'", "LEARNER_PROGRES")
        .replace("X-Team", "Host")
        .replace("maxGroupEvents: 5", "maxGroupEvents: 500")
        .replace("username: us, ", "")
        .replace("account: 8", "account: 7");
    let told = refused(&wrong);
    for line in [
        "7 mistakes in the file, nothing was changed:\n",
        "\n  webhooks.yaml:7: webhooks[0]: url: ",
        "\n  webhooks.yaml:8: webhooks[0]: authentication.username: goes with method basic",
        "\n  webhooks.yaml:8: webhooks[0]: authentication.username: ",
        "\n  webhooks.yaml:9: webhooks[0]: events[1]: there is no event type LEARNER_PROGRES; did you mean LEARNER_PROGRESS?",
        "\n  webhooks.yaml:13: webhooks[0]: headers[0].name: ",
        "\n  webhooks.yaml:18: webhooks[0]: limits.maxGroupEvents: ",
        "\n  webhooks.yaml:26: account 7 has a document before this one",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let unknown = refused(&FULL.replace("deadLetterAfter", "deadLeterAfter"));
    assert!(
        unknown.contains("deadLeterAfter") && unknown.contains("deadLetterAfter"),
        "{unknown}"
    );
    assert!(unknown.contains("19"), "{unknown}");
}

#[test]
fn an_account_is_named_by_its_external_id_as_well_and_by_one_that_there_is() {
    let text = "account: ext:acme\nwebhooks: []\n";
    assert_eq!(given(text).accounts, [7].into());
    let twice = refused(&format!("{text}---\naccount: 7\nwebhooks: []\n"));
    assert!(
        twice.contains(":4: account 7 has a document before this one"),
        "{twice}"
    );
    let nobody = refused("account: ext:acme-eu\nwebhooks: []\n");
    assert!(
        nobody.contains(":1: account: there is no ext:acme-eu"),
        "{nobody}"
    );
    let neither = refused("account: acme\nwebhooks: []\n");
    assert!(neither.contains("or by `ext:` and its external id"), "{neither}");
}
