//! Lists in pages.

use std::fmt::Display;
use std::str::FromStr;

use angarium_proto::FieldError;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

const DEFAULT_SIZE: u32 = 100;
const MAX_SIZE: u32 = 1_000;

/// What a caller asks for: how many, and what the page before ended with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<Id> {
    pub(crate) size: usize,
    pub(crate) after: Option<Id>,
}

impl<Id: FromStr + Display> Page<Id> {
    /// Checks `page_size` and `page_token`; `list` names what is listed, so that a token of another list is refused.
    pub(crate) fn from_wire(size: u32, token: &str, list: &str, errors: &mut Vec<FieldError>) -> Self {
        if size > MAX_SIZE {
            let message = format!("is {size}; allowed are 1 to {MAX_SIZE}, or 0 for {DEFAULT_SIZE}");
            errors.push(FieldError::new("page_size", message));
        }
        let after = if token.is_empty() {
            None
        } else {
            read_token(token, list)
        };
        if after.is_none() && !token.is_empty() {
            let message = "is no `next_page_token` of this list; begin again without one";
            errors.push(FieldError::new("page_token", message));
        }
        let size = if size == 0 { DEFAULT_SIZE } else { size };
        Self {
            size: usize::try_from(size).unwrap_or(usize::MAX),
            after,
        }
    }

    /// Goes on behind this one.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an id is a few bytes, made for this"
    )]
    pub(crate) fn token(list: &str, id: Id) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{list}/{id}"))
    }

    /// Cuts what follows `after` to one page; says how to go on if there is more.
    pub(crate) fn cut<T>(
        &self,
        rest: impl Iterator<Item = T>,
        list: &str,
        id: impl Fn(&T) -> Id,
    ) -> (Vec<T>, String) {
        let mut rest = rest.peekable();
        let page: Vec<_> = rest.by_ref().take(self.size).collect();
        let token = match page.last() {
            Some(last) if rest.peek().is_some() => Self::token(list, id(last)),
            _ => String::new(),
        };
        (page, token)
    }
}

fn read_token<Id: FromStr>(token: &str, list: &str) -> Option<Id> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    text.strip_prefix(list)?.strip_prefix('/')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_to_the_end() {
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let mut errors = Vec::new();
            let page = Page::<u32>::from_wire(2, &token, "numbers", &mut errors);
            assert_eq!(errors, []);
            let rest = (1..=6).filter(|number| page.after.is_none_or(|after| *number > after));
            let (numbers, next) = page.cut(rest, "numbers", |number| *number);
            seen.push(numbers);
            token = next;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, [[1, 2], [3, 4], [5, 6]]);
    }

    #[test]
    fn a_size_out_of_bounds_and_a_token_of_another_list_are_both_told() {
        let mut errors = Vec::new();
        let token = BASE64_URL_SAFE_NO_PAD.encode("letters/1");
        Page::<u32>::from_wire(1_001, &token, "numbers", &mut errors);
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["page_size", "page_token"]);
    }
}
