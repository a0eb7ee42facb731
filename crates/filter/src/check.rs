//! What is refused of an expression without an event, and what it costs. The crate that parses and evaluates bounds
//! nothing and knows no types: this walk over its syntax tree does.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, SourceInfo, operators,
};

use crate::cost::Cost;
use crate::functions::{self, Function, Patterns, Style};
use crate::place::{Place, Problem};
use crate::subject::{DATA, EVENT, FIELDS};
use crate::{MAX_NODES, MAX_PATTERN_BYTES, MAX_PATTERNS, Parsed};

/// What the walk found of an expression that is fine.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) cost: Cost,
    pub(crate) patterns: Patterns,
}

/// Looks at the whole tree.
///
/// # Errors
/// Every mistake, in the order of their places.
pub(crate) fn check(parsed: &Parsed) -> Result<Checked, Vec<Problem>> {
    let mut walk = Walk {
        source: &parsed.source,
        nodes: 0,
        loop_names: Vec::new(),
        cost: Cost::default(),
        patterns: Vec::new(),
        problems: BTreeSet::new(),
    };
    let answer = walk.visit(&parsed.tree);
    if answer.kind == Kind::Other {
        walk.refuse(
            parsed.tree.id,
            "the whole must answer true or false; compare its value with something",
        );
    }
    if walk.nodes > MAX_NODES {
        let too_large =
            format!("it is too large: at most {MAX_NODES} names, values and operators are allowed");
        return Err(vec![Problem::without_place(too_large)]);
    }
    if !walk.problems.is_empty() {
        let problem = |(place, message)| Problem { place, message };
        return Err(walk.problems.into_iter().map(problem).collect());
    }
    Ok(Checked {
        cost: walk.cost,
        patterns: walk.patterns.into(),
    })
}

/// What kind of value an expression has, as far as it can be told without an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// True or false.
    Bool,
    /// Something else.
    Other,
    /// What the payload says.
    Unknown,
}

/// How large a value can be. The order is that of size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    /// A number, or what is written out in the expression.
    Small,
    /// Of an element of a loop, each round of another.
    Element,
    /// Up to the whole payload.
    Payload,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    kind: Kind,
    extent: Extent,
}

const fn seen(kind: Kind, extent: Extent) -> Seen {
    Seen { kind, extent }
}

const TELLS: Seen = seen(Kind::Bool, Extent::Small);

struct Walk<'p> {
    source: &'p SourceInfo,
    nodes: usize,
    /// Names that the loop around declares: those of the expression, and one of its own.
    loop_names: Vec<&'p str>,
    cost: Cost,
    patterns: Vec<(Box<str>, regex::Regex)>,
    problems: BTreeSet<(Option<Place>, String)>,
}

impl<'p> Walk<'p> {
    fn refuse(&mut self, id: u64, message: impl Into<String>) {
        let place = Place::of_node(self.source, id);
        self.problems.insert((place, message.into()));
    }

    const fn in_loop(&self) -> bool {
        !self.loop_names.is_empty()
    }

    /// A value of this extent is looked at, byte by byte.
    fn look(&mut self, extent: Extent, weight: u64) {
        let count = match (extent, self.in_loop()) {
            (Extent::Small, true) => &mut self.cost.nodes_each,
            (Extent::Small, false) => &mut self.cost.nodes,
            (Extent::Element, _) | (Extent::Payload, false) => &mut self.cost.looks,
            (Extent::Payload, true) => &mut self.cost.looks_each,
        };
        *count = count.saturating_add(weight);
    }

