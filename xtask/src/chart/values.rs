//! The table of a chart's values, from the comments of `values.yaml`.
//!
//! A comment that begins with `# --` tells of the value below it, and may go on over several lines. The file is ours: it is read
//! line by line, two spaces a level, and what does not fit is an error.

use anyhow::Context as _;

const BEGIN: &str = "<!-- values: written by `cargo xtask chart` -->\n";
const END: &str = "<!-- end of values -->\n";

/// A value that a comment tells of.
#[derive(Debug, PartialEq, Eq)]
struct Value {
    path: String,
    default: String,
    meaning: String,
}

/// `readme` with the table of `values` between its marks.
pub(super) fn into_readme(readme: &str, values: &str) -> anyhow::Result<String> {
    let (before, rest) = readme
        .split_once(BEGIN)
        .context("has no mark where the values begin")?;
    let (_, after) = rest.split_once(END).context("has no mark where the values end")?;
    let mut table = String::from("| Value | Default | Meaning |\n|---|---|---|\n");
    for value in parse(values)? {
        let Value {
            path,
            default,
            meaning,
        } = value;
        table.push_str(&format!(
            "| `{path}` | {default} | {} |\n",
            meaning.replace('|', "\\|")
        ));
    }
    Ok(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

fn parse(text: &str) -> anyhow::Result<Vec<Value>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut values = Vec::new();
    let mut above: Vec<&str> = Vec::new();
    let mut meaning: Option<String> = None;
    for (at, line) in lines.iter().enumerate() {
        let content = line.trim_start();
        if let Some(begun) = content.strip_prefix("# -- ") {
            meaning = Some(begun.to_owned());
        } else if let Some(more) = content.strip_prefix("# ") {
            // Of no value, if none was begun: the comment is for who reads the file.
            if let Some(meaning) = &mut meaning {
                meaning.push(' ');
                meaning.push_str(more);
            }
        } else if !content.is_empty() && !content.starts_with("- ") {
            let depth = (line.len() - content.len()) / 2;
            let (key, given) = content
                .split_once(':')
                .with_context(|| format!("values.yaml:{}: no key", at + 1))?;
            above.truncate(depth);
            above.push(key);
            if let Some(meaning) = meaning.take() {
                values.push(Value {
                    path: above.join("."),
                    default: default(given.trim(), &lines[at + 1..], depth),
                    meaning,
                });
            }
        }
    }
    Ok(values)
}

/// What stands behind the key, or in the lines below it.
fn default(given: &str, below: &[&str], depth: usize) -> String {
    if !given.is_empty() {
        return format!("`{given}`");
    }
    let inside = |line: &&&str| line.len() - line.trim_start().len() > depth * 2;
    let parts: Vec<&str> = below.iter().take_while(inside).map(|line| line.trim()).collect();
    if parts.iter().any(|line| line.starts_with("# ")) {
        return "as below".to_owned();
    }
    let mut nested = String::new();
    for part in parts {
        if !nested.is_empty() && !nested.ends_with(": ") {
            nested.push_str(", ");
        }
        nested.push_str(part);
        if part.ends_with(':') {
            nested.push(' ');
        }
    }
    format!("`{nested}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: &str = "\
# For readers.
image:
  # -- Where it is
  # for all
  repository: \"\"
# -- All of them
defaults:
  # -- How many
  replicas: 2
# -- Settings
settings:
  log:
    format: json
";

    #[test]
    fn each_comment_is_a_line_with_the_whole_path_and_the_default() {
        let parsed = parse(VALUES).unwrap();
        let lines: Vec<_> = parsed
            .iter()
            .map(|value| (&*value.path, &*value.default, &*value.meaning))
            .collect();
        let expected = [
            ("image.repository", "`\"\"`", "Where it is for all"),
            ("defaults", "as below", "All of them"),
            ("defaults.replicas", "`2`", "How many"),
            ("settings", "`log: format: json`", "Settings"),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_table_replaces_what_is_between_the_marks_and_nothing_else() {
        let readme = format!("before\n{BEGIN}old\n{END}after\n");
        let once = into_readme(&readme, VALUES).unwrap();
        assert!(once.starts_with("before\n") && once.ends_with("after\n") && !once.contains("old"));
        assert_eq!(into_readme(&once, VALUES).unwrap(), once);
        assert!(into_readme("no marks", VALUES).is_err());
    }
}
