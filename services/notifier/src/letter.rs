//! What a mail says: as text, and as HTML in which nothing that others wrote is taken for markup.

use std::time::Duration;

use angarium_model::Lane;
use angarium_policy::RETENTION;
use angarium_proto::journal::v1::Expired;
use angarium_proto::notice::v1::{DeadLetter, Failing, Recovered};
use angarium_proto::registry::v1::{Disabled, DisabledReason};
use angarium_runtime::millis;
use askama::Template;

use crate::decide::{News, What};
use crate::subject::Subject;
use crate::words::{Value, Words};

/// That events expire is said so long before (D5).
const SOON: Duration = Duration::from_hours(24);
/// The longest that something others wrote may be in a mail, in characters.
const LONGEST: usize = 200;

/// A mail, but for whom it is to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// What the HTML is made of.
#[derive(Template)]
#[template(path = "mail.html")]
struct Page<'a> {
    language: &'a str,
    subject: &'a str,
    says: &'a [String],
    facts: &'a [(String, String)],
    to_do: &'a str,
    action: &'a str,
    page: Option<(String, String)>,
    why_you: &'a str,
}

/// What it says of what happened.
struct Said {
    subject: String,
    says: Vec<String>,
    facts: Vec<(&'static str, String)>,
    action: String,
}

/// A mail of this news about this webhook, whose page is at `page`.
///
/// # Errors
/// When the template cannot be filled in.
pub(crate) fn write(
    words: &Words,
    news: &News,
    subject: &Subject,
    page: Option<String>,
) -> Result<Letter, askama::Error> {
    let name = short(&subject.name);
    let said = match &news.what {
        What::StillFailing(failing) => still_failing(words, &name, failing, news.at_ms),
        What::Recovered(recovered) => self::recovered(words, &name, recovered),
        What::Disabled(disabled) => self::disabled(words, &name, disabled),
        What::Expired(expired) => self::expired(words, &name, expired),
        What::DeadLetter(dead_letter) => self::dead_letter(words, &name, dead_letter),
    };
    let lane = match news.lane {
        Lane::Realtime => "lane-realtime",
        Lane::Batch => "lane-batch",
    };
    let mut facts = vec![
        ("fact-webhook", format!("{name} ({})", news.webhook)),
        (
            "fact-account",
            format!("{} ({})", short(&subject.account_name), news.account),
        ),
        ("fact-receiver", short(&subject.receiver)),
        ("fact-class", words.say(lane, &[])),
    ];
    facts.extend(said.facts);
    let facts: Vec<_> = facts
        .into_iter()
        .map(|(label, value)| (words.say(label, &[]), value))
        .collect();
    let why_you = words.say(
        if subject.is_fallback {
            "why-you-fallback"
        } else {
            "why-you"
        },
        &[],
    );
    let to_do = words.say("to-do", &[]);
    let page = page.map(|link| (link, words.say("open-page", &[])));
    let html = Page {
        language: words.tag(),
        subject: &said.subject,
        says: &said.says,
        facts: &facts,
        to_do: &to_do,
        action: &said.action,
        page: page.clone(),
        why_you: &why_you,
    };
    let html = html.render()?;
    let mut text = said.says.join("\n\n");
    text.push_str("\n\n");
    for (label, value) in &facts {
        text.push_str(&format!("{label}: {value}\n"));
    }
    text.push_str(&format!("\n{to_do}\n{}\n", said.action));
    if let Some((link, label)) = page {
        text.push_str(&format!("\n{label}: {link}\n"));
    }
    text.push_str(&format!("\n-- \n{why_you}\n"));
    Ok(Letter {
        subject: said.subject,
        text,
        html,
    })
}

fn still_failing(words: &Words, name: &str, failing: &Failing, now_ms: i64) -> Said {
    let since = words.time(failing.since_ms);
    let expires_ms = failing.since_ms.saturating_add(millis(RETENTION));
    let is_soon = expires_ms.saturating_sub(now_ms) <= millis(SOON);
    let expires = words.time(expires_ms);
    let warning = if is_soon {
        "still-failing-expires-soon"
    } else {
        "still-failing-expires"
    };
    Said {
        subject: words.say(
            "still-failing-subject",
            &[("name", Value::Text(name)), ("since", Value::Text(&since))],
        ),
        says: vec![
            words.say("still-failing-says", &[("since", Value::Text(&since))]),
            words.say(warning, &[("expires", Value::Text(&expires))]),
        ],
        facts: vec![
            ("fact-since", since),
            ("fact-attempts", failing.attempts.to_string()),
            ("fact-answer", short(&failing.error_detail)),
            ("fact-next", words.time(failing.next_attempt_at_ms)),
        ],
        action: words.say("still-failing-do", &[]),
    }
}

fn recovered(words: &Words, name: &str, recovered: &Recovered) -> Said {
    let since = words.time(recovered.since_ms);
    Said {
        subject: words.say("recovered-subject", &[("name", Value::Text(name))]),
        says: vec![words.say("recovered-says", &[("since", Value::Text(&since))])],
        facts: vec![
            ("fact-since", since),
            ("fact-attempts", recovered.attempts.to_string()),
        ],
        action: words.say("recovered-do", &[]),
    }
}

fn disabled(words: &Words, name: &str, disabled: &Disabled) -> Said {
    let says = if disabled.reason() == DisabledReason::Gone {
        "disabled-gone-says"
    } else {
        "disabled-retention-says"
    };
    Said {
        subject: words.say("disabled-subject", &[("name", Value::Text(name))]),
        says: vec![words.say(says, &[])],
        facts: vec![("fact-detail", short(&disabled.detail))],
        action: words.say("disabled-do", &[]),
    }
}

fn expired(words: &Words, name: &str, expired: &Expired) -> Said {
    let says = if expired.removed.is_some() {
        "expired-removed-says"
    } else {
        "expired-says"
    };
    Said {
        subject: words.say("expired-subject", &[("name", Value::Text(name))]),
        says: vec![words.say(says, &[("count", Value::Number(expired.count))])],
        facts: Vec::new(),
        action: words.say("expired-do", &[]),
    }
}

fn dead_letter(words: &Words, name: &str, dead_letter: &DeadLetter) -> Said {
    let event = dead_letter.event.clone().unwrap_or_default();
    let event = short(&format!("{} {}", event.event_name, event.event_id));
    let kept = words.time(dead_letter.kept_until_ms);
    let values = [
        ("event", Value::Text(&event)),
        ("status", Value::Number(dead_letter.status.into())),
    ];
    Said {
        subject: words.say("dead-letter-subject", &[("name", Value::Text(name))]),
        says: vec![words.say("dead-letter-says", &values)],
        facts: vec![("fact-attempts", dead_letter.attempts.to_string())],
        action: words.say("dead-letter-do", &[("kept", Value::Text(&kept))]),
    }
}

/// Whether it makes a line read other than it is written: marks of direction, and what ends a line for some programs.
const fn reorders(c: char) -> bool {
    matches!(
        c,
        '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

/// What others wrote, on one line and not too long.
fn short(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() || reorders(c) { ' ' } else { c })
        .take(LONGEST + 1)
        .collect();
    if line.chars().count() > LONGEST {
        line = line.chars().take(LONGEST - 1).collect();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use angarium_model::{AccountId, WebhookId};
    use angarium_proto::journal::v1::EventReference;

    use super::*;
    use crate::config::Language;

    const DAY_MS: i64 = 24 * 3_600 * 1_000;
    const SINCE_MS: i64 = 1_795_745_040_000;

    fn news(at_ms: i64, what: What) -> News {
        News {
            account: AccountId::new(1234).unwrap(),
            webhook: WebhookId::from_bytes([7; 16]),
            lane: Lane::Realtime,
            at_ms,
            what,
        }
    }

    fn subject(name: &str) -> Subject {
        Subject {
            name: name.to_owned(),
            account_name: "Acme".to_owned(),
            receiver: "https://hooks.example.com".to_owned(),
            contacts: Vec::new(),
            is_fallback: false,
        }
    }

    fn failing() -> What {
        What::StillFailing(Failing {
            since_ms: SINCE_MS,
            attempts: 42,
            error_class: "server_error".to_owned(),
            error_detail: "answered 500 Internal Server Error".to_owned(),
            next_attempt_at_ms: SINCE_MS + 900_000,
        })
    }

    fn letter(language: Language, at_ms: i64, what: What) -> Letter {
        let page = Some("https://console.example.com/accounts/1234/webhooks/wh_1".to_owned());
        write(&Words::of(language), &news(at_ms, what), &subject("orders"), page).unwrap()
    }

    #[test]
    fn d4_a_mail_says_what_happened_since_when_the_last_answer_and_what_to_do_in_both_parts() {
        let mail = letter(Language::English, SINCE_MS + 900_000, failing());
        assert_eq!(
            mail.subject,
            "Webhook \"orders\" has failed since 2026-11-27 02:04 UTC"
        );
        for part in [&mail.text, &mail.html] {
            for said in [
                "answered 500 Internal Server Error",
                "42",
                "lost from 2026-12-04 02:04 UTC on at the latest",
                "within 5 seconds",
                "https://console.example.com/accounts/1234/webhooks/wh_1",
                "Acme (1234)",
            ] {
                assert!(part.contains(said), "{said} is not in\n{part}");
            }
        }
        let german = letter(Language::German, SINCE_MS + 900_000, failing());
        assert!(
            german.text.contains("innerhalb von 5 Sekunden"),
            "{}",
            german.text
        );
        assert!(german.html.contains("<html lang=\"de\">"));
    }

    #[test]
    fn d5_a_day_before_events_expire_the_reminder_says_so() {
        let mail = letter(Language::English, SINCE_MS + 6 * DAY_MS + 900_000, failing());
        assert!(
            mail.text
                .contains("expire within a day: from 2026-12-04 02:04 UTC on"),
            "{}",
            mail.text
        );
        let before = letter(Language::English, SINCE_MS + 5 * DAY_MS + 900_000, failing());
        assert!(!before.text.contains("within a day"), "{}", before.text);
    }

    #[test]
    fn d3_each_kind_of_news_has_its_words() {
        let of = |what| letter(Language::English, SINCE_MS, what).text;
        let gone = Disabled {
            reason: DisabledReason::Gone.into(),
            ..Disabled::default()
        };
        assert!(of(What::Disabled(gone)).contains("410 Gone"));
        let retention = Disabled {
            reason: DisabledReason::FailedForRetention.into(),
            ..Disabled::default()
        };
        assert!(of(What::Disabled(retention)).contains("for 7 days"));
        let lost = Expired {
            count: 3,
            ..Expired::default()
        };
        assert!(of(What::Expired(lost)).contains("3 events were not sent"));
        let aside = DeadLetter {
            event: Some(EventReference {
                event_name: "CI_STATS".to_owned(),
                event_id: "e-1".to_owned(),
                ..EventReference::default()
            }),
            status: 422,
            ..DeadLetter::default()
        };
        assert!(of(What::DeadLetter(aside)).contains("CI_STATS e-1 with status 422"));
    }

    #[test]
    fn what_others_wrote_is_no_markup_and_no_line_of_its_own() {
        let name = "x\r\nBcc: all@example.com <script>alert(1)</script>";
        let mail = write(
            &Words::of(Language::English),
            &news(SINCE_MS, failing()),
            &subject(name),
            None,
        )
        .unwrap();
        assert!(!mail.html.contains("<script"), "{}", mail.html);
        assert!(!mail.subject.contains(['\r', '\n']), "{}", mail.subject);
        assert!(!mail.text.contains("\nBcc"), "{}", mail.text);
        assert_eq!(short("pay\u{202e}lap\u{2028}Bcc"), "pay lap Bcc");
        assert!(short(&"ä".repeat(1_000)).ends_with("ä…"));
        assert_eq!(short(&"ä".repeat(1_000)).chars().count(), LONGEST);
    }
}
