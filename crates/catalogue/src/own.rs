//! JSON Schemas that callers bring: what is taken of them, so that to hold data against one takes bounded time and fetches
//! nothing (ADR 16).

use std::collections::HashMap;
use std::fmt;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use crate::finding::Finding;
use crate::keywords::{self, Holds, escaped};
use crate::schema::DIALECT;
use crate::validate::violations_of;

/// The longest schema, in bytes of its JSON text.
pub const MAX_SCHEMA_BYTES: usize = 64 * 1024;
/// How deep one may nest, references written out.
const MAX_DEPTH: usize = 64;
/// The most schemas in one, each counted as often as references lead to it: data is held against each of them.
const MAX_SCHEMAS: usize = 5_000;
/// The most patterns, and what one may become, in bytes: each is held in memory ready to be searched.
const MAX_PATTERNS: usize = 64;
const MAX_PATTERN_BYTES: usize = 256 * 1024;
/// The most mistakes that are told of one.
const MAX_MISTAKES: usize = 20;

/// A schema of `data` that may be used.
pub struct Schema(Validator);

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").finish_non_exhaustive()
    }
}

impl Schema {
    /// Checks a schema.
    ///
    /// # Errors
    /// Every mistake, up to a bound.
    pub fn check(text: &str) -> Result<Self, Vec<Finding>> {
        let value = parse(text)?;
        let mut mistakes = Walk::all_of(&value);
        if mistakes.is_empty() {
            mistakes = against_dialect(&value);
        }
        if mistakes.is_empty() {
            mistakes.extend(Weights::of(&value).err());
        }
        mistakes.truncate(MAX_MISTAKES);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        compile(&value).map(Self).map_err(|mistake| vec![mistake])
    }

    /// What in `data`, a JSON object, is not as the schema says.
    #[must_use]
    pub fn violations(&self, data: &[u8]) -> Vec<Finding> {
        violations_of(&self.0, data)
    }
}

/// A schema with references written out and without what is for people only, unless that is wanted.
pub(crate) fn written_out(schema: &Value, with_notes: bool) -> Value {
    let none = Map::new();
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&none);
    plain(definitions, schema, with_notes, 0)
}

fn plain(definitions: &Map<String, Value>, schema: &Value, notes: bool, depth: usize) -> Value {
    // No schema that was checked is deeper: no reference leads back.
    let Some(fields) = schema.as_object().filter(|_| depth <= 2 * MAX_DEPTH) else {
        return schema.clone();
    };
    if let Some(Some(target)) = keywords::referred(definitions, schema) {
        return plain(definitions, target, notes, depth + 1);
    }
    let inside = |value: &Value| plain(definitions, value, notes, depth + 1);
    let written = |(keyword, value): (&String, &Value)| {
        let value = match (keywords::of(keyword)?, value) {
            (Holds::Definitions, _) => return None,
            (Holds::Note, _) if !notes || keyword == "$schema" => return None,
            (Holds::Schema, value) => inside(value),
            (Holds::Schemas, Value::Array(all)) => all.iter().map(inside).collect(),
            (Holds::Named, Value::Object(all)) => {
                let all = all.iter().map(|(name, value)| (name.clone(), inside(value)));
                Value::Object(all.collect())
            }
            (_, value) => value.clone(),
        };
        Some((keyword.clone(), value))
    };
    Value::Object(fields.iter().filter_map(written).collect())
}

fn parse(text: &str) -> Result<Value, Vec<Finding>> {
    let wrong = |message: String| vec![Finding::at("", message)];
    if text.len() > MAX_SCHEMA_BYTES {
        let message = format!("has {} bytes; at most {MAX_SCHEMA_BYTES} are allowed", text.len());
        return Err(wrong(message));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| wrong(format!("is no JSON: {error}")))?;
    if !value.is_object() {
        return Err(wrong("must be a JSON object".to_owned()));
    }
    Ok(value)
}

