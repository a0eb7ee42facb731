//! What commands print.

use std::io::{self, Write};

use serde_json::Value;

use crate::cli::Shape;

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

/// Shows several things.
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
    let widths: Vec<usize> = (0..headers.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let line = |cells: &Vec<String>| {
        let padded: Vec<_> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    lines.iter().map(line).collect()
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
    fn one_thing_is_shown_line_by_line() {
        assert_eq!(
            one(Shape::Table, &["id", "name"], row("7", "x")),
            "id    7\nname  x\n"
        );
    }
}
