//! What a new schema refuses that the one before it took: producers go on as they did while a schema changes (ADR 16).
//!
//! Both are compared keyword by keyword, references written out and notes left out. What loosens is no incompatibility: a rule that
//! goes, a limit that widens, a value or a type that is added. What tightens is one. Rules that are not looked into, such as
//! `oneOf`, may go and must not change otherwise. A field that the old schema did not name may be described, though a producer may
//! have sent another thing under that name: to describe a new field is what most changes are for.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::finding::Finding;
use crate::keywords::escaped;
use crate::own::written_out;

/// What a new schema refuses that the one before it took, both checked; `None` is a schema that takes every object. Places are in the new
/// schema with its references written out.
#[must_use]
pub fn incompatibilities(old: Option<&str>, new: Option<&str>) -> Vec<Finding> {
    let read = |text: Option<&str>| {
        let value = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        value.map_or(Value::Bool(true), |value| written_out(&value, false))
    };
    let mut found = Found(Vec::new());
    found.compare(&read(old), &read(new), "");
    found.0
}

/// Those that loosen when they go, and are not looked into otherwise.
const MAY_GO: [&str; 11] = [
    "pattern",
    "format",
    "multipleOf",
    "uniqueItems",
    "not",
    "allOf",
    "anyOf",
    "oneOf",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
];
const AT_LEAST: [&str; 5] = [
    "minimum",
    "exclusiveMinimum",
    "minLength",
    "minItems",
    "minProperties",
];
const AT_MOST: [&str; 5] = [
    "maximum",
    "exclusiveMaximum",
    "maxLength",
    "maxItems",
    "maxProperties",
];
/// They look at what the rules beside them have looked at.
const WHAT_IS_LEFT: [&str; 2] = ["unevaluatedProperties", "unevaluatedItems"];
const ADDITIONAL: &str = "additionalProperties";

struct Found(Vec<Finding>);

impl Found {
    fn tell(&mut self, place: &str, message: impl AsRef<str>) {
        self.0.push(Finding::at(place, message));
    }

    fn compare(&mut self, old: &Value, new: &Value, place: &str) {
        let all = Map::new();
        let (old, new) = match (old, new) {
            (Value::Bool(false), _) | (_, Value::Bool(true)) => return,
            (_, Value::Bool(false)) => return self.tell(place, "nothing is accepted here any more"),
            (old, new) => (old.as_object().unwrap_or(&all), new.as_object().unwrap_or(&all)),
        };
        if WHAT_IS_LEFT
            .iter()
            .any(|keyword| old.contains_key(*keyword) || new.contains_key(*keyword))
        {
            if old != new {
                let message = "was changed, and has unevaluatedProperties or unevaluatedItems: what they come to is not \
                               looked into";
                self.tell(place, message);
            }
            return;
        }
        let keywords: BTreeSet<_> = old.keys().chain(new.keys()).map(String::as_str).collect();
        for keyword in keywords {
            self.keyword(keyword, (old, new), place);
        }
        self.values(old, new, place);
        self.fields(old, new, place);
    }

    fn keyword(
        &mut self,
        keyword: &str,
        (old, new): (&Map<String, Value>, &Map<String, Value>),
        place: &str,
    ) {
        let (before, after) = (old.get(keyword), new.get(keyword));
        let here = format!("{place}/{keyword}");
        match keyword {
            // These are looked at together.
            "enum" | "const" | "properties" | ADDITIONAL => {}
            "type" => self.types(before, after, &here),
            "required" => self.required(before, after, &here),
            "items" => {
                let anything = Value::Bool(true);
                self.compare(before.unwrap_or(&anything), after.unwrap_or(&anything), &here);
            }
            _ if AT_LEAST.contains(&keyword) => self.limit(before, after, &here, |new, old| new <= old),
            _ if AT_MOST.contains(&keyword) => self.limit(before, after, &here, |new, old| new >= old),
            _ if MAY_GO.contains(&keyword) && after.is_none() => {}
            _ if before != after => {
                self.tell(&here, "was added or changed: what it comes to is not looked into");
            }
            _ => {}
        }
    }

    fn types(&mut self, old: Option<&Value>, new: Option<&Value>, place: &str) {
        const ALL: [&str; 6] = ["null", "boolean", "object", "array", "number", "string"];
        let Some(new) = new.map(names) else { return };
        let old = old.map_or_else(|| ALL.to_vec(), names);
        let takes = |name: &&str| new.contains(name) || (*name == "integer" && new.contains(&"number"));
        let gone: Vec<_> = old.iter().filter(|name| !takes(name)).copied().collect();
        if !gone.is_empty() {
            self.tell(place, format!("is not {} any more", gone.join(", or ")));
        }
    }

