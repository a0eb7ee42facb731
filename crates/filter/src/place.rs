//! Where in an expression something is wrong.

use std::fmt;

use cel::ParseErrors;
use cel::common::ast::SourceInfo;

use crate::MAX_DEPTH;

/// The most mistakes that are told at once: one that is not closed may be followed by many that come of it.
const MAX_TOLD: usize = 5;
/// The longest message of the parser's that is passed on, in characters.
const MAX_MESSAGE: usize = 200;

/// A place in an expression, as editors count: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl Place {
    /// Of the character at this byte.
    fn of_byte(text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let (lines, last) = before
            .rsplit_once('\n')
            .map_or((0, before), |(rest, last)| (rest.matches('\n').count() + 1, last));
        let counted = |from_0: usize| u32::try_from(from_0).unwrap_or(u32::MAX).saturating_add(1);
        Self {
            line: counted(lines),
            column: counted(last.chars().count()),
        }
    }

    /// Of a node of the syntax tree.
    pub(crate) fn of_node(source: &SourceInfo, id: u64) -> Option<Self> {
        let (start, _) = source.offset_for(id)?;
        Some(Self::of_byte(&source.source, usize::try_from(start).ok()?))
    }
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where; `None` when it is wrong as a whole.
    pub place: Option<Place>,
    /// What, for a person.
    pub message: String,
}

impl Problem {
    pub(crate) fn without_place(message: impl Into<String>) -> Self {
        Self {
            place: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What the parser found, in words for who wrote it.
pub(crate) fn of_syntax(text: &str, errors: &ParseErrors) -> Vec<Problem> {
    let too_deep = errors
        .errors
        .iter()
        .any(|error| error.msg.contains("Recursion limit"));
    if too_deep {
        let message = format!("parts of it are nested too deep; at most {MAX_DEPTH} levels are allowed");
        return vec![Problem::without_place(message)];
    }
    let mut problems: Vec<_> = errors
        .errors
        .iter()
        .map(|error| Problem {
            place: place_of_syntax(text, error.pos),
            message: message_of_syntax(&error.msg),
        })
        .collect();
    problems.sort_by_key(|problem| problem.place);
    problems.dedup();
    problems.truncate(MAX_TOLD);
    if problems.is_empty() {
        problems.push(Problem::without_place("is no expression"));
    }
    problems
}

fn place_of_syntax(text: &str, (line, column): (isize, isize)) -> Option<Place> {
    let line = u32::try_from(line).ok().filter(|line| *line > 0)?;
    let column = u32::try_from(column).ok().filter(|column| *column > 0)?;
    let there = text
        .lines()
        .nth(usize::try_from(line - 1).ok()?)
        .unwrap_or_default();
    // The parser tells the end by a place behind it.
    let end = u32::try_from(there.chars().count()).ok()?.saturating_add(1);
    Some(Place {
        line,
        column: column.min(end),
    })
}

fn message_of_syntax(message: &str) -> String {
    let plain = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let plain = plain
        .replace("'<EOF>'", "the end")
        .replace("mismatched input", "unexpected")
        .replace("no viable alternative at input", "unexpected");
    // What follows names the parser's tokens: long, and of no help to who does not know its grammar.
    let plain = plain.split(" expecting {").next().unwrap_or(&plain);
    let plain: String = plain.chars().take(MAX_MESSAGE).collect();
    format!("syntax: {plain}")
}
