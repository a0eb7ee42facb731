//! How deeply `data` may nest. We only delimit it, without recursion; receivers parse it, and readers that recurse
//! give up, or overflow their stack, at depths that nobody needs.

/// The most objects and arrays within each other, `data` itself included.
pub(crate) const MAX_DEPTH: usize = 128;

/// Where valid JSON opens the first object or array that is nested too deeply.
pub(crate) fn beyond(json: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut escaped = false;
    for (at, byte) in json.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(at);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize, innermost: &str) -> String {
        format!("{}{innermost}{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn the_first_level_too_many_is_found_and_brackets_in_texts_do_not_count() {
        assert_eq!(beyond(nested(MAX_DEPTH, "1").as_bytes()), None);
        assert_eq!(beyond(nested(MAX_DEPTH + 1, "").as_bytes()), Some(MAX_DEPTH));
        assert_eq!(beyond(nested(MAX_DEPTH, r#""[\"[\\""#).as_bytes()), None);
        let flat = "[1],{},".repeat(1_000);
        assert_eq!(beyond(format!("[{flat}1]").as_bytes()), None);
        let after_text = nested(MAX_DEPTH, r#""\\\"",[]"#);
        assert_eq!(beyond(after_text.as_bytes()), Some(MAX_DEPTH + 7));
    }
}