fn compile(schema: &Value) -> Result<Validator, Finding> {
    // Patterns are searched in linear time, and held in bounded memory.
    let patterns = PatternOptions::regex()
        .size_limit(MAX_PATTERN_BYTES)
        .dfa_size_limit(MAX_PATTERN_BYTES);
    let options = jsonschema::draft202012::options().with_pattern_options(patterns);
    let mistake = |error: jsonschema::ValidationError<'_>| {
        Finding::at(error.instance_path().as_str(), error.to_string())
    };
    options.build(schema).map_err(mistake)
}

/// What the dialect does not allow: a limit that is no number, a type that there is not.
fn against_dialect(schema: &Value) -> Vec<Finding> {
    let validator = jsonschema::draft202012::meta::validator();
    let mistake = |error: jsonschema::ValidationError<'_>| {
        Finding::at(error.instance_path().as_str(), error.to_string())
    };
    validator
        .iter_errors(schema)
        .take(MAX_MISTAKES)
        .map(mistake)
        .collect()
}

/// Looks at every schema in one, once.
struct Walk<'v> {
    definitions: Option<&'v Map<String, Value>>,
    patterns: usize,
    mistakes: Vec<Finding>,
}

impl<'v> Walk<'v> {
    fn all_of(root: &'v Value) -> Vec<Finding> {
        let mut walk = Self {
            definitions: definitions(root),
            patterns: 0,
            mistakes: Vec::new(),
        };
        walk.schema(root, "");
        for (name, schema) in walk.definitions.into_iter().flatten() {
            walk.schema(schema, &format!("/$defs/{}", escaped(name)));
        }
        if walk.patterns > MAX_PATTERNS {
            let message = format!(
                "has {} patterns; at most {MAX_PATTERNS} are allowed",
                walk.patterns
            );
            walk.mistakes.push(Finding::at("", message));
        }
        walk.mistakes
    }

    /// As deep as JSON is read, 127 levels.
    fn schema(&mut self, schema: &'v Value, place: &str) {
        let Some(fields) = schema.as_object() else { return };
        for (keyword, value) in fields {
            self.keyword(keyword, value, &format!("{place}/{}", escaped(keyword)));
        }
        let goes_with_it = |keyword: &String| {
            let held = keywords::of(keyword);
            !matches!(
                held,
                Some(Holds::Rule | Holds::Schema | Holds::Schemas | Holds::Named)
            )
        };
        if fields.contains_key("$ref") && !fields.keys().all(goes_with_it) {
            let message = "stands beside other rules; put it into an allOf beside them";
            self.mistakes.push(Finding::at(&format!("{place}/$ref"), message));
        }
        for (inside, schema) in keywords::inner(fields) {
            self.schema(schema, &format!("{place}{inside}"));
        }
    }

    fn keyword(&mut self, keyword: &str, value: &Value, place: &str) {
        let problem = match keywords::of(keyword) {
            None => Some("is no keyword that is taken here; one of your own begins with x-".to_owned()),
            Some(Holds::Definitions) if place != "/$defs" => {
                Some("belongs to the outermost schema".to_owned())
            }
            Some(Holds::Reference) => {
                let name = value.as_str().and_then(keywords::definition);
                let leads = self
                    .definitions
                    .zip(name)
                    .is_some_and(|(all, name)| all.contains_key(name));
                (!leads).then(|| {
                    "must lead to a definition of this schema: #/$defs/ and a name of letters, digits, -, _ and .; nothing \
                     is fetched"
                        .to_owned()
                })
            }
            Some(Holds::Note) if keyword == "$schema" => {
                (value != DIALECT).then(|| format!("must be {DIALECT}, or be left out"))
            }
            Some(_) => None,
        };
        self.patterns += match (keyword, value) {
            ("pattern", _) => 1,
            ("patternProperties", Value::Object(all)) => all.len(),
            _ => 0,
        };
        self.mistakes
            .extend(problem.map(|problem| Finding::at(place, problem)));
    }
}