    fn visit(&mut self, node: &'p IdedExpr) -> Seen {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return seen(Kind::Unknown, Extent::Small);
        }
        self.look(Extent::Small, 1);
        match &node.expr {
            Expr::Literal(LiteralValue::Boolean(_)) => TELLS,
            Expr::Literal(_) => seen(Kind::Other, Extent::Small),
            Expr::Ident(name) => self.name(node.id, name),
            Expr::Select(select) => self.select(node.id, select),
            Expr::Call(call) => self.call(node.id, call),
            Expr::Comprehension(comprehension) => self.comprehension(node.id, comprehension),
            Expr::List(list) => {
                for element in &list.elements {
                    if !matches!(element.expr, Expr::Literal(_)) {
                        self.refuse(
                            element.id,
                            "a list may have only values that are written out: texts, numbers, true, false",
                        );
                    }
                    self.visit(element);
                }
                seen(Kind::Other, Extent::Small)
            }
            Expr::Map(_) | Expr::Struct(_) => {
                self.refuse(
                    node.id,
                    "objects cannot be written in a filter; compare their fields",
                );
                seen(Kind::Other, Extent::Small)
            }
            Expr::Unspecified => {
                self.refuse(node.id, "is no expression");
                seen(Kind::Unknown, Extent::Small)
            }
        }
    }

    fn name(&mut self, id: u64, name: &'p str) -> Seen {
        // The name that a loop has for itself, which nobody can write.
        if name.starts_with('@') {
            return TELLS;
        }
        if self.loop_names.contains(&name) {
            return seen(Kind::Unknown, Extent::Element);
        }
        match name {
            DATA => seen(Kind::Other, Extent::Payload),
            EVENT => seen(Kind::Other, Extent::Small),
            _ => {
                let message =
                    format!("there is no {name}; a filter sees {DATA} and {EVENT}, so perhaps {DATA}.{name}");
                self.refuse(id, message);
                seen(Kind::Unknown, Extent::Small)
            }
        }
    }

    fn select(&mut self, id: u64, select: &'p SelectExpr) -> Seen {
        let of = self.visit(&select.operand);
        let of_event = matches!(&select.operand.expr, Expr::Ident(name) if name == EVENT);
        if of_event && !FIELDS.contains(&select.field.as_str()) {
            let fields = FIELDS.join(", ");
            let instead = if select.field == DATA {
                format!("; write {DATA} alone")
            } else {
                String::new()
            };
            self.refuse(
                id,
                format!("{EVENT} has no field {}; it has {fields}{instead}", select.field),
            );
        }
        match select.test {
            true => TELLS,
            false => seen(Kind::Unknown, of.extent),
        }
    }

    fn call(&mut self, id: u64, call: &'p CallExpr) -> Seen {
        let target = call.target.as_deref().map(|target| self.visit(target));
        let arguments: Vec<Seen> = call.args.iter().map(|argument| self.visit(argument)).collect();
        match (call.func_name.as_str(), arguments.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, all) => {
                for (argument, seen) in call.args.iter().zip(all) {
                    if seen.kind == Kind::Other {
                        let name = symbol(&call.func_name);
                        self.refuse(
                            argument.id,
                            format!("{name} takes true or false, and this is something else"),
                        );
                    }
                }
                TELLS
            }
            (operators::NOT_STRICTLY_FALSE, _) => TELLS,
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
                self.look(left.extent.min(right.extent), 4);
                TELLS
            }
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [left, right],
            ) => {
                self.look(left.extent.max(right.extent), 1);
                TELLS
            }
            (operators::IN, [left, right]) => {
                self.look(left.extent.max(right.extent), 4);
                TELLS
            }
            (operators::CONDITIONAL, [condition, yes, no]) => {
                if condition.kind == Kind::Other {
                    self.refuse(id, "what stands before ? must be true or false");
                }
                let kind = if yes.kind == no.kind {
                    yes.kind
                } else {
                    Kind::Unknown
                };
                seen(kind, yes.extent.max(no.extent))
            }
            (operators::INDEX, [of, key]) => {
                self.look(key.extent, 1);
                seen(Kind::Unknown, of.extent)
            }
            (operators::NEGATE, _) => seen(Kind::Other, Extent::Small),
            (MINUS | operators::MULTIPLY | operators::DIVIDE | operators::MODULO, [left, right]) => {
                // What is no number fails, and the failure carries a copy.
                self.look(left.extent.max(right.extent), 4);
                seen(Kind::Other, Extent::Small)
            }
            (operators::ADD, [left, right]) => {
                let extent = left.extent.max(right.extent);
                self.look(extent, 4);
                self.cost.sums += 1;
                seen(Kind::Other, extent)
            }
            _ => self.function(id, call, target, &arguments),
        }
    }

    fn function(&mut self, id: u64, call: &'p CallExpr, target: Option<Seen>, arguments: &[Seen]) -> Seen {
        let style = if target.is_some() {
            Style::Member
        } else {
            Style::Global
        };
        let name = call.func_name.as_str();
        let fits = |function: &&Function| {
            (function.name, function.style, function.arguments) == (name, style, arguments.len())
        };
        let Some(function) = functions::ALL.iter().find(fits) else {
            self.refuse(id, unknown(call, style));
            return seen(Kind::Unknown, Extent::Small);
        };
        if name == MATCHES {
            self.pattern(call);
        }
        let extent = arguments.iter().chain(&target).map(|seen| seen.extent).max();
        let extent = extent.unwrap_or(Extent::Small);
        self.look(extent, function.weight);
        match function.tells {
            true => TELLS,
            false => seen(Kind::Other, extent),
        }
    }

    /// The pattern must be written out: compiled once, and not by every event.
    fn pattern(&mut self, call: &'p CallExpr) {
        let Some(argument) = call.args.first() else { return };
        let Expr::Literal(LiteralValue::String(pattern)) = &argument.expr else {
            return self.refuse(
                argument.id,
                "the pattern of matches must be written out, as in matches(\"^[a-z]+$\")",
            );
        };
        let pattern = pattern.inner();
        if pattern.len() > MAX_PATTERN_BYTES {
            let message = format!(
                "the pattern has {} bytes; at most {MAX_PATTERN_BYTES} are allowed",
                pattern.len()
            );
            return self.refuse(argument.id, message);
        }
        if self.patterns.iter().any(|(known, _)| **known == *pattern) {
            return;
        }
        if self.patterns.len() == MAX_PATTERNS {
            return self.refuse(
                argument.id,
                format!("at most {MAX_PATTERNS} patterns are allowed"),
            );
        }
        match functions::compile(pattern) {
            Ok(regex) => self.patterns.push((pattern.into(), regex)),
            Err(why) => self.refuse(argument.id, format!("the pattern is wrong: {why}")),
        }
    }

    fn comprehension(&mut self, id: u64, comprehension: &'p ComprehensionExpr) -> Seen {
        if self.in_loop() {
            self.refuse(
                id,
                "all, exists and exists_one must not be within one another: their rounds would multiply",
            );
            return TELLS;
        }
        if matches!(comprehension.accu_init.expr, Expr::List(_) | Expr::Map(_)) {
            self.refuse(id, "map and filter make lists, which a filter has no use for; exists, all and exists_one tell of one");
            return seen(Kind::Other, Extent::Small);
        }
        self.visit(&comprehension.iter_range);
        self.visit(&comprehension.accu_init);
        self.loop_names.push(&comprehension.accu_var);
        self.loop_names.push(&comprehension.iter_var);
        self.loop_names.extend(comprehension.iter_var2.as_deref());
        self.visit(&comprehension.loop_cond);
        self.visit(&comprehension.loop_step);
        self.loop_names.clear();
        // It names what the loop came to.
        self.loop_names.push(&comprehension.accu_var);
        self.visit(&comprehension.result);
        self.loop_names.clear();
        TELLS
    }
}

