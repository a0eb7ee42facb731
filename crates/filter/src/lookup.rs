//! What an expression looks up of an event: the answer to "why".

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, operators};
use serde_json::Value;

use crate::check::children;
use crate::subject::{DATA, EVENT};

/// The most that are told of an expression.
pub const MAX_LOOKUPS: usize = 32;

/// The longest value that is told, in characters.
const MAX_VALUE: usize = 200;

/// What an expression looks up of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// As it is written.
    pub path: String,
    /// What is there, as JSON, cut to 200 characters; `None`: nothing.
    pub value: Option<String>,
}

/// A way from `data` or `event` down.
struct Path<'t> {
    root: &'t str,
    steps: Vec<Step<'t>>,
}

enum Step<'t> {
    Field(&'t str),
    Key(&'t str),
    Index(i64),
}

/// Those that the tree spells out in full, each once, in its order. What depends on the round of a loop, or on another
/// value, is left out.
pub(crate) fn lookups(tree: &IdedExpr, data: &Value, event: &Value) -> Vec<Lookup> {
    let mut found = Vec::new();
    collect(tree, &mut |path: &Path<'_>| {
        let root = if path.root == DATA { data } else { event };
        let lookup = Lookup {
            path: path.written(),
            value: path
                .follow(root)
                .map(|value| value.to_string().chars().take(MAX_VALUE).collect()),
        };
        if found.len() < MAX_LOOKUPS && !found.contains(&lookup) {
            found.push(lookup);
        }
    });
    found
}

fn collect<'t>(node: &'t IdedExpr, take: &mut impl FnMut(&Path<'t>)) {
    match path(node) {
        Some(path) if !path.steps.is_empty() => take(&path),
        // In the loop, its own name may hide one of these.
        _ => match &node.expr {
            Expr::Comprehension(loops) => collect(&loops.iter_range, take),
            other => children(other).for_each(|child| collect(child, take)),
        },
    }
}

fn path(node: &IdedExpr) -> Option<Path<'_>> {
    match &node.expr {
        Expr::Ident(name) if name == DATA || name == EVENT => Some(Path {
            root: name,
            steps: Vec::new(),
        }),
        Expr::Select(select) => path(&select.operand)?.then(Step::Field(&select.field)),
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let [of, key] = call.args.as_slice() else {
                return None;
            };
            let step = match &key.expr {
                Expr::Literal(LiteralValue::String(key)) => Step::Key(key.inner()),
                Expr::Literal(LiteralValue::Int(index)) => Step::Index(*index.inner()),
                _ => return None,
            };
            path(of)?.then(step)
        }
        _ => None,
    }
}

impl<'t> Path<'t> {
    fn then(mut self, step: Step<'t>) -> Option<Self> {
        self.steps.push(step);
        Some(self)
    }

    fn written(&self) -> String {
        self.steps
            .iter()
            .fold(self.root.to_owned(), |written, step| match step {
                Step::Field(name) => format!("{written}.{name}"),
                Step::Key(key) => format!("{written}[{key:?}]"),
                Step::Index(index) => format!("{written}[{index}]"),
            })
    }

    fn follow<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        self.steps.iter().try_fold(root, |value, step| match step {
            Step::Field(name) | Step::Key(name) => value.get(name),
            Step::Index(index) => value.get(usize::try_from(*index).ok()?),
        })
    }
}
