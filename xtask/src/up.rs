//! `cargo xtask up`: Kafka and Redis that stay up after it.

use std::path::{Path, PathBuf};

use angarium_local::{Brokers, Group, Kafka, KafkaConfig, Parts, Redis, State, cache_dir};

use crate::interrupt::Interrupt;
use crate::{paths, say};

/// Start Apache Kafka and Redis on this machine, without a container engine.
///
/// The first start fetches Kafka (54 MB, through Maven); later ones re-use it. Prints the addresses, also when both are
/// up already. Topics and events are kept for the next `up`; Redis starts empty.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many brokers: 1, or 3 to see what happens when one of them fails [default: 1].
    #[arg(long, value_name = "N", value_parser = brokers)]
    brokers: Option<Brokers>,
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
            fits(args, &state)?;
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
    let brokers = args.brokers.unwrap_or(Brokers::One);
    // One cluster of each size: a node's data is bound to the quorum it was formatted for.
    let (name, told) = match brokers {
        Brokers::One => ("kafka-1", "one Kafka broker"),
        Brokers::Three => ("kafka-3", "three Kafka brokers"),
    };
    say(&format!("starting {told} and Redis"));
    let redis = Redis::start(&parts, &data.join("redis"), Group::Own)?;
    let kafka = KafkaConfig {
        brokers,
        group: Group::Own,
        ..KafkaConfig::new(data.join(name))
    };
    let kafka = Kafka::start(&parts, &kafka)?;
    interrupt.check()?;
    let state = State::of(&kafka, &redis, &place(&data))?;
    state.save(&path)?;
    kafka.detach();
    redis.detach();
    print(&state);
    Ok(())
}

/// Nothing that was asked for is passed over because something else is up.
fn fits(args: &Args, state: &State) -> anyhow::Result<()> {
    let (brokers, data) = (state.brokers(), &state.data);
    if let Some(wanted) = args.brokers.map(Brokers::count)
        && wanted != brokers
    {
        anyhow::bail!("brokers: {brokers} up, {wanted} asked for: run `cargo xtask down` first");
    }
    if let Some(wanted) = args.data.as_deref().map(place)
        && wanted != *data
    {
        anyhow::bail!(
            "what is up keeps its data in {}, not in {}: run `cargo xtask down` first",
            data.display(),
            wanted.display()
        );
    }
    Ok(())
}

/// One name for a directory, however it is written.
fn place(dir: &Path) -> PathBuf {
    dir.canonicalize()
        .or_else(|_not_there| std::path::absolute(dir))
        .unwrap_or_else(|_no_current_directory| dir.to_owned())
}

fn print(state: &State) {
    let State { kafka, redis, .. } = state;
    println!("kafka  {kafka}");
    println!("redis  {redis}");
    println!();
    println!("use    cargo run --release -- dev --kafka {kafka} --redis {redis}");
    println!("stop   cargo xtask down");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(brokers: Option<Brokers>, data: Option<&Path>) -> Args {
        Args {
            brokers,
            data: data.map(Path::to_owned),
        }
    }

    /// Of what `up` left running, from its file.
    fn running(kafka: &str, data: &Path) -> State {
        let file = tempfile::NamedTempFile::new().unwrap();
        let data = data.display();
        let text = format!(r#"{{"kafka": "{kafka}", "redis": "", "data": "{data}", "processes": []}}"#);
        std::fs::write(file.path(), text).unwrap();
        State::load(file.path()).unwrap().unwrap()
    }

    fn refusal(args: &Args, state: &State) -> String {
        fits(args, state).unwrap_err().to_string()
    }

    #[test]
    fn what_is_up_is_used_when_nothing_else_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().canonicalize().unwrap();
        let (one, three) = (running("a:1", &data), running("a:1,a:2,a:3", &data));
        fits(&asked(None, None), &three).unwrap();
        fits(&asked(Some(Brokers::Three), Some(&data.join("."))), &three).unwrap();
        fits(&asked(Some(Brokers::One), None), &one).unwrap();
    }

    #[test]
    fn another_count_of_brokers_or_another_directory_is_refused_with_what_to_do() {
        let (data, other) = (Path::new("/data"), Path::new("/other"));
        let state = running("a:1", data);
        let brokers = refusal(&asked(Some(Brokers::Three), None), &state);
        assert_eq!(
            brokers,
            "brokers: 1 up, 3 asked for: run `cargo xtask down` first"
        );
        let elsewhere = refusal(&asked(None, Some(other)), &state);
        assert!(
            elsewhere.contains("/data, not in /other: run `cargo xtask down` first"),
            "{elsewhere}"
        );
    }
}