const MATCHES: &str = "matches";
/// Between two values.
const MINUS: &str = "_-_";

/// A call that no function fits: of another name, or called in another way.
fn unknown(call: &CallExpr, style: Style) -> String {
    let name = call.func_name.as_str();
    if matches!(name, "all" | "exists" | "exists_one" | "map" | "filter" | "has") {
        return format!("{name} is called in another way: list.exists(x, x.field == 1), has(data.field)");
    }
    let of_the_name: Vec<_> = functions::ALL
        .iter()
        .filter(|function| function.name == name)
        .collect();
    let Some(first) = of_the_name.first() else {
        let mut names: Vec<_> = functions::ALL.iter().map(|function| function.name).collect();
        names.dedup();
        return format!(
            "there is no function {}; there are {}",
            symbol(name),
            names.join(", ")
        );
    };
    if of_the_name.iter().all(|function| function.style != style) {
        return match first.style {
            Style::Global => format!("{name} is called as {name}(value)"),
            Style::Member => format!("{name} is called on a value: value.{name}(…)"),
        };
    }
    let counts: Vec<_> = of_the_name
        .iter()
        .filter(|function| function.style == style)
        .map(|function| function.arguments.to_string())
        .collect();
    format!(
        "{name} takes {} values in its parentheses, not {}",
        counts.join(" or "),
        call.args.len()
    )
}

/// What a person writes for an operator or a function.
pub(crate) fn symbol(name: &str) -> &str {
    match name {
        operators::LOGICAL_NOT => "!",
        operators::NEGATE => "-",
        operators::IN => "in",
        operators::INDEX => "[…]",
        operators::CONDITIONAL => "? :",
        _ => name
            .strip_prefix('_')
            .and_then(|rest| rest.strip_suffix('_'))
            .unwrap_or(name),
    }
}

/// The nodes right below one.
pub(crate) fn children(expression: &Expr) -> Box<dyn Iterator<Item = &IdedExpr> + '_> {
    match expression {
        Expr::Call(call) => Box::new(call.target.as_deref().into_iter().chain(&call.args)),
        Expr::Select(select) => Box::new(std::iter::once(&*select.operand)),
        Expr::List(list) => Box::new(list.elements.iter()),
        Expr::Comprehension(loops) => Box::new(
            [
                &loops.iter_range,
                &loops.accu_init,
                &loops.loop_cond,
                &loops.loop_step,
                &loops.result,
            ]
            .into_iter(),
        ),
        Expr::Map(map) => Box::new(map.entries.iter().flat_map(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
            EntryExpr::StructField(field) => vec![&field.value],
        })),
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {
            Box::new(std::iter::empty())
        }
    }
}
