//! The table: a row for each thing that is told, in columns that fit a terminal of 100.

use angarium_model::Position;

use super::publisher::{Mistake, Refusal};
use super::screen::{ASIDE, BAD, GOOD, HEADING, WAITING, styled};

/// The longest name of the catalogue fits.
const NAME: usize = 43;
const POSITION: usize = 7;
const WEBHOOKS: usize = 8;
const DELIVERED: usize = 13;
const SIGNATURE: usize = 9;
const TOOK: usize = 8;
/// What is left for free text at the end of a row that has name, position and webhooks.
const REST: usize = 35;
/// The longest line of a sample that is shown with a mark under it.
const EXCERPT: usize = 88;

/// What our receiver says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    Verified,
    Wrong,
    /// The request went to another receiver than ours.
    Elsewhere,
}

/// An event that a receiver has confirmed.
#[derive(Clone, Debug)]
pub(super) struct Confirmed {
    pub(super) name: String,
    pub(super) position: Position,
    pub(super) webhooks: usize,
    pub(super) status: u32,
    /// Of the call.
    pub(super) duration_us: u64,
    pub(super) signature: Signature,
    /// From acceptance to receipt.
    pub(super) took_ms: Option<i64>,
}

/// What is told.
#[derive(Clone, Debug)]
pub(super) enum Row {
    Renamed {
        title: &'static str,
    },
    Refused {
        title: &'static str,
        refusal: Refusal,
    },
    Duplicate {
        name: String,
        position: Position,
    },
    Unmatched {
        name: String,
        position: Position,
        inactive: usize,
    },
    Waiting {
        name: String,
        position: Position,
        webhooks: usize,
        every: Option<&'static str>,
    },
    Confirmed(Confirmed),
    Failed {
        name: String,
        position: Position,
        others: usize,
        attempt: u32,
        why: String,
        again_in_ms: Option<i64>,
    },
    Expired {
        webhook: String,
        count: u64,
    },
    Removed {
        webhook: String,
        at_most: u64,
    },
}

/// The row as text, with colours.
pub(super) fn render(row: &Row) -> String {
    match row {
        Row::Renamed { title } => aside(&format!(
            "published as {title}, but its eventName is what counts:"
        )),
        Row::Refused { title, refusal } => refused(title, refusal),
        Row::Duplicate { name, position } => {
            format!(
                "{} a repeat: not produced again\n",
                start(WAITING, '=', name, *position, "")
            )
        }
        Row::Unmatched {
            name,
            position,
            inactive,
        } => {
            let off = if *inactive == 0 {
                String::new()
            } else {
                format!("; {inactive} switched off")
            };
            let text = styled(ASIDE, &format!("no webhook takes it{off}"));
            format!("{} {text}\n", start(ASIDE, '·', name, *position, "0"))
        }
        Row::Waiting {
            name,
            position,
            webhooks,
            every,
        } => {
            let every = every.map(|every| format!(" ({every})")).unwrap_or_default();
            let text = styled(WAITING, &format!("waits for its timetable{every}"));
            format!(
                "{} {text}\n",
                start(WAITING, '…', name, *position, &webhooks.to_string())
            )
        }
        Row::Confirmed(confirmed) => self::confirmed(confirmed),
        Row::Failed {
            name,
            position,
            others,
            attempt,
            why,
            again_in_ms,
        } => {
            let again = again_in_ms
                .map(|ms| format!("; again in {}", duration(ms)))
                .unwrap_or_default();
            let more = if *others == 0 {
                String::new()
            } else {
                format!(" and {others} more")
            };
            let what = format!("attempt {attempt} failed{again}");
            let first = start(BAD, '✗', name, *position, "");
            format!(
                "{first} {}\n{}",
                styled(BAD, &shortened(&what, REST)),
                aside(&format!("{name}{more}: {why}"))
            )
        }
        Row::Expired { webhook, count } => aside(&format!(
            "{count} events of {webhook} were older than 7 days and are not sent"
        )),
        Row::Removed { webhook, at_most } => aside(&format!(
            "events of {webhook}, at most {at_most}, are no longer in Kafka and are not sent"
        )),
    }
}

/// What the first event is for.
pub(super) fn warm_up_heading() -> String {
    let heading = styled(
        HEADING,
        "A first event, of account 1010, shows when everything is ready",
    );
    let aside = styled(ASIDE, "(Kafka takes some seconds to hand out its partitions)");
    format!("\n{heading}\n{aside}\n{}", header())
}

/// What comes after it.
pub(super) fn samples_heading() -> String {
    let heading = styled(
        HEADING,
        "The 27 published samples, of account 1234, mistakes included",
    );
    format!("\n{heading}\n{}", header())
}

/// The names of the columns.
fn header() -> String {
    let text = format!(
        "   {:NAME$} {:POSITION$} {:WEBHOOKS$} {:DELIVERED$} {:SIGNATURE$} {:>TOOK$}",
        "EVENT", "AT", "WEBHOOKS", "DELIVERED", "SIGNATURE", "TOOK"
    );
    format!("{}\n", styled(ASIDE, &text))
}

fn start(style: anstyle::Style, mark: char, name: &str, position: Position, webhooks: &str) -> String {
    let (mark, name, position) = (
        styled(style, &mark.to_string()),
        shortened(name, NAME),
        position.to_string(),
    );
    format!(" {mark} {name:NAME$} {position:POSITION$} {webhooks:WEBHOOKS$}")
}

