//! The trace that a request belongs to, passed on with the events it brings.

/// A valid `traceparent` (W3C Trace Context), as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceParent(String);

impl TraceParent {
    /// Its name, as a header of HTTP, in gRPC metadata and of Kafka records.
    pub(crate) const HEADER: &str = "traceparent";

    /// Takes a valid header; another one is as none, as the specification says.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let mut next = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            part.bytes().all(lower_hex).then_some(part)
        };
        let (version, trace, parent, _flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        let all_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
        // Version 00 has these four parts; later ones may add more; ff is none.
        let known = version == "00" && parts.next().is_none() || !matches!(version, "00" | "ff");
        (known && !all_zero(trace) && !all_zero(parent)).then(|| Self(header.trim().to_owned()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_traceparent_is_taken() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(TraceParent::parse(good).unwrap().as_bytes(), good.as_bytes());
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }
}
