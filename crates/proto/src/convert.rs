//! Wire types to model types and back.

mod delivery;
mod event;
mod registry;

pub use delivery::{append_webhook_id, lane_to_wire, webhook_ids};
pub use event::{event_from_record, event_to_record, position_from_wire, position_to_wire};
pub use registry::{
    MAX_EVENT_TYPES, Secrets, account_from_wire, account_to_wire, webhook_from_wire, webhook_to_wire,
};