fn definitions(root: &Value) -> Option<&Map<String, Value>> {
    root.get("$defs").and_then(Value::as_object)
}

/// How many schemas there are, and how deep they nest, references written out.
#[derive(Clone, Copy, Debug)]
struct Weight {
    schemas: usize,
    depth: usize,
}

/// Weighs schemas, each definition once.
struct Weights<'v> {
    definitions: Option<&'v Map<String, Value>>,
    /// By definition; `None` while it is looked at.
    known: HashMap<&'v str, Option<Weight>>,
}

impl<'v> Weights<'v> {
    fn of(root: &'v Value) -> Result<Weight, Finding> {
        let mut weights = Self {
            definitions: definitions(root),
            known: HashMap::new(),
        };
        // Those that nothing leads to are looked at as well: something may, after a change.
        for name in weights.definitions.into_iter().flat_map(Map::keys) {
            weights.definition(name, 0)?;
        }
        weights.schema(root, 0)
    }

    fn schema(&mut self, schema: &'v Value, above: usize) -> Result<Weight, Finding> {
        let mut weight = Weight { schemas: 1, depth: 1 };
        let too_deep = || {
            Finding::at(
                "",
                format!("nests deeper than {MAX_DEPTH} levels, references followed"),
            )
        };
        if above >= MAX_DEPTH {
            return Err(too_deep());
        }
        let Some(fields) = schema.as_object() else {
            return Ok(weight);
        };
        let mut add = |inner: Weight| {
            weight.schemas = weight.schemas.saturating_add(inner.schemas);
            weight.depth = weight.depth.max(inner.depth + 1);
        };
        for (_, inner) in keywords::inner(fields) {
            add(self.schema(inner, above + 1)?);
        }
        let reference = fields.get("$ref").and_then(Value::as_str);
        if let Some(name) = reference.and_then(keywords::definition) {
            add(self.definition(name, above + 1)?);
        }
        if above + weight.depth > MAX_DEPTH {
            return Err(too_deep());
        }
        if weight.schemas > MAX_SCHEMAS {
            let message = format!("has more than {MAX_SCHEMAS} schemas, references followed");
            return Err(Finding::at("", message));
        }
        Ok(weight)
    }

