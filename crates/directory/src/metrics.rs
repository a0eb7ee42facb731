//! What a follower of the registry measures.

use std::sync::{Arc, Weak};

use angarium_runtime::Clock;
use angarium_runtime::metrics::Definition;
use opentelemetry::KeyValue;

use crate::{Directory, Keep, Shared};

const KEEPS: &str = "angarium.directory.keeps";

const AGE: Definition = Definition::gauge(
    "angarium.directory.age",
    "s",
    &[KEEPS],
    "How long ago the registry was last heard from, which speaks ten times a second. What is kept tells who follows: ingest `nothing` of webhooks, \
     fanout their `interests`, delivery `everything`",
);
const IN_FORCE: Definition = Definition::gauge(
    "angarium.directory.in_force",
    "1",
    &[KEEPS],
    "1 while this process may act by what it knows, else 0: then fanout matches nothing and delivery begins no call",
);

/// All of it.
pub const METRICS: &[Definition] = &[AGE, IN_FORCE];

/// Measured for as long as someone has the directory.
pub(crate) fn observe(shared: &Arc<Shared>, keep: Keep, clock: &Clock) {
    let labels = [KeyValue::new(KEEPS, keep.as_str())];
    let directory = |shared: &Weak<Shared>| shared.upgrade().map(|shared| Directory { shared });
    let (of, known, clock) = (Arc::downgrade(shared), labels.clone(), clock.clone());
    AGE.observe(move |tell| {
        // Not before it was heard for the first time: there is no age of nothing.
        let Some(directory) = directory(&of).filter(Directory::is_ready) else {
            return;
        };
        tell(directory.age(clock.now_ms()).as_secs_f64(), &known);
    });
    let of = Arc::downgrade(shared);
    IN_FORCE.observe(move |tell| {
        if let Some(directory) = directory(&of) {
            let is_in_force = directory.is_ready() && directory.is_in_force();
            tell(f64::from(u8::from(is_in_force)), &labels);
        }
    });
}
