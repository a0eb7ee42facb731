//! What people note of a webhook: whom to write to, and words to find it by.

use std::collections::{BTreeMap, HashMap};

use super::check_length;
use crate::FieldError;

/// Most addresses of a webhook.
const MAX_CONTACTS: usize = 10;
/// Longest address, in bytes (RFC 5321, section 4.5.3.1.3).
const MAX_CONTACT: usize = 254;
/// Most tags of a webhook.
const MAX_TAGS: usize = 32;
/// Longest key and value of a tag, in bytes.
const MAX_TAG_KEY: usize = 63;
const MAX_TAG_VALUE: usize = 256;

pub(super) fn check_contacts(contacts: &[String], errors: &mut Vec<FieldError>) {
    if contacts.len() > MAX_CONTACTS {
        let message = format!(
            "has {} entries; at most {MAX_CONTACTS} are allowed",
            contacts.len()
        );
        errors.push(FieldError::new("contacts", message));
        return;
    }
    for (index, contact) in contacts.iter().enumerate() {
        let field = format!("contacts[{index}]");
        check_length(&field, contact, MAX_CONTACT, errors);
        if !is_address(contact) {
            let message = "is no e-mail address such as ops@example.com, without a name beside it";
            errors.push(FieldError::new(&*field, message));
        }
        if contacts.iter().take(index).any(|other| other == contact) {
            errors.push(FieldError::new(field, "is there twice: keep one"));
        }
    }
}

/// What every mail server takes as one: a part on both sides of one `@`, nothing that ends a line or a header, and a
/// domain with a dot. Whether anybody reads there, no rule tells.
fn is_address(text: &str) -> bool {
    let is_fine =
        |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')' | '\\');
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    !local.is_empty()
        && text.chars().all(is_fine)
        && !domain.contains('@')
        && domain.contains('.')
        && domain.split('.').all(|label| !label.is_empty())
}

/// Sorted by their keys.
pub(super) fn tags_from_wire(
    wire: HashMap<String, String>,
    errors: &mut Vec<FieldError>,
) -> BTreeMap<String, String> {
    if wire.len() > MAX_TAGS {
        let message = format!("has {} entries; at most {MAX_TAGS} are allowed", wire.len());
        errors.push(FieldError::new("tags", message));
        return BTreeMap::new();
    }
    let tags: BTreeMap<String, String> = wire.into_iter().collect();
    for (key, value) in &tags {
        check_tag(key, value, "tags", errors);
    }
    tags
}

/// Checks a tag, as it is written and as it is asked for; `field` is the map.
pub fn check_tag(key: &str, value: &str, field: &str, errors: &mut Vec<FieldError>) {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    if key.is_empty() || key.len() > MAX_TAG_KEY || !key.bytes().all(is_fine) {
        let shown: String = key.chars().take(MAX_TAG_KEY).collect();
        let message =
            format!("the key {shown:?} must be 1 to {MAX_TAG_KEY} letters, digits, `-`, `_`, `.` and `/`");
        errors.push(FieldError::new(field, message));
        return;
    }
    let field = format!("{field}.{key}");
    check_length(&field, value, MAX_TAG_VALUE, errors);
    if value.chars().any(char::is_control) {
        errors.push(FieldError::new(field, "must not have control characters"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w1_contacts_are_addresses_that_end_no_line_and_name_one_reader() {
        let mut errors = Vec::new();
        check_contacts(
            &["ops@example.com".into(), "a.b+c@mail.example.org".into()],
            &mut errors,
        );
        assert_eq!(errors, []);
        let wrong = [
            "",
            "ops",
            "@example.com",
            "ops@",
            "ops@example",
            "a@b@example.com",
            "ops@example..com",
            "Ops <ops@example.com>",
            "ops@example.com\r\nbcc: x@example.com",
            "a@example.com,b@example.com",
        ];
        for address in wrong {
            errors.clear();
            check_contacts(&[address.to_owned()], &mut errors);
            assert_eq!(errors.len(), 1, "{address:?}: {errors:?}");
            assert_eq!(errors[0].field, "contacts[0]");
        }
        errors.clear();
        check_contacts(&vec!["ops@example.com".to_owned(); 2], &mut errors);
        assert_eq!(errors[0].field, "contacts[1]");
    }

    #[test]
    fn w1_a_tag_that_is_wrong_is_told_by_its_key() {
        let tags = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let mut errors = Vec::new();
        let taken = tags_from_wire(tags(&[("team", "payroll"), ("example.com/env", "")]), &mut errors);
        assert_eq!((errors.len(), taken.len()), (0, 2));
        tags_from_wire(tags(&[("a b", "x"), ("env", "a\nb")]), &mut errors);
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["tags", "tags.env"]);
    }
}
