//! The keywords of JSON Schema that are taken, by what they hold.

use serde_json::{Map, Value};

/// What a keyword holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Something for people, or for programs that make code: data is not held against it.
    Note,
    /// A rule of its own.
    Rule,
    /// A schema.
    Schema,
    /// A list of schemas.
    Schemas,
    /// Schemas by name.
    Named,
    /// Schemas by name that others refer to.
    Definitions,
    /// Where another schema is.
    Reference,
}

/// The prefix of keywords of the caller's own.
const OWN: &str = "x-";

/// `None`: it is not taken. Those that rename where a schema is are not, for then nobody could tell where a reference
/// leads; those that the dialect lacks are misspelt, most likely.
pub(crate) fn of(keyword: &str) -> Option<Holds> {
    Some(match keyword {
        "$schema" | "$comment" | "title" | "description" | "default" | "examples" | "deprecated"
        | "readOnly" | "writeOnly" | "contentEncoding" | "contentMediaType" => Holds::Note,
        "type" | "enum" | "const" | "multipleOf" | "minimum" | "maximum" | "exclusiveMinimum"
        | "exclusiveMaximum" | "minLength" | "maxLength" | "pattern" | "format" | "minItems" | "maxItems"
        | "uniqueItems" | "minContains" | "maxContains" | "minProperties" | "maxProperties" | "required"
        | "dependentRequired" => Holds::Rule,
        "items"
        | "contains"
        | "additionalProperties"
        | "propertyNames"
        | "not"
        | "if"
        | "then"
        | "else"
        | "unevaluatedItems"
        | "unevaluatedProperties" => Holds::Schema,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Holds::Schemas,
        "properties" | "patternProperties" | "dependentSchemas" => Holds::Named,
        "$defs" => Holds::Definitions,
        "$ref" => Holds::Reference,
        own if own.starts_with(OWN) => Holds::Note,
        _ => return None,
    })
}

/// The schemas inside of one, but for its definitions, each with its place behind that of the one around it.
pub(crate) fn inner(schema: &Map<String, Value>) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (keyword, value) in schema {
        match (of(keyword), value) {
            (Some(Holds::Schema), value) => found.push((format!("/{keyword}"), value)),
            (Some(Holds::Schemas), Value::Array(schemas)) => {
                let places = schemas.iter().enumerate();
                found.extend(places.map(|(index, value)| (format!("/{keyword}/{index}"), value)));
            }
            (Some(Holds::Named), Value::Object(schemas)) => {
                let place = |name: &String| format!("/{keyword}/{}", escaped(name));
                found.extend(schemas.iter().map(|(name, value)| (place(name), value)));
            }
            _ => {}
        }
    }
    found
}

/// What a schema refers to, among the definitions of the root; `None` if it refers to nothing.
pub(crate) fn referred<'v>(definitions: &'v Map<String, Value>, schema: &Value) -> Option<Option<&'v Value>> {
    let reference = schema.get("$ref")?;
    let name = reference.as_str().and_then(definition);
    Some(name.and_then(|name| definitions.get(name)))
}

/// The name of the definition that a reference leads to. One that would have to be escaped is none, for there are two ways
/// to escape.
pub(crate) fn definition(reference: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = reference.strip_prefix("#/$defs/")?;
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}

/// A name as a part of a JSON pointer (RFC 6901).
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
