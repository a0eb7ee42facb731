//! Wire types to model types and back.

mod about;
mod access;
mod authentication;
mod delivery;
mod event;
mod event_type;
mod header;
mod registry;
mod settings;
mod strictness;

pub use about::check_tag;
pub use access::{actor_to_wire, api_key_from_wire, api_key_to_wire, grant_from_wire, grant_to_wire};
pub use delivery::{append_webhook_id, delivery_of, lane_from_wire, lane_to_wire, webhook_ids};
pub use event::{event_from_record, event_to_record, position_from_wire, position_to_wire};
pub use event_type::{event_class_from_wire, event_class_to_wire, event_type_from_wire, event_type_to_wire};
pub use registry::{
    MAX_EVENT_TYPES, Secrets, account_from_wire, account_to_wire, check_name, webhook_from_wire,
    webhook_to_wire,
};
pub use settings::{disabled_from_wire, disabled_to_wire, in_flight_of_an_ordered_webhook};

use crate::FieldError;

/// Takes a value, or notes the mistake and goes on, so that all are reported together.
fn take<T, E: ToString>(result: Result<T, E>, field: &str, errors: &mut Vec<FieldError>) -> Option<T> {
    result
        .map_err(|error| errors.push(FieldError::new(field, error.to_string())))
        .ok()
}

fn check_length(field: &str, text: &str, max: usize, errors: &mut Vec<FieldError>) {
    if text.len() > max {
        let message = format!("has {} bytes; at most {max} are allowed", text.len());
        errors.push(FieldError::new(field, message));
    }
}
