//! What tests share: a receiver that does what the test says, every service as a process over a real Kafka and a real
//! Redis, and a count of what was lost, duplicated or out of order.

pub mod authority;
pub mod collector;
pub mod described;
pub mod http;
pub mod poll;
pub mod process;
pub mod public_libraries;
pub mod receiver;
pub mod stack;
pub mod tracker;
