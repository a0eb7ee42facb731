//! What commands print.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use crate::cli::Shape;

/// The widest that a line of a table may be, in characters: what a terminal shows unbroken.
const MAX_WIDTH: usize = 120;
/// What stands between two columns.
const GAP: &str = "  ";

/// Writes `text` to standard output. Who reads it may stop reading: that is no error.
///
/// # Errors
/// When standard output cannot be written to.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes a line to standard error.
#[expect(
    clippy::print_stderr,
    reason = "the last word of a command, where no log may have been started"
)]
pub(crate) fn complain(line: &str) {
    eprintln!("{line}");
}

/// A thing that commands show: its columns, and itself as JSON.
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    pub(crate) json: Value,
}

/// Shows several things; a table shortens long cells, so that each thing has one line.
pub(crate) fn list(shape: Shape, headers: &[&str], rows: Vec<Row>) -> String {
    match shape {
        Shape::Table => table(headers, rows),
        Shape::Json => pretty(&Value::Array(rows.into_iter().map(|row| row.json).collect())),
    }
}

/// Shows one thing: a line a column.
pub(crate) fn one(shape: Shape, headers: &[&str], row: Row) -> String {
    match shape {
        Shape::Json => pretty(&row.json),
        Shape::Table => {
            let width = headers.iter().map(|header| header.len()).max().unwrap_or(0);
            let line = |(header, cell): (&&str, String)| format!("{header:width$}  {cell}\n");
            headers.iter().zip(row.cells).map(line).collect()
        }
    }
}

/// A time as RFC 3339 writes it, in UTC.
pub(crate) fn time(unix_ms: i64) -> String {
    DateTime::from_timestamp_millis(unix_ms).map_or_else(
        || format!("{unix_ms} ms"),
        |time| time.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn table(headers: &[&str], rows: Vec<Row>) -> String {
    let mut lines = vec![
        headers
            .iter()
            .map(|header| header.to_uppercase())
            .collect::<Vec<_>>(),
    ];
    lines.extend(rows.into_iter().map(|row| row.cells));
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let mut widths: Vec<usize> = (0..headers.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    fit(&mut widths, headers);
    let line = |cells: &Vec<String>| {
        let padded: Vec<_> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{:width$}", shortened(cell, *width)))
            .collect();
        format!("{}\n", padded.join(GAP).trim_end())
    };
    lines.iter().map(line).collect()
}

/// Narrows the widest columns until a line fits. The first one names the thing for other commands and stays whole, and
/// none gets narrower than its header.
fn fit(widths: &mut [usize], headers: &[&str]) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > MAX_WIDTH {
        let cut = widths.iter_mut().zip(headers).skip(1);
        let cut = cut.filter(|(width, header)| **width > header.len());
        match cut.map(|(width, _)| width).max() {
            Some(widest) => *widest -= 1,
            None => return,
        }
    }
}

fn shortened(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let kept = cell.chars().take(width.saturating_sub(1));
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(id: &str, name: &str) -> Row {
        Row {
            cells: vec![id.to_owned(), name.to_owned()],
            json: json!({ "id": id, "name": name }),
        }
    }

    #[test]
    fn a_table_is_aligned_and_json_is_json() {
        let rows = || vec![row("1", "Müller"), row("1234", "b")];
        let text = list(Shape::Table, &["id", "name"], rows());
        assert_eq!(text, "ID    NAME\n1     Müller\n1234  b\n");
        let parsed: Value = serde_json::from_str(&list(Shape::Json, &["id", "name"], rows())).unwrap();
        assert_eq!(
            parsed,
            json!([{ "id": "1", "name": "Müller" }, { "id": "1234", "name": "b" }])
        );
    }

    #[test]
    fn a_table_fits_120_columns_with_ids_whole_and_json_has_everything() {
        let id = format!("wh_{}", "0123456789abcdef".repeat(2));
        let cells = [
            id.clone(),
            "ü".repeat(128),
            "true".to_owned(),
            "COURSE_ENROLLMENT,".repeat(20),
            "signature".to_owned(),
            format!("https://example.com/{}", "x".repeat(2_000)),
        ];
        let headers = ["id", "name", "active", "events", "authentication", "url"];
        let json = json!(cells);
        let rows = || {
            let cells = cells.to_vec();
            vec![Row {
                cells,
                json: json.clone(),
            }]
        };
        let text = list(Shape::Table, &headers, rows());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[1].chars().count(), MAX_WIDTH, "{text}");
        for whole in [&id, "true", "signature"] {
            assert!(lines[1].contains(whole), "{text}");
        }
        assert_eq!(lines[1].matches('…').count(), 3, "{text}");
        for begun in ["üü", "COURSE_ENROLL", "https://exam"] {
            assert!(lines[1].contains(begun), "{text}");
        }
        let parsed: Value = serde_json::from_str(&list(Shape::Json, &headers, rows())).unwrap();
        assert_eq!(parsed, json!([json]));
    }

    #[test]
    fn one_thing_is_shown_line_by_line() {
        assert_eq!(
            one(Shape::Table, &["id", "name"], row("7", "x")),
            "id    7\nname  x\n"
        );
    }
}
