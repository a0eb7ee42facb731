//! Where a body is no JSON, and what to do about it.

use crate::problem::{Part, Place, Problem};

/// The longest piece of a line that an answer shows, in bytes.
const MAX_EXCERPT: usize = 200;

/// Checks that the body is UTF-8, the only encoding of JSON (RFC 8259).
pub(super) fn utf8(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|error| Problem {
        part: Part::Whole,
        place: Some(place(body, error.valid_up_to())),
        detail: "the body is not valid UTF-8 here: encode it as UTF-8".to_owned(),
    })
}

/// What is wrong with a `piece` of `body` that does not parse.
pub(super) fn problem(body: &str, piece: &str, part: Part, error: &serde_json::Error) -> Problem {
    let start = piece.as_ptr().addr() - body.as_ptr().addr();
    let found = start + offset(piece, error);
    let (offset, detail) = match trailing_comma(body, found) {
        Some((comma, close)) => {
            let closing_line = place(body.as_bytes(), found).line;
            let detail = format!(
                "a comma must not come before the closing `{close}` of line {closing_line}: remove the comma"
            );
            (comma, detail)
        }
        None => (found, explained(body, found, error)),
    };
    Problem {
        part,
        place: Some(place(body.as_bytes(), offset)),
        detail,
    }
}

/// The byte that the parser stumbled over. Its columns count bytes; the last one read has 1 in a line's beginning,
/// and a line feed that ends a line is column 0 of the next.
fn offset(piece: &str, error: &serde_json::Error) -> usize {
    if error.is_eof() {
        return piece.trim_ascii_end().len();
    }
    let before = error.line().saturating_sub(1);
    let line_start = match before.checked_sub(1) {
        Some(nth) => piece
            .match_indices('\n')
            .nth(nth)
            .map_or(piece.len(), |(at, _)| at + 1),
        None => 0,
    };
    let at = (line_start + error.column()).saturating_sub(1).min(piece.len());
    piece.floor_char_boundary(at)
}

/// The comma before a closing bracket, if that is what is wrong.
fn trailing_comma(body: &str, found: usize) -> Option<(usize, char)> {
    let close = body[found..].chars().next().filter(|c| matches!(c, '}' | ']'))?;
    let before = body[..found].trim_ascii_end();
    before.ends_with(',').then(|| (before.len() - 1, close))
}

fn explained(body: &str, found: usize, error: &serde_json::Error) -> String {
    let message = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&position).unwrap_or(&message);
    let hint = match body[found..].chars().next() {
        None => ": the body ends too early",
        Some('\'') => ": JSON writes text in double quotes",
        Some('\u{feff}') => ": leave out the byte order mark",
        Some('/' | '#') => ": JSON has no comments",
        Some('{') if message == "trailing characters" => {
            ": to send several events put them into an array, or for one event a line send content-type application/x-ndjson"
        }
        Some(_) => "",
    };
    format!("not valid JSON: {message}{hint}")
}

/// The line and column of a byte, and the line. Works on bytes because it also serves bodies that are not UTF-8.
pub(super) fn place(body: &[u8], offset: usize) -> Place {
    let (before, after) = body.split_at(offset.min(body.len()));
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let line_end = after
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(body.len(), |at| before.len() + at);
    Place {
        line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        column: before[line_start..]
            .iter()
            .filter(|byte| !is_continuation(**byte))
            .count()
            + 1,
        text: excerpt(&body[line_start..line_end], before.len() - line_start),
    }
}

/// The line, or the piece of it around `at`; never cut within a character.
fn excerpt(line: &[u8], at: usize) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let within = |at: usize| line.get(at).is_some_and(|byte| is_continuation(*byte));
    let mut from = at
        .saturating_sub(MAX_EXCERPT / 2)
        .min(line.len().saturating_sub(MAX_EXCERPT));
    while within(from) {
        from += 1;
    }
    let mut to = (from + MAX_EXCERPT).min(line.len());
    while to > from && within(to) {
        to -= 1;
    }
    let piece = String::from_utf8_lossy(&line[from..to]);
    let (cut_before, cut_after) = (from > 0, to < line.len());
    format!(
        "{}{piece}{}",
        if cut_before { "…" } else { "" },
        if cut_after { "…" } else { "" }
    )
}

/// Whether a byte of UTF-8 goes on with a character that began before it.
const fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}