    fn definition(&mut self, name: &'v str, above: usize) -> Result<Weight, Finding> {
        match self.known.get(name) {
            Some(Some(weight)) => Ok(*weight),
            Some(None) => {
                let message =
                    "leads back to itself by its references; write out as many levels as there may be";
                Err(Finding::at(&format!("/$defs/{name}"), message))
            }
            None => {
                self.known.insert(name, None);
                let target = self.definitions.and_then(|all| all.get(name));
                let weight = target.map_or(Ok(Weight { schemas: 1, depth: 1 }), |target| {
                    self.schema(target, above)
                })?;
                self.known.insert(name, Some(weight));
                Ok(weight)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schema: &str) -> Vec<String> {
        let mistakes = Schema::check(schema).err().unwrap_or_default();
        mistakes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn data_is_held_against_a_schema_that_was_brought() {
        let schema = Schema::check(
            r##"{"type": "object", "properties": {"total": {"$ref": "#/$defs/money"}}, "required": ["total"],
            "$defs": {"money": {"type": "integer", "minimum": 0, "description": "In cents."}}, "x-team": "billing"}"##,
        )
        .unwrap();
        assert_eq!(schema.violations(br#"{"total": 5, "more": 1}"#), []);
        let wrong = schema.violations(br#"{"total": -1}"#);
        assert_eq!(wrong[0].pointer, "/total");
        assert_eq!(schema.violations(b"{}").len(), 1);
    }

    #[test]
    fn every_mistake_of_a_schema_is_told_with_its_place() {
        assert!(told("{\"type\": }")[0].starts_with("is no JSON: expected value at line 1 column 10"));
        assert_eq!(told("true"), ["must be a JSON object"]);
        let wrong = told(
            r##"{"requird": [], "properties": {"a/b": {"$ref": "https://example.com/s"}, "c": {"$id": "x"},
            "d": {"$ref": "#/$defs/d", "type": "string"}}, "$schema": "http://json-schema.org/draft-07/schema#"}"##,
        );
        let places = [
            "/requird",
            "/properties/a~1b/$ref",
            "/properties/c/$id",
            "/properties/d/$ref",
            "/$schema",
        ];
        for place in places {
            assert!(
                wrong.iter().any(|told| told.contains(place)),
                "{place}: {wrong:?}"
            );
        }
        let wrong = told(r#"{"type": "strin", "properties": {"a": {"minLength": -1}}}"#);
        assert!(
            wrong
                .iter()
                .any(|told| told.starts_with("at /properties/a/minLength: ")),
            "{wrong:?}"
        );
        assert!(
            wrong.iter().any(|told| told.starts_with("at /type: ")),
            "{wrong:?}"
        );
        assert!(!told(r#"{"pattern": "("}"#).is_empty());
        // What looks like a keyword and is a name, or a value.
        assert_eq!(
            told(r#"{"properties": {"$ref": true}, "enum": [{"$id": 1}]}"#),
            [""; 0]
        );
    }

    #[test]
    fn hostile_schemas_are_refused_in_bounded_time() {
        let back = r##"{"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}"##;
        assert!(told(back)[0].contains("leads back to itself"), "{:?}", told(back));
        // Each definition twice the one before it: 2^40 schemas.
        let double = |index: usize| {
            let next = index + 1;
            format!(
                r##""d{index}": {{"allOf": [{{"$ref": "#/$defs/d{next}"}}, {{"$ref": "#/$defs/d{next}"}}]}}"##
            )
        };
        let all: Vec<_> = (0..20).map(double).chain([r#""d20": {}"#.to_owned()]).collect();
        let wide = format!(r##"{{"$ref": "#/$defs/d0", "$defs": {{{}}}}}"##, all.join(","));
        assert!(
            told(&wide)[0].contains("more than 5000 schemas"),
            "{:?}",
            told(&wide)
        );
        let chain = |index: usize| format!(r##""d{index}": {{"$ref": "#/$defs/d{}"}}"##, index + 1);
        let all: Vec<_> = (0..1_000)
            .map(chain)
            .chain([r#""d1000": {}"#.to_owned()])
            .collect();
        let long = format!(r##"{{"$ref": "#/$defs/d0", "$defs": {{{}}}}}"##, all.join(","));
        assert!(told(&long)[0].contains("nests deeper"), "{:?}", told(&long));
        assert!(!told(r#"{"pattern": "((a{1,500}){1,500}){1,500}"}"#).is_empty());
        assert!(
            !told(r#"{"pattern": "(a)\\1"}"#).is_empty(),
            "linear time knows no references back"
        );
        let patterns: Vec<_> = (0..65)
            .map(|index| format!(r#""p{index}": {{"pattern": "a"}}"#))
            .collect();
        let many = format!(r#"{{"properties": {{{}}}}}"#, patterns.join(","));
        assert_eq!(told(&many), ["has 65 patterns; at most 64 are allowed"]);
        assert!(
            told(&format!("{{\"title\": \"{}\"}}", "x".repeat(MAX_SCHEMA_BYTES)))[0]
                .contains("at most 65536")
        );
    }

    #[test]
    fn references_are_written_out() {
        let schema: Value = serde_json::from_str(
            r##"{"$ref": "#/$defs/a", "title": "T", "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"title": "B", "const": 1}}}"##,
        )
        .unwrap();
        assert_eq!(
            written_out(&schema, false),
            serde_json::json!({"items": {"const": 1}})
        );
        let noted = serde_json::json!({"items": {"title": "B", "const": 1}});
        assert_eq!(written_out(&schema, true), noted);
    }
}
