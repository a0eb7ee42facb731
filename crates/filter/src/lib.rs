//! Filters of webhooks: an expression over an event tells whether the webhook wants it.
//!
//! ```text
//! data.loType == "course" && data.progressPercent >= 50
//! ```
//!
//! The language is [CEL](https://cel.dev), the Common Expression Language, as Kubernetes uses it. An expression has two
//! names: `data`, the payload, and `event` with `eventName`, `eventId`, `timestamp` and `eventInfo`, spelled as in
//! the body of a POST.
//!
//! Whoever writes a filter is a customer of a customer, and it is evaluated in the path of every event of a partition.
//! So three things are kept apart:
//!
//! - **[`Filter::parse`] refuses what can be refused without an event**: syntax, names and functions that are not there, an
//!   answer that cannot be `true` or `false`, and what has no bound. The crate that evaluates bounds nothing by itself, so a
//!   walk of the syntax tree does (`check`): the number of nodes, one level of `all`, `exists` and `exists_one`, patterns that
//!   are written out, and no macro or literal that makes large values.
//! - **Each evaluation is bounded by its event** (`cost`): from the tree and from how large the event is follows how
//!   much work the evaluation can be at most; where that is too much it does not begin, and that is a [`Failure`].
//! - **A [`Failure`] says nothing of the payload**: it is journalled. It names types, and fields that the expression
//!   spells out itself.
//!
//! An evaluation has no clock and no chance in it: fanout decides the same again after a crash (DESIGN §3).

mod check;
mod cost;
mod failure;
mod functions;
mod lookup;
mod place;
mod subject;
mod value;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::SourceInfo;
use cel::common::types::CelBool;
use cel::{Context, Env, IdedExpr, Value};

use crate::check::Checked;
use crate::subject::Read;

pub use crate::failure::Failure;
pub use crate::lookup::{Lookup, MAX_LOOKUPS};
pub use crate::place::{Place, Problem};
pub use crate::subject::Subject;

/// The most nodes of an expression's syntax tree. Those that stand for a macro count as it is written out.
pub const MAX_NODES: usize = 256;
/// How deep parentheses, calls and the like may be nested.
pub const MAX_DEPTH: u16 = 32;
/// The longest pattern of `matches`, in bytes.
pub const MAX_PATTERN_BYTES: usize = 256;
/// The most patterns of an expression.
pub const MAX_PATTERNS: usize = 4;

/// The functions that there are, without their macros.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(functions::env()));

/// An expression that is ready to be evaluated.
#[derive(Debug)]
pub struct Filter {
    parsed: Parsed,
    checked: Checked,
}

/// The syntax tree of an expression, and where in its text each node of it is.
#[derive(Debug)]
pub(crate) struct Parsed {
    tree: IdedExpr,
    source: SourceInfo,
}

impl Filter {
    /// Parses and checks an expression: 10 to 100 µs, and at most 5 ms for one that is made to be slow.
    ///
    /// # Errors
    /// Every mistake that was found, with its place.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        // A parser, too, is somebody else's code.
        let parse = || {
            let parser = ENV.parser().max_recursion_depth(MAX_DEPTH);
            parser.parse_with_source_info(text)
        };
        let parsed = match catch_unwind(AssertUnwindSafe(parse)) {
            Ok(Ok((tree, source))) => Parsed { tree, source },
            Ok(Err(errors)) => return Err(place::of_syntax(text, &errors)),
            Err(_) => {
                return Err(vec![Problem::without_place(
                    "cannot be read; write it another way",
                )]);
            }
        };
        let checked = check::check(&parsed)?;
        Ok(Self { parsed, checked })
    }

    /// Whether the event is wanted.
    ///
    /// # Errors
    /// When the expression has no answer for this event: a field is missing, a value is of another type than it is compared
    /// with, or the event is too large for what the expression does with it.
    pub fn matches(&self, subject: &Subject<'_>) -> Result<bool, Failure> {
        let event = subject.read()?;
        self.checked.cost.check(event.size())?;
        let evaluated = catch_unwind(AssertUnwindSafe(|| self.evaluate(event)));
        evaluated.unwrap_or_else(|_| Err(Failure::new("the expression cannot be evaluated for this event")))
    }

    /// What the expression looks up of an event: why it answers as it does.
    #[must_use]
    pub fn lookups(&self, subject: &Subject<'_>) -> Vec<Lookup> {
        let (data, event) = subject.as_json();
        lookup::lookups(&self.parsed.tree, &data, &event)
    }

    fn evaluate(&self, event: &Read<'_>) -> Result<bool, Failure> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        functions::add_patterns(&mut context, &self.checked.patterns)?;
        context.set_variable_resolver(event);
        let answer = Value::resolve_val(&self.parsed.tree, &context)
            .map_err(|error| Failure::of(&error, &self.parsed))?;
        match answer.downcast_ref::<CelBool>() {
            Some(wanted) => Ok(*wanted.inner()),
            None => Err(Failure::new(format!(
                "the answer is of type {}; a filter answers true or false",
                answer.get_type().name()
            ))),
        }
    }
}

#[cfg(test)]
mod tests;
