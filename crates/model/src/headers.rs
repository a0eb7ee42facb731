//! What a POST says beside Standard Webhooks' own headers: where its group stands (D8). Whoever sends it, reads it or describes it names
//! them by these.

/// The position of the last event of a POST: `<partition>-<offset>` (D8).
pub const POSITION: &str = "angarium-position";
/// The position of the last event that the receiver had acknowledged before; a gap between the two shows (D8). Of an
/// unordered webhook: the last before any that it has not acknowledged; absent while one that failed waits for its retry.
pub const PREVIOUS: &str = "angarium-previous";
/// The class of the events: positions of one lane follow each other, those of two do not (D7).
pub const LANE: &str = "angarium-lane";
/// `replay` or `resend` when events were done before and someone asked for them again.
pub const AGAIN: &str = "angarium-again";