    fn required(&mut self, old: Option<&Value>, new: Option<&Value>, place: &str) {
        let old = old.map(names).unwrap_or_default();
        for name in new.map(names).unwrap_or_default() {
            if !old.contains(&name) {
                self.tell(place, format!("{name} was not required"));
            }
        }
    }

    fn limit(
        &mut self,
        old: Option<&Value>,
        new: Option<&Value>,
        place: &str,
        is_wide_enough: impl Fn(f64, f64) -> bool,
    ) {
        let number = |value: &Value| value.as_f64();
        match (old, new) {
            (_, None) => {}
            (Some(old), Some(new)) if old == new => {}
            (Some(old), Some(new)) => {
                let both = number(new).zip(number(old));
                if !both.is_some_and(|(new, old)| is_wide_enough(new, old)) {
                    self.tell(place, format!("was {old}, and is narrower"));
                }
            }
            (None, Some(_)) => self.tell(place, "was not limited"),
        }
    }

    /// `enum`, and `const`, which is one of one.
    fn values(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, place: &str) {
        let listed = |schema: &Map<String, Value>| -> Option<Vec<Value>> {
            match (schema.get("const"), schema.get("enum")) {
                (Some(only), _) => Some(vec![only.clone()]),
                (None, Some(all)) => all.as_array().cloned(),
                (None, None) => None,
            }
        };
        // Both at once are as narrow as the narrower one, which is not looked for.
        let both = |schema: &Map<String, Value>| schema.contains_key("const") && schema.contains_key("enum");
        if both(new) && new.get("enum") != old.get("enum") {
            return self.tell(&format!("{place}/enum"), "was added or changed beside const");
        }
        let keyword = if new.contains_key("const") {
            "const"
        } else {
            "enum"
        };
        let here = format!("{place}/{keyword}");
        match (listed(old), listed(new)) {
            (_, None) => {}
            (None, Some(_)) => self.tell(&here, "other values were accepted"),
            (Some(old), Some(new)) => {
                for gone in old.iter().filter(|value| !new.contains(value)) {
                    self.tell(&here, format!("{gone} is not accepted any more"));
                }
            }
        }
    }

    fn fields(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, place: &str) {
        let none = Map::new();
        let named =
            |schema: &'_ Map<String, Value>| schema.get("properties").and_then(Value::as_object).cloned();
        let (before, after) = (named(old).unwrap_or_default(), named(new).unwrap_or(none));
        let rest = |schema: &Map<String, Value>| schema.get(ADDITIONAL).cloned().unwrap_or(Value::Bool(true));
        let (rest_before, rest_after) = (rest(old), rest(new));
        for (name, schema) in &after {
            let here = format!("{place}/properties/{}", escaped(name));
            match before.get(name) {
                Some(known) => self.compare(known, schema, &here),
                // What was allowed without a rule may be described.
                None if rest_before == Value::Bool(true) => {}
                None => self.compare(&rest_before, schema, &here),
            }
        }
        let here = format!("{place}/{ADDITIONAL}");
        for (name, schema) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
            if rest_after == Value::Bool(false) && *schema != Value::Bool(false) {
                self.tell(&here, format!("the field {name} is not accepted any more"));
            } else {
                self.compare(schema, &rest_after, &here);
            }
        }
        self.compare(&rest_before, &rest_after, &here);
    }
}

