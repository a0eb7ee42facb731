//! Why an expression has no answer for an event. Nothing of the payload is in it: it is journalled.

use cel::common::ast::{Expr, LiteralValue};
use cel::{ExecutionError, IdedExpr};

use crate::Parsed;
use crate::check::{children, symbol};
use crate::place::{Place, Problem};

/// Why an expression has no answer for an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(Problem);

impl Failure {
    /// The longest message, in bytes, its place included.
    pub const MAX_BYTES: usize = 256;

    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(Problem::without_place(message))
    }

    /// What is wrong, and where.
    #[must_use]
    pub const fn problem(&self) -> &Problem {
        &self.0
    }

    /// Of an expression that cannot be read, though it was taken once.
    #[must_use]
    pub fn unreadable(problem: Option<&Problem>) -> Self {
        let why = problem.map(ToString::to_string).unwrap_or_default();
        Self::new(format!("the filter cannot be read by this version: {why}")).bounded()
    }

    pub(crate) fn of(error: &ExecutionError, parsed: &Parsed) -> Self {
        match error {
            ExecutionError::NoSuchKey(field) => Self::of_missing(field, parsed),
            ExecutionError::NoSuchOverload(overload) => {
                let types = overload.argument_types().join(", ");
                Self::new(format!("{} does not take ({types})", symbol(overload.function())))
            }
            ExecutionError::UnsupportedBinaryOperator(_, left, right)
            | ExecutionError::ValuesNotComparable(left, right) => {
                let (left, right) = (left.type_of(), right.type_of());
                Self::new(format!("an operator does not take ({left}, {right})"))
            }
            ExecutionError::UnexpectedType { want, .. } => {
                Self::new(format!("a value is of another type than {want}"))
            }
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
                Self::new("a number is divided by zero")
            }
            ExecutionError::Overflow(..) => Self::new("a result is too large for a number"),
            ExecutionError::IndexOutOfBounds(_) => Self::new("a list is shorter than the index says"),
            ExecutionError::FunctionError { function, .. } => {
                Self::new(format!("{} cannot take this value", symbol(function)))
            }
            _ => Self::new("the expression cannot be evaluated for this event"),
        }
        .bounded()
    }

    /// A field that the expression names is told with its place; a key that came out of the payload is not told.
    fn of_missing(field: &str, parsed: &Parsed) -> Self {
        match find(&parsed.tree, field) {
            Some(id) => Self(Problem {
                place: Place::of_node(&parsed.source, id),
                message: format!("there is no field {field}; has(…) tells whether there is one"),
            }),
            None => Self::new("a field that the expression looks up is not there"),
        }
    }

    fn bounded(mut self) -> Self {
        /// What a place takes in front of the message.
        const PLACE: usize = 40;
        let mut end = (Self::MAX_BYTES - PLACE).min(self.0.message.len());
        while !self.0.message.is_char_boundary(end) {
            end -= 1;
        }
        self.0.message.truncate(end);
        self
    }
}

/// The first node that spells this field out.
fn find(expression: &IdedExpr, field: &str) -> Option<u64> {
    let spelled = match &expression.expr {
        Expr::Select(select) => select.field == field,
        Expr::Literal(LiteralValue::String(text)) => text.inner() == field,
        _ => false,
    };
    if let Some(found) = children(&expression.expr).find_map(|child| find(child, field)) {
        return Some(found);
    }
    spelled.then_some(expression.id)
}
