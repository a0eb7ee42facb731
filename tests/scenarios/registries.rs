//! Three registries, any of them killed or frozen at any moment under a stream of writes: no acknowledged write is lost,
//! none is half there, no two writers' writes are mixed, and a caller sees its own on every one (issue 5).

mod callers;
mod history;
mod names;

use std::collections::BTreeMap;
use std::time::Duration;

use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::grpc;
use angarium_testkit::process::{self, Process};
use angarium_testkit::stack::{Backends, SEAL_KEYS, has_writer};
use rustix::process::Signal;
use tokio::sync::watch;

use callers::{Callers, Count};
use names::Rivals;

pub(crate) type Client = RegistryServiceClient<grpc::Client>;

const REGISTRIES: usize = 3;
const LIMIT: Duration = Duration::from_secs(60);
/// More than the session of 6 s: what the frozen one wrote is another's when it thaws.
const FROZEN_FOR: Duration = Duration::from_secs(8);

/// Registries as processes, with topics of their own.
struct Registries {
    processes: Vec<Process>,
    clients: Vec<Client>,
    _dir: tempfile::TempDir,
}

impl Registries {
    async fn start() -> Self {
        let backends = Backends::shared().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let key = OperatorKey::generate();
        let prefix = format!("test-{}", uuid::Uuid::new_v4().simple());
        let env: BTreeMap<String, String> = [
            ("ANGARIUM_KAFKA_BOOTSTRAP", backends.kafka.as_str()),
            ("ANGARIUM_KAFKA_PREFIX", &prefix),
            ("ANGARIUM_OPERATOR_KEY", key.expose()),
            ("ANGARIUM_SEAL_KEYS", SEAL_KEYS),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        process::run(&["topics", "apply"], &env).unwrap();
        let ports: [u16; REGISTRIES] = angarium_local::free_ports().unwrap();
        let mut registries = Self {
            processes: Vec::new(),
            clients: Vec::new(),
            _dir: dir,
        };
        for port in ports {
            let mut env = env.clone();
            let address = format!("127.0.0.1:{port}");
            env.insert("ANGARIUM_REGISTRY_LISTEN".to_owned(), address.clone());
            env.insert(
                "ANGARIUM_REGISTRY_HTTP_LISTEN".to_owned(),
                "127.0.0.1:0".to_owned(),
            );
            let name = format!("registry-{port}");
            let process = Process::start_named(name, "registry", env, registries._dir.path()).unwrap();
            registries.processes.push(process);
            let endpoint = format!("http://{address}");
            registries
                .clients
                .push(Client::new(grpc::client(&endpoint, &key).unwrap()));
        }
        for index in 0..REGISTRIES {
            registries.until_it_answers(index).await;
        }
        registries
    }

    async fn until_it_answers(&mut self, index: usize) {
        let client = self.clients[index].clone();
        self.processes[index]
            .wait_until(LIMIT, || has_writer(client.clone()))
            .await
            .unwrap();
    }

    fn logs(&self) -> String {
        let ends = self
            .processes
            .iter()
            .map(|process| format!("{}: {}", process.name(), process.log_end()));
        ends.collect::<Vec<_>>().join("\n")
    }
}

/// Waits until callers have had so many more writes acknowledged.
async fn until_written(count: &mut watch::Receiver<Count>, more: usize) {
    let enough = count.borrow().written + more;
    let waited = count.wait_for(|count| count.written >= enough);
    tokio::time::timeout(LIMIT, waited)
        .await
        .expect("writes go on")
        .unwrap();
}

/// Which registry is hit how, one after the other.
#[derive(Clone, Copy)]
enum Hit {
    Kill(usize),
    Freeze(usize),
}

async fn run(hits: &[Hit]) {
    /// Writes between two troubles, so that each hits a registry that writes.
    const BETWEEN: usize = 60;
    let mut registries = Registries::start().await;
    let callers = Callers::start(&registries.clients).await;
    let rivals = Rivals::start(&registries.clients);
    let mut count = callers.count();
    until_written(&mut count, BETWEEN).await;
    for hit in hits {
        match *hit {
            Hit::Kill(index) => {
                registries.processes[index].kill().unwrap();
                until_written(&mut count, BETWEEN).await;
                registries.processes[index].restart().unwrap();
                registries.until_it_answers(index).await;
            }
            Hit::Freeze(index) => {
                registries.processes[index].signal(Signal::STOP).unwrap();
                let frozen = tokio::time::Instant::now();
                while frozen.elapsed() < FROZEN_FOR {
                    until_written(&mut count, 1).await;
                }
                registries.processes[index].signal(Signal::CONT).unwrap();
            }
        }
        until_written(&mut count, BETWEEN).await;
    }
    let seen = callers.stop().await;
    let named = rivals.stop().await;
    println!("{}; {} accounts have external ids", seen.summary(), named.len());
    assert!(named.len() > hits.len(), "hardly any account got an external id");
    if let Err(problem) = seen.check() {
        panic!("{problem}\n{}", registries.logs());
    }
    for client in &registries.clients {
        seen.assert_is_read(client).await;
        named.assert_is_unique(client).await;
    }
}

#[tokio::test]
async fn killed_registries_lose_no_acknowledged_write_and_mix_none() {
    run(&[Hit::Kill(0), Hit::Kill(1), Hit::Kill(2)]).await;
}

#[tokio::test]
async fn frozen_registries_that_thaw_write_nothing_over_those_that_followed() {
    run(&[Hit::Freeze(0), Hit::Freeze(1), Hit::Freeze(2)]).await;
}

#[tokio::test]
async fn registries_killed_and_frozen_in_turn_answer_as_one_register_would() {
    run(&[Hit::Freeze(2), Hit::Kill(1), Hit::Freeze(0), Hit::Kill(0)]).await;
}
