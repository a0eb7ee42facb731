//! Apache Kafka (KRaft) and Redis on this machine, without a container engine.
//!
//! Used by `cargo xtask up`, by the tests' fixtures and by the benchmark. [`Parts::ensure`] finds Java, Maven and
//! Redis (on Debian as root it installs what is missing) and fetches Kafka's jars once. [`Kafka::start`] and
//! [`Redis::start`] format, start on free ports of 127.0.0.1 and return when the server answers its own protocol.
//! An instance keeps its ports and its directory over `stop`, `kill` and `restart`, so that a test can take
//! Kafka away and give it back.
//!
//! Who ends the processes: an instance kills its own on drop (so keep it in the test: a `static` is never dropped).
//! [`Kafka::detach`] and [`Redis::detach`] let go of them after [`State::save`] wrote down which they are;
//! [`State::stop_all`] ends those, whoever started them. A process is always named by its id *and* its start time,
//! never by its program's name. That needs `/proc`: Linux.
//!
//! Everything here blocks; from async code call it on a blocking thread.

mod error;
mod identity;
mod kafka;
mod parts;
mod ports;
pub mod prerequisites;
mod probe;
mod redis;
mod server;
mod state;
mod template;
mod wait;

pub use error::Error;
pub use kafka::{Brokers, Kafka, KafkaConfig};
pub use parts::{Parts, cache_dir};
pub use ports::free as free_ports;
pub use redis::Redis;
pub use server::Group;
pub use state::{How, State, Stopped};
