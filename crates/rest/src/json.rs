//! How values are written: as JSON of Protocol Buffers, but that numbers are numbers, and values of enumerations in small letters.

use angarium_model::Position;
use prost_reflect::{
    DeserializeOptions, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    ReflectMessage as _, SerializeOptions,
};
use serde::de::Error as _;
use serde_json::{Map, Value, json};

/// A message from what was sent.
///
/// # Errors
/// The first thing that is not as it should be.
pub(crate) fn read(of: &MessageDescriptor, mut value: Value) -> Result<DynamicMessage, serde_json::Error> {
    if !value.is_object() {
        return Err(serde_json::Error::custom("it is no object"));
    }
    renamed(of, &mut value, &|all, text| {
        let full = all.values().find(|known| short(all, known.name()) == text);
        full.map(|known| known.name().to_owned())
    });
    // Unknown fields are refused.
    DynamicMessage::deserialize_with_options(of.clone(), value, &DeserializeOptions::new())
}

/// What is answered of a message: a field that has its default is left out, lists and objects apart.
///
/// # Errors
/// When it cannot be written, which is a mistake of ours.
pub(crate) fn write(message: &DynamicMessage) -> Result<Value, serde_json::Error> {
    let options = SerializeOptions::new().stringify_64_bit_integers(false);
    let mut value = message.serialize_with_options(serde_json::value::Serializer, &options)?;
    let of = message.descriptor();
    if let Value::Object(fields) = &mut value {
        for list in of.fields().filter(FieldDescriptor::is_list) {
            fields
                .entry(list.json_name())
                .or_insert_with(|| Value::Array(Vec::new()));
        }
    }
    renamed(&of, &mut value, &|all, text| {
        let known = all.values().any(|known| known.name() == text);
        known.then(|| short(all, text))
    });
    Ok(value)
}

/// The name of a value without that of its enumeration, in small letters.
pub(crate) fn short(all: &EnumDescriptor, name: &str) -> String {
    let prefix: String = all
        .name()
        .char_indices()
        .flat_map(|(at, letter)| {
            let before = (at > 0 && letter.is_ascii_uppercase()).then_some('_');
            before.into_iter().chain([letter.to_ascii_uppercase()])
        })
        .collect();
    let name = name
        .strip_prefix(&prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .unwrap_or(name);
    name.to_ascii_lowercase()
}

/// Gives all values of enumerations other names, where there is another.
fn renamed(
    of: &MessageDescriptor,
    value: &mut Value,
    name: &impl Fn(&EnumDescriptor, &str) -> Option<String>,
) {
    let Value::Object(fields) = value else {
        return;
    };
    for field in of.fields() {
        for key in [field.json_name(), field.name()] {
            if let Some(value) = fields.get_mut(key) {
                renamed_field(&field, value, name);
            }
        }
    }
}

fn renamed_field(
    field: &FieldDescriptor,
    value: &mut Value,
    name: &impl Fn(&EnumDescriptor, &str) -> Option<String>,
) {
    match (field.kind(), value) {
        (_, Value::Array(items)) if field.is_list() => {
            for item in items {
                renamed_one(&field.kind(), item, name);
            }
        }
        (Kind::Message(_), Value::Object(_)) if field.is_map() => {}
        (kind, value) => renamed_one(&kind, value, name),
    }
}

fn renamed_one(kind: &Kind, value: &mut Value, name: &impl Fn(&EnumDescriptor, &str) -> Option<String>) {
    match (kind, value) {
        (Kind::Enum(all), Value::String(text)) => {
            if let Some(other) = name(all, text) {
                *text = other;
            }
        }
        (Kind::Message(of), value) => renamed(of, value, name),
        _ => {}
    }
}

/// A value of a query or a path as JSON, by what its field is; `None` if it cannot be one.
pub(crate) fn of_text(field: &FieldDescriptor, text: &str) -> Option<Value> {
    match field.kind() {
        Kind::Bool => text.parse().ok().map(Value::Bool),
        Kind::Uint64 | Kind::Uint32 => text.parse::<u64>().ok().map(Value::from),
        Kind::Int64 | Kind::Int32 => text.parse::<i64>().ok().map(Value::from),
        Kind::String | Kind::Enum(_) => Some(Value::String(text.to_owned())),
        Kind::Message(of) if is_position(&of) => {
            let position: Position = text.parse().ok()?;
            Some(json!({"partition": position.partition, "offset": position.offset}))
        }
        _ => None,
    }
}

/// Whether a message is a position, which is a word in paths.
pub(crate) fn is_position(of: &MessageDescriptor) -> bool {
    of.full_name() == "angarium.event.v1.Position"
}

/// Puts a value where these fields lead.
pub(crate) fn put(into: &mut Map<String, Value>, path: &[FieldDescriptor], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    // Its other name would count as well, and later.
    let other = into.remove(first.name());
    if rest.is_empty() {
        into.insert(first.json_name().to_owned(), value);
        return;
    }
    if let Some(other) = other {
        into.insert(first.json_name().to_owned(), other);
    }
    let inner = into
        .entry(first.json_name())
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
    }
}
