//! Instruments, made the same way everywhere: with a name, a unit and a description.

use opentelemetry::metrics::{Counter, Meter};

/// A counter. `unit` is what it counts, in braces, such as `{event}`.
#[must_use]
pub fn counter(
    meter: &Meter,
    name: &'static str,
    unit: &'static str,
    description: &'static str,
) -> Counter<u64> {
    meter
        .u64_counter(name)
        .with_unit(unit)
        .with_description(description)
        .build()
}
