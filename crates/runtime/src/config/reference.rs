//! The settings as Markdown, for people.

use super::{Absent, Foreign, Setting, variable};

/// One table a section, in the order in which they were read.
pub(super) fn render(settings: &[Setting], foreign: &[Foreign]) -> String {
    let mut sections: Vec<&str> = Vec::new();
    for setting in settings {
        if !sections.contains(&setting.section) {
            sections.push(setting.section);
        }
    }
    let mut parts: Vec<String> = sections
        .into_iter()
        .map(|section| table(section, settings))
        .collect();
    if !foreign.is_empty() {
        let rows = foreign
            .iter()
            .map(|foreign| format!("| `{}` | {} |\n", foreign.variable, cell(foreign.meaning)));
        parts.push(format!(
            "## Other variables\n\n| Variable | Meaning |\n|---|---|\n{}",
            rows.collect::<String>()
        ));
    }
    parts.join("\n")
}

fn table(section: &str, settings: &[Setting]) -> String {
    let mut text = format!(
        "## `{section}`\n\n| Setting | Variable | Kind | Default | Allowed | Meaning |\n|---|---|---|---|---|---|\n"
    );
    for setting in settings.iter().filter(|setting| setting.section == section) {
        let path = setting.path();
        let default = match &setting.absent {
            Absent::Default(text) if text.is_empty() => "empty".to_owned(),
            Absent::Default(text) => format!("`{}`", cell(text)),
            Absent::Optional => "none".to_owned(),
            Absent::Required => "**required**".to_owned(),
        };
        let allowed = if setting.secret {
            format!("or `{path}_file`: a file that holds it")
        } else {
            setting.bounds.clone()
        };
        let row = [
            format!("`{path}`"),
            format!("`{}`", variable(&path)),
            setting.kind.to_owned(),
            default,
            cell(&allowed),
            cell(setting.meaning),
        ];
        text.push_str("| ");
        text.push_str(&row.join(" | "));
        text.push_str(" |\n");
    }
    text
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