/// A text, or a list of them.
fn names(value: &Value) -> Vec<&str> {
    match value {
        Value::String(name) => vec![name],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn told(old: &Value, new: &Value) -> Vec<String> {
        let (old, new) = (old.to_string(), new.to_string());
        let found = incompatibilities(Some(&old), Some(&new));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_tightens_is_told_with_its_place() {
        let old = json!({
            "type": "object", "required": ["id"],
            "properties": {
                "id": {"type": "integer"}, "kind": {"enum": ["a", "b"]}, "note": {"type": "string", "maxLength": 10},
            },
        });
        let mut new = old.clone();
        new["required"] = json!(["id", "note"]);
        new["properties"]["id"]["type"] = json!("string");
        new["properties"]["kind"]["enum"] = json!(["b", "c"]);
        new["properties"]["note"] =
            json!({"type": "string", "maxLength": 5, "minLength": 1, "pattern": "^a"});
        new["additionalProperties"] = json!(false);
        assert_eq!(
            told(&old, &new),
            [
                "at /required: note was not required",
                "at /properties/id/type: is not integer any more",
                "at /properties/kind/enum: \"a\" is not accepted any more",
                "at /properties/note/maxLength: was 10, and is narrower",
                "at /properties/note/minLength: was not limited",
                "at /properties/note/pattern: was added or changed: what it comes to is not looked into",
                "at /additionalProperties: nothing is accepted here any more",
            ]
        );
    }

    #[test]
    fn what_loosens_or_describes_a_new_field_is_compatible() {
        let old = json!({
            "type": "object", "required": ["id", "note"], "description": "Old.",
            "properties": {"id": {"type": "integer", "minimum": 5}, "note": {"const": "x", "oneOf": [{}]}},
        });
        let new = json!({
            "type": ["object", "null"], "required": ["id"], "description": "New.",
            "properties": {"id": {"$ref": "#/$defs/id"}, "note": {"enum": ["x", "y"]}, "more": {"type": "boolean"}},
            "$defs": {"id": {"type": "number", "minimum": 4}},
        });
        assert_eq!(told(&old, &new), [""; 0]);
        assert!(told(&new, &old).len() >= 4, "and not the other way round");
    }

    #[test]
    fn no_schema_takes_every_object() {
        assert_eq!(incompatibilities(Some(r#"{"type": "object"}"#), None), []);
        assert_eq!(incompatibilities(None, Some("{}")), []);
        let told = incompatibilities(None, Some(r#"{"required": ["a"]}"#));
        assert_eq!(told[0].to_string(), "at /required: a was not required");
    }

    /// Schemas of values in which `a` and `b` are the only names that come.
    fn schema() -> BoxedStrategy<Value> {
        let types = prop::sample::select(vec![
            json!("integer"),
            json!("number"),
            json!("string"),
            json!(["string", "null"]),
            json!(["object", "array", "integer"]),
        ]);
        let leaf = prop_oneof![
            Just(json!(true)),
            Just(json!(false)),
            Just(json!({})),
            types.prop_map(|of| json!({"type": of})),
            (0..3).prop_map(|least| json!({"minimum": least, "minLength": least})),
            (0..3).prop_map(|most| json!({"exclusiveMaximum": most, "maxItems": most})),
            prop::collection::vec(0..3, 1..3).prop_map(|all| json!({"enum": all})),
            (0..3).prop_map(|only| json!({"const": only})),
            Just(json!({"not": {"type": "integer"}})),
            Just(json!({"uniqueItems": true})),
        ]
        .boxed();
        leaf.prop_recursive(3, 16, 3, |inner| {
            let required = prop::sample::subsequence(vec!["a", "b"], 0..=2);
            let object = (inner.clone(), inner.clone(), required)
                .prop_map(|(a, b, required)| json!({"properties": {"a": a, "b": b}, "required": required}));
            let described = json!({"a": true, "b": true});
            let rest = inner.clone().prop_map(move |rest| {
                json!({"properties": described, "additionalProperties": rest, "minProperties": 1})
            });
            let items = inner.clone().prop_map(|items| json!({"items": items}));
            let referred = inner.prop_map(|all| json!({"allOf": [all]}));
            prop_oneof![object, rest, items, referred]
        })
        .boxed()
    }

    fn data() -> BoxedStrategy<Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            (-1..4).prop_map(|number| json!(number)),
            Just(json!(1.5)),
            "[xy]{0,3}".prop_map(|text| json!(text)),
        ]
        .boxed();
        // Inside there are no fields: they would be new ones wherever a schema does not name them.
        let inside = prop_oneof![
            leaf.clone(),
            Just(json!({})),
            prop::collection::vec(leaf, 0..3).prop_map(|all| json!(all)),
        ]
        .boxed();
        let fields = prop::collection::btree_map(prop::sample::select(vec!["a", "b"]), inside.clone(), 0..3);
        let list = prop::collection::vec(inside.clone(), 0..3);
        prop_oneof![
            inside,
            fields.prop_map(|all| json!(all)),
            list.prop_map(|all| json!(all))
        ]
        .boxed()
    }

    proptest! {
        // Of two schemas that come by chance, one in fifteen pairs is compatible.
        #![proptest_config(ProptestConfig { cases: 1_000, max_global_rejects: 100_000, ..ProptestConfig::default() })]

        #[test]
        fn what_the_old_schema_takes_a_compatible_one_takes(
            old in schema(), new in schema(), samples in prop::collection::vec(data(), 12),
        ) {
            prop_assume!(told(&old, &new).is_empty());
            // What the old one does not name, the new one may describe.
            prop_assume!(old.get("properties").is_some() || new.get("properties").is_none());
            let (before, after) = (
                jsonschema::draft202012::new(&old).unwrap(),
                jsonschema::draft202012::new(&new).unwrap(),
            );
            for sample in &samples {
                prop_assert!(!before.is_valid(sample) || after.is_valid(sample), "{sample}: {old} then {new}");
            }
        }
    }
}
