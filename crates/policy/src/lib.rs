//! The decisions of delivery, as plain functions: no I/O, no clock, no randomness; the caller passes `now` and dice.
//!
//! Delivery calls a receiver and asks [`classify`] what the answer means (D1, D2). After a failure [`Backoff`] says how
//! long the webhook waits. In the batch lane [`Timetable`] says when the next slot is (E1). Before each call
//! [`expired`] says whether an event is still to be sent (D5), and before each connection [`egress`] says
//! whether it may be made. Everything that follows from a decision (the state of the webhook, the cursor, the journal)
//! is delivery's.

mod answer;
mod backoff;
pub mod egress;
mod reminders;
mod retention;
mod timetable;

pub use answer::{Answer, ErrorClass, Failure, MAX_RETRY_AFTER, Verdict, classify};
pub use backoff::{Backoff, InvalidBackoff};
pub use reminders::Reminders;
pub use retention::{RETENTION, expired};
pub use timetable::{DEFAULT_CRON, Due, Timetable, TimetableError};
