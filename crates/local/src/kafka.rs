//! A local Kafka: one or three nodes, each broker and controller in one process.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::probe::Probe;
use crate::server::{self, Group, Server};
use crate::{Error, Parts, ports, template};

/// A cluster id is 16 bytes in URL-safe base64. Every local cluster has directories and ports of its own, so that
/// all may have the same one.
const CLUSTER_ID: &str = "AngariumLocalCluster0A";

/// A heap that one broker got along with under full load on two cores.
const HEAP_MIB: u32 = 512;

/// How many brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brokers {
    /// One copy of everything.
    One,
    /// Three copies, two in sync: what production has, for faults that take one broker away.
    Three,
}

impl Brokers {
    /// As a number.
    #[must_use]
    pub const fn count(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }

    fn min_insync(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Three => 2,
        }
    }
}

/// What to start.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// Default: one.
    pub brokers: Brokers,
    /// Data, configuration and logs. What is there from an earlier cluster of as many brokers is used again.
    pub dir: PathBuf,
    /// Java heap of each broker. Default: 512 MiB.
    pub heap_mib: u32,
    /// Default: shared.
    pub group: Group,
}

impl KafkaConfig {
    /// One broker in `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            brokers: Brokers::One,
            dir: dir.into(),
            heap_mib: HEAP_MIB,
            group: Group::Shared,
        }
    }
}

/// A running Kafka.
#[derive(Debug)]
pub struct Kafka {
    pub(crate) nodes: Vec<Server>,
}

impl Kafka {
    /// Formats the directory where it is new, and starts; returns when every node names all brokers as alive.
    pub fn start(parts: &Parts, config: &KafkaConfig) -> Result<Self, Error> {
        let dir = std::path::absolute(&config.dir).map_err(Error::file("use the directory", &config.dir))?;
        // Two ports a node, for the larger of the two sizes.
        ports::with_free(|ports: [u16; 6]| {
            let (pairs, _) = ports.as_chunks::<2>();
            let nodes: Vec<Node> = (1..=config.brokers.count())
                .zip(pairs)
                .map(|(id, pair)| Node::new(id, *pair, &dir))
                .collect();
            let voters: Vec<String> = nodes.iter().map(Node::voter).collect();
            let voters = voters.join(",");
            for node in &nodes {
                node.write_config(config.brokers, &voters)?;
                node.format(parts)?;
            }
            let nodes = nodes.iter().map(|node| node.server(parts, config)).collect();
            let mut kafka = Self { nodes };
            kafka.restart()?;
            Ok(kafka)
        })
    }

    /// The bootstrap addresses, also while it is stopped: `127.0.0.1:PORT`, or three of them with commas between.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(|node| node.address().to_string()).collect();
        addresses.join(",")
    }

    /// Ends every node in good order, within 20 s each; a second stop does nothing.
    pub fn stop(&mut self) -> Result<(), Error> {
        // All are asked before one is awaited: they end at the same time.
        self.nodes.iter_mut().try_for_each(Server::terminate)?;
        self.nodes.iter_mut().try_for_each(Server::await_end)
    }

    /// Ends every node at once, as a crash would.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.nodes.iter_mut().try_for_each(Server::kill)
    }

    /// Stops it if it runs and starts it with the same ports and data; returns when it answers.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        self.nodes.iter_mut().try_for_each(Server::launch)?;
        self.nodes.iter_mut().try_for_each(Server::await_ready)
    }

    /// Lets it live on after this process. Write down which it is first: [`State::save`](crate::State::save).
    pub fn detach(self) {
        self.nodes.into_iter().for_each(Server::detach);
    }
}

/// Where one node lives.
struct Node {
    id: u32,
    broker_port: u16,
    controller_port: u16,
    dir: PathBuf,
}

impl Node {
    fn new(id: u32, [broker_port, controller_port]: [u16; 2], cluster: &Path) -> Self {
        Self {
            id,
            broker_port,
            controller_port,
            dir: cluster.join(format!("node-{id}")),
        }
    }

    fn voter(&self) -> String {
        format!("{}@127.0.0.1:{}", self.id, self.controller_port)
    }

    fn config(&self) -> PathBuf {
        self.dir.join("server.properties")
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn render(&self, brokers: Brokers, voters: &str) -> String {
        template::fill(
            template::KAFKA,
            &[
                ("node_id", &self.id.to_string()),
                ("voters", voters),
                ("broker_port", &self.broker_port.to_string()),
                ("controller_port", &self.controller_port.to_string()),
                ("data", &self.data().display().to_string()),
                ("replication", &brokers.count().to_string()),
                ("min_insync", &brokers.min_insync().to_string()),
            ],
        )
    }

    fn write_config(&self, brokers: Brokers, voters: &str) -> Result<(), Error> {
        fs::create_dir_all(&self.dir).map_err(Error::file("create", &self.dir))?;
        fs::write(self.config(), self.render(brokers, voters)).map_err(Error::file("write", self.config()))
    }

    /// Kafka refuses to format twice and to start unformatted.
    fn format(&self, parts: &Parts) -> Result<(), Error> {
        if self.data().join("meta.properties").exists() {
            return Ok(());
        }
        let mut command = Command::new(parts.java());
        // It runs for two seconds: the full compiler would cost more than it gains.
        command
            .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"])
            .arg(parts.class_path());
        command
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
            .arg(self.config());
        server::run(
            "formatting Kafka's directory",
            &mut command,
            &self.dir.join("format.log"),
        )
    }

    fn server(&self, parts: &Parts, config: &KafkaConfig) -> Server {
        let mut args: Vec<OsString> = vec![
            format!("-Xmx{}m", config.heap_mib).into(),
            // A broker without memory limps for minutes; one that ended is seen at once.
            "-XX:+ExitOnOutOfMemoryError".into(),
            "-Djava.awt.headless=true".into(),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".into(),
            "-Dorg.slf4j.simpleLogger.showDateTime=true".into(),
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS".into(),
        ];
        args.extend([
            "-cp".into(),
            parts.class_path(),
            "kafka.Kafka".into(),
            self.config().into(),
        ]);
        Server {
            name: format!("Kafka node {}", self.id),
            program: parts.java().to_owned(),
            args,
            log: self.dir.join("kafka.log"),
            port: self.broker_port,
            probe: Probe::Kafka {
                brokers: config.brokers.count(),
            },
            group: config.group,
            child: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_of_three_is_configured_for_three_copies_with_two_in_sync() {
        let node = Node::new(2, [20_001, 20_002], Path::new("/data/kafka"));
        let text = node.render(Brokers::Three, "1@127.0.0.1:20000,2@127.0.0.1:20002");
        assert!(!text.replace("{{...}}", "").contains("{{"), "unfilled: {text}");
        for line in [
            "node.id=2",
            "controller.quorum.voters=1@127.0.0.1:20000,2@127.0.0.1:20002",
            "listeners=PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002",
            "log.dirs=/data/kafka/node-2/data",
            "offsets.topic.replication.factor=3",
            "transaction.state.log.min.isr=2",
            "share.coordinator.state.topic.min.isr=2",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "no line {line} in {text}"
            );
        }
    }

    #[test]
    fn the_cluster_id_has_the_length_of_sixteen_bytes_in_base64() {
        assert_eq!(CLUSTER_ID.len(), 22);
    }
}
