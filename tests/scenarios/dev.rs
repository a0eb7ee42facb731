//! `angarium dev` over a real Kafka and a real Redis, as the README tells to run it.

use std::collections::{BTreeMap, BTreeSet};

use angarium_testkit::process;
use angarium_testkit::stack::Backends;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// The runs that have remembered ids of events: a key is `angarium:dev-RUN:id:{ACCOUNT}:NAME:ID`.
async fn runs_with_ids(redis: &str) -> BTreeSet<String> {
    let address = redis.trim_start_matches("redis://").trim_end_matches('/');
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    stream.write_all(b"KEYS angarium:dev-*:id:*\r\n").await.unwrap();
    // `*COUNT`, then for each key `$LENGTH` and the key.
    let mut lines = stream.lines();
    let count = lines.next_line().await.unwrap().unwrap();
    let count: usize = count.strip_prefix('*').unwrap().parse().unwrap();
    let mut runs = BTreeSet::new();
    for _ in 0..count {
        lines.next_line().await.unwrap();
        let key = lines.next_line().await.unwrap().unwrap();
        runs.insert(key.split(':').nth(1).unwrap().to_owned());
    }
    runs
}

#[tokio::test]
async fn e7_ids_are_remembered_in_redis_and_a_second_run_takes_none_of_them_for_repeats() {
    let backends = Backends::shared().unwrap();
    let before = runs_with_ids(&backends.redis).await.len();
    for run in 1..=2 {
        let real = ["--kafka", &backends.kafka, "--redis", &backends.redis];
        let ports = [
            "--http-port=0",
            "--grpc-port=0",
            "--registry-port=0",
            "--registry-http-port=0",
            "--fanout-port=0",
            "--delivery-port=0",
            "--metrics-port=0",
            "--console-port=0",
        ];
        let arguments = [&["dev", "--once"][..], &real, &ports].concat();
        let told = process::run(&arguments, &BTreeMap::new()).unwrap();
        let counts = "accepted 25   refused 2   delivered 25   verified 25   as promised";
        assert!(told.contains(counts), "run {run}: {told}");
        assert_eq!(runs_with_ids(&backends.redis).await.len(), before + run);
    }
}
