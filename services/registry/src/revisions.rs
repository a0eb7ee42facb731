//! What callers and registries tell one another in the metadata of calls.

use angarium_model::Actor;
use angarium_proto::{FieldError, InvalidWire};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

use crate::refusal::Refusal;

/// With an answer: from where on what it says can be read. With a request: at least that is to be seen by it, whichever
/// registry answers. `<partition>:<offset>`, several with commas.
pub(crate) const REVISION: &str = "angarium-revision";
/// With a request to read: `latest` asks the writer, so that all writes answered before are seen.
const READ: &str = "angarium-read";
const LATEST: &str = "latest";
/// With a request: another registry passes it on, and nobody else is to be asked.
const PASSED_ON: &str = "angarium-passed-on";
/// Along with that: the id of the API key that the caller presented there. Without it the caller had the operator's key.
const ACTOR: &str = "angarium-actor";

/// Along with an account that has an external id: until when it may be written, Unix milliseconds. So long the external id is kept for it.
const KEPT_UNTIL: &str = "angarium-kept-until";

/// More than any topic of ours has partitions of interest to one caller.
const MAX_PLACES: usize = 64;

/// Whether the caller wants what is current, wherever it is.
pub(crate) fn wants_latest(metadata: &MetadataMap) -> bool {
    metadata.get(READ).is_some_and(|value| value == LATEST)
}

/// Whether another registry sends this.
pub(crate) fn is_passed_on(metadata: &MetadataMap) -> bool {
    metadata.contains_key(PASSED_ON)
}

/// On whose behalf another registry sends this.
///
/// # Errors
/// When it is nobody that this version knows: whoever it is, it may do less than who passes it on.
pub(crate) fn actor(metadata: &MetadataMap) -> Result<Option<Actor>, Refusal> {
    let Some(id) = metadata.get(ACTOR) else {
        return Ok(None);
    };
    let id = id.to_str().ok().and_then(|id| id.parse().ok());
    id.map(|id| Some(Actor::Key(id))).ok_or(Refusal::Revoked)
}

/// Until when an account may be written whose external id is kept.
pub(crate) fn kept_until_ms(metadata: &MetadataMap) -> Option<i64> {
    metadata.get(KEPT_UNTIL)?.to_str().ok()?.parse().ok()
}

/// Tells until when; whatever the caller told is nothing.
pub(crate) fn keep_until(until_ms: Option<i64>, metadata: &mut MetadataMap) {
    metadata.remove(KEPT_UNTIL);
    if let Some(until) = until_ms.and_then(|until| until.to_string().parse().ok()) {
        metadata.insert(KEPT_UNTIL, until);
    }
}

/// What a request is sent along with to another registry, of what came with it.
pub(crate) fn pass_on(from: &MetadataMap, by: Actor, to: &mut MetadataMap) {
    if let Actor::Key(id) = by
        && let Ok(id) = id.to_string().parse()
    {
        to.insert(ACTOR, id);
    }
    to.insert(PASSED_ON, AsciiMetadataValue::from_static("1"));
    for name in [READ, KEPT_UNTIL] {
        if let Some(value) = from.get(name) {
            to.insert(name, value.clone());
        }
    }
}

/// The revision that an answer, or a request, tells of.
///
/// # Errors
/// When it is not one.
pub(crate) fn places(metadata: &MetadataMap) -> Result<Vec<(i32, i64)>, Refusal> {
    let Some(value) = metadata.get(REVISION) else {
        return Ok(Vec::new());
    };
    let place = |text: &str| {
        let (partition, offset) = text.trim().split_once(':')?;
        Some((partition.parse().ok()?, offset.parse().ok()?))
    };
    let text = value.to_str().unwrap_or_default();
    let places: Option<Vec<(i32, i64)>> = text.split(',').take(MAX_PLACES + 1).map(place).collect();
    places.filter(|places| places.len() <= MAX_PLACES).ok_or_else(|| {
        let message = "is no revision; give one back as an answer of the registry had it, or leave it out";
        InvalidWire(vec![FieldError::new(REVISION, message)]).into()
    })
}

/// Tells a revision.
pub(crate) fn tell((partition, offset): (i32, i64), metadata: &mut MetadataMap) {
    if let Ok(value) = format!("{partition}:{offset}").parse() {
        metadata.insert(REVISION, value);
    }
}