fn confirmed(confirmed: &Confirmed) -> String {
    let (style, mark, signature) = match confirmed.signature {
        Signature::Verified => (GOOD, '✓', "verified"),
        Signature::Wrong => (BAD, '✗', "wrong"),
        Signature::Elsewhere => (GOOD, '✓', "elsewhere"),
    };
    let webhooks = confirmed.webhooks.to_string();
    let first = start(style, mark, &confirmed.name, confirmed.position, &webhooks);
    let delivered = format!("{} in {}", confirmed.status, call(confirmed.duration_us));
    let signature = styled(style, &format!("{signature:SIGNATURE$}"));
    let took = confirmed.took_ms.map(duration).unwrap_or_default();
    format!("{first} {delivered:DELIVERED$} {signature} {took:>TOOK$}\n")
}

fn refused(title: &str, refusal: &Refusal) -> String {
    let mark = styled(BAD, "✗");
    let reason = styled(BAD, &format!("refused, {}: {}", refusal.status, refusal.title));
    let mut text = format!(" {mark} {:NAME$} {reason}\n", shortened(title, NAME));
    if refusal.errors.is_empty() {
        text.push_str(&aside(&refusal.detail));
    }
    for mistake in &refusal.errors {
        text.push_str(&self::mistake(mistake));
    }
    text
}

/// What is wrong, and the line with a mark under the place.
fn mistake(mistake: &Mistake) -> String {
    let Mistake {
        line: Some(line),
        column: Some(column),
        detail,
        text,
    } = mistake
    else {
        return aside(&mistake.detail);
    };
    let mut told = format!("     line {line}, column {column}: {detail}\n");
    let Some(text) = text else { return told };
    let number = styled(ASIDE, &format!("{line:>7} │"));
    told.push_str(&format!("{number} {}\n", shortened(text, EXCERPT)));
    // Of a long line the text is a piece, in which the column means nothing.
    if text.chars().count() <= EXCERPT && *column <= text.chars().count() + 1 {
        let (gutter, indent) = (styled(ASIDE, "        │"), column - 1);
        told.push_str(&format!("{gutter} {:indent$}{}\n", "", styled(BAD, "^")));
    }
    told
}

fn aside(text: &str) -> String {
    format!("{}\n", styled(ASIDE, &format!("     {text}")))
}

/// The beginning and the end, which tells a `_BATCH` from its twin.
fn shortened(text: &str, width: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= width {
        return text.to_owned();
    }
    let tail = width / 3;
    let head = width - tail - 1;
    chars[..head]
        .iter()
        .chain(&['…'])
        .chain(&chars[chars.len() - tail..])
        .collect()
}

/// A duration in milliseconds, for people.
pub(super) fn duration(ms: i64) -> String {
    if ms < 1_000 {
        format!("{ms} ms")
    } else {
        format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
    }
}

fn call(us: u64) -> String {
    if us < 1_000 {
        format!("{us} µs")
    } else {
        format!("{} ms", us / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    fn plain(row: &Row) -> String {
        strip_str(&render(row)).to_string()
    }

    const POSITION: Position = Position {
        partition: 11,
        offset: 1_234,
    };
    const LONGEST: &str = "LEARNING_OBJECT_INSTANCE_MODIFICATION_BATCH";

    #[test]
    fn rows_are_aligned_with_the_header_and_fit_100_columns() {
        let name = LONGEST.to_owned();
        let rows = [
            Row::Confirmed(Confirmed {
                name: name.clone(),
                position: POSITION,
                webhooks: 1,
                status: 204,
                duration_us: 1_200,
                signature: Signature::Verified,
                took_ms: Some(2_999),
            }),
            Row::Waiting {
                name: name.clone(),
                position: POSITION,
                webhooks: 1,
                every: Some("every 3 s"),
            },
            Row::Unmatched {
                name: name.clone(),
                position: POSITION,
                inactive: 1,
            },
            Row::Duplicate {
                name,
                position: POSITION,
            },
        ];
        let header = strip_str(&header()).to_string();
        let at = header.find("AT").unwrap();
        for row in &rows {
            let line: Vec<char> = plain(row).trim_end_matches('\n').chars().collect();
            assert!(line.len() <= 100, "{} in {row:?}", line.len());
            assert_eq!(line[at..at + 7].iter().collect::<String>(), "11-1234");
        }
        assert!(
            plain(&rows[0]).contains("204 in 1 ms   verified     2.9 s"),
            "{}",
            plain(&rows[0])
        );
    }

    #[test]
    fn e7_a_refusal_shows_the_line_and_points_at_the_place() {
        let mistake = Mistake {
            line: Some(12),
            column: Some(7),
            detail: "remove the comma".to_owned(),
            text: Some("  \"a\":1,".to_owned()),
        };
        let refusal = Refusal {
            status: 400,
            title: "No JSON".to_owned(),
            detail: String::new(),
            errors: vec![mistake],
        };
        let text = plain(&Row::Refused {
            title: "COURSE_UNENROLLMENT",
            refusal,
        });
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].ends_with("refused, 400: No JSON"), "{text}");
        assert_eq!(lines[1], "     line 12, column 7: remove the comma");
        assert_eq!(lines[2], "     12 │   \"a\":1,");
        assert_eq!(lines[3], "        │       ^");
    }

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_end() {
        assert_eq!(shortened(LONGEST, 43), LONGEST);
        let short = shortened(LONGEST, 30);
        assert_eq!(short.chars().count(), 30);
        assert!(
            short.starts_with("LEARNING_OBJECT") && short.ends_with("TION_BATCH"),
            "{short}"
        );
    }
}
