//! The registry over an in-process Kafka, called as its clients call it.

#[cfg(test)]
mod about;
#[cfg(test)]
mod accounts;
#[cfg(test)]
mod api_keys;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod deleting;
#[cfg(test)]
mod disabling;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod event_types;
#[cfg(test)]
mod external_ids;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod reflection;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod sealing;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod watching;
#[cfg(test)]
mod webhooks;
