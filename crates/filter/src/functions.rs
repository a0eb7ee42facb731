//! Which functions a filter may call.

use std::sync::Arc;

use cel::extractors::This;
use cel::{Context, Env, extensions};
use regex::{Regex, RegexBuilder};

use crate::failure::Failure;

/// The memory that a pattern may take once it is compiled, and what its search may keep beside it, in bytes.
const MAX_COMPILED_BYTES: usize = 64 << 10;
const MAX_SEARCH_BYTES: usize = 256 << 10;

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `size(x)`.
    Global,
    /// `x.size()`.
    Member,
}

/// A function that a filter may call.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) style: Style,
    /// Without what it is called on.
    pub(crate) arguments: usize,
    /// Whether it answers true or false.
    pub(crate) tells: bool,
    /// How much work there is for each 64 bytes that it looks at; 0 when it looks at no more than a number or a date.
    pub(crate) weight: u64,
}

const fn function(name: &'static str, style: Style, arguments: usize, tells: bool, weight: u64) -> Function {
    Function {
        name,
        style,
        arguments,
        tells,
        weight,
    }
}

/// What there is. Left out is what makes values larger than what it is given, and what answers differently from one
/// time to the next.
pub(crate) const ALL: [Function; 31] = [
    function("size", Style::Global, 1, false, 2),
    function("size", Style::Member, 0, false, 2),
    function("contains", Style::Member, 1, true, 2),
    function("startsWith", Style::Member, 1, true, 1),
    function("endsWith", Style::Member, 1, true, 1),
    function("matches", Style::Member, 1, true, 16),
    function("lowerAscii", Style::Member, 0, false, 4),
    function("upperAscii", Style::Member, 0, false, 4),
    function("trim", Style::Member, 0, false, 4),
    function("int", Style::Global, 1, false, 4),
    function("uint", Style::Global, 1, false, 4),
    function("double", Style::Global, 1, false, 4),
    function("string", Style::Global, 1, false, 4),
    function("bool", Style::Global, 1, true, 1),
    function("timestamp", Style::Global, 1, false, 4),
    function("duration", Style::Global, 1, false, 4),
    function("getFullYear", Style::Member, 0, false, 0),
    function("getFullYear", Style::Member, 1, false, 1),
    function("getMonth", Style::Member, 0, false, 0),
    function("getMonth", Style::Member, 1, false, 1),
    function("getDate", Style::Member, 0, false, 0),
    function("getDate", Style::Member, 1, false, 1),
    function("getDayOfMonth", Style::Member, 0, false, 0),
    function("getDayOfMonth", Style::Member, 1, false, 1),
    function("getDayOfWeek", Style::Member, 0, false, 0),
    function("getDayOfWeek", Style::Member, 1, false, 1),
    function("getHours", Style::Member, 0, false, 0),
    function("getHours", Style::Member, 1, false, 1),
    function("getMinutes", Style::Member, 0, false, 0),
    function("getMinutes", Style::Member, 1, false, 1),
    function("getSeconds", Style::Member, 0, false, 0),
];

/// The language, with what of its extensions a filter may call. What of it a filter may not call is refused by `check`.
pub(crate) fn env() -> Env {
    let mut env = Env::stdlib().with_optional_support(false);
    // It cannot fail: no name of the extension is taken. Were it so, its functions were missing, which a test tells.
    let _added = env.add_extension(extensions::strings);
    env
}

/// Compiles a pattern of `matches`, bounded.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_SEARCH_BYTES)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                format!("compiled, it takes more than {MAX_COMPILED_BYTES} bytes; write a smaller one")
            }
            error => last_line(&error.to_string()).to_owned(),
        })
}

/// Its errors draw the pattern over several lines, and say what is wrong in the last one.
fn last_line(text: &str) -> &str {
    let last = text.lines().last().unwrap_or(text).trim();
    last.strip_prefix("error: ").unwrap_or(last)
}

/// Makes `matches` known, with the patterns that the expression spells out: they were compiled when it was checked.
///
/// # Errors
/// When the language has a function of this name by itself.
pub(crate) fn add_patterns(context: &mut Context<'_, '_>, patterns: &Patterns) -> Result<(), Failure> {
    if patterns.is_empty() {
        return Ok(());
    }
    let patterns = Arc::clone(patterns);
    let matches = move |This(text): This<Arc<String>>, pattern: Arc<String>| {
        let known = patterns.iter().find(|(known, _)| **known == **pattern);
        known.is_some_and(|(_, regex)| regex.is_match(&text))
    };
    context
        .add_function("matches", matches)
        .map_err(|error| Failure::new(error.to_string()))
}

/// The patterns of an expression, as they are spelled and compiled.
pub(crate) type Patterns = Arc<[(Box<str>, Regex)]>;
