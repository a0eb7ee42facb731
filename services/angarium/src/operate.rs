//! Commands that call running services.

mod account;
mod accounts;
mod apply;
mod audit;
mod call;
mod delivery;
mod event;
mod event_type;
mod explain;
mod fanout;
mod file;
mod journal;
mod key;
mod publish;
mod registry;
mod replay;
mod trial;
mod webhook;

pub(crate) use account::run as account;
pub(crate) use apply::run as apply;
pub(crate) use audit::run as audit;
pub(crate) use event::run as event;
pub(crate) use event_type::run as event_type;
pub(crate) use explain::run as explain;
pub(crate) use file::read;
pub(crate) use journal::run as journal;
pub(crate) use key::run as key;
pub(crate) use publish::exchange;
pub(crate) use publish::run as publish;
pub(crate) use webhook::run as webhook;
