//! `cargo xtask up`: Kafka and Redis that stay up after it.

use std::path::PathBuf;

use angarium_local::{Brokers, Group, Kafka, KafkaConfig, Parts, Redis, State, cache_dir};

use crate::interrupt::Interrupt;
use crate::{paths, say};

/// Start Apache Kafka and Redis on this machine, without a container engine.
///
/// The first start fetches Kafka (54 MB, through Maven); later ones re-use it. Prints the addresses. Topics and events
/// are kept for the next `up`; Redis starts empty.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many brokers: 1, or 3 to see what happens when one of them fails.
    #[arg(long, value_name = "N", default_value = "1", value_parser = brokers)]
    brokers: Brokers,
    /// Where Kafka keeps its data [default: target/local/data].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

fn brokers(text: &str) -> Result<Brokers, String> {
    match text {
        "1" => Ok(Brokers::One),
        "3" => Ok(Brokers::Three),
        _ => Err("either 1 or 3".to_owned()),
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let path = paths::up_state();
    if let Some(state) = State::load(&path)? {
        if state.is_running() {
            say("already up");
            print(&state);
            return Ok(());
        }
        say("what was up before is not up any more, or only in part: starting anew");
        state.stop_all(&path)?;
    }
    let interrupt = Interrupt::install()?;
    let parts = Parts::ensure(&cache_dir(), &mut say)?;
    let data = args.data.clone().unwrap_or_else(|| paths::target("local/data"));
    // One cluster of each size: a node's data is bound to the quorum it was formatted for.
    let (name, told) = match args.brokers {
        Brokers::One => ("kafka-1", "one Kafka broker"),
        Brokers::Three => ("kafka-3", "three Kafka brokers"),
    };
    say(&format!("starting {told} and Redis"));
    let redis = Redis::start(&parts, &data.join("redis"), Group::Own)?;
    let kafka = KafkaConfig {
        brokers: args.brokers,
        group: Group::Own,
        ..KafkaConfig::new(data.join(name))
    };
    let kafka = Kafka::start(&parts, &kafka)?;
    interrupt.check()?;
    let state = State::of(&kafka, &redis)?;
    state.save(&path)?;
    kafka.detach();
    redis.detach();
    print(&state);
    Ok(())
}

fn print(state: &State) {
    let State { kafka, redis, .. } = state;
    println!("kafka  {kafka}");
    println!("redis  {redis}");
    println!();
    println!("use    cargo run --release -- dev --kafka {kafka} --redis {redis}");
    println!("stop   cargo xtask down");
}
