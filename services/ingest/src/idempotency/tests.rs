use std::num::NonZeroUsize;

use angarium_runtime::ManualClock;

use super::*;

const PENDING: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(60 * 60);
const POSITION: Position = Position {
    partition: 7,
    offset: 10_488,
};

fn memory(entries: usize) -> (Ids, ManualClock) {
    let (clock, hand) = Clock::manual(1_727_414_643_000);
    let store = StoreConfig::Memory {
        entries: NonZeroUsize::new(entries).unwrap(),
    };
    let config = Idempotency {
        store,
        ..Idempotency::default()
    };
    (Ids::open(&config, clock, Metrics::new()).unwrap(), hand)
}

fn claim(id: &str, event: u8) -> Claim {
    let account = AccountId::new(1234).unwrap();
    let name = EventName::new("CI_STATS").unwrap();
    let fingerprint = Fingerprint::new([event; Fingerprint::BYTES]);
    Claim::new(account, &name, &EventId::new(id).unwrap(), fingerprint)
}

/// What every store does: DESIGN §4, point 3.
async fn keeps_the_promise(ids: &Ids, id: &str) {
    let (event, other) = (claim(id, 1), claim(id, 2));
    assert_eq!(ids.claim(std::slice::from_ref(&event)).await, [Found::Nothing]);
    assert_eq!(
        ids.claim(&[other.clone(), event.clone()]).await,
        [Found::OtherEvent, Found::Pending]
    );
    ids.release(&[&other]).await;
    assert_eq!(ids.claim(std::slice::from_ref(&event)).await, [Found::Pending]);
    ids.release(&[&event]).await;
    assert_eq!(ids.claim(std::slice::from_ref(&event)).await, [Found::Nothing]);
    ids.accepted(&[(&event, POSITION)]).await;
    assert_eq!(
        ids.claim(&[event.clone(), other]).await,
        [Found::Accepted(POSITION), Found::OtherEvent]
    );
    ids.release(&[&event]).await;
    assert_eq!(
        ids.claim(std::slice::from_ref(&event)).await,
        [Found::Accepted(POSITION)]
    );
}

#[tokio::test]
async fn e7_an_id_is_claimed_then_marked_in_memory() {
    let (ids, _hand) = memory(100);
    keeps_the_promise(&ids, "a").await;
}

#[test]
fn e7_identity_is_account_name_and_id() {
    let key = |account: u64, name: &str, id: &str| {
        let (name, id) = (EventName::new(name).unwrap(), EventId::new(id).unwrap());
        Claim::new(
            AccountId::new(account).unwrap(),
            &name,
            &id,
            Fingerprint::new([0; 32]),
        )
        .key()
        .to_owned()
    };
    let same = key(1234, "COURSE_COMPLETED", "a");
    assert_eq!(same, key(1234, "COURSE_COMPLETED", "a"));
    for other in [
        key(1010, "COURSE_COMPLETED", "a"),
        key(1234, "COURSE_COMPLETED_BATCH", "a"),
        key(1234, "COURSE_COMPLETED", "b"),
    ] {
        assert_ne!(same, other);
    }
}

#[tokio::test]
async fn a_claim_lasts_30_s_and_a_mark_an_hour() {
    let (ids, hand) = memory(100);
    let event = [claim("a", 1)];
    ids.claim(&event).await;
    hand.advance(PENDING);
    assert_eq!(ids.claim(&event).await, [Found::Nothing]);
    ids.accepted(&[(&event[0], POSITION)]).await;
    hand.advance(HOUR - Duration::from_millis(1));
    assert_eq!(ids.claim(&event).await, [Found::Accepted(POSITION)]);
    hand.advance(Duration::from_millis(1));
    assert_eq!(ids.claim(&event).await, [Found::Nothing]);
}

#[tokio::test]
async fn memory_is_bounded_and_the_oldest_ids_go_first() {
    let (ids, _hand) = memory(10);
    for number in 0..100 {
        let event = claim(&number.to_string(), 1);
        ids.claim(std::slice::from_ref(&event)).await;
        ids.accepted(&[(&event, POSITION)]).await;
    }
    assert_eq!(
        ids.claim(&[claim("99", 1), claim("90", 1)]).await,
        [Found::Accepted(POSITION); 2]
    );
    assert_eq!(ids.claim(&[claim("80", 1)]).await, [Found::Nothing]);
    let Store::Memory(memory) = &ids.store else {
        panic!("memory")
    };
    assert!(memory.len() <= 20, "{}", memory.len());
}

#[tokio::test]
async fn a_redis_that_is_away_says_of_every_event_that_nothing_is_known() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let store = StoreConfig::Redis {
        url: format!("redis://{closed}"),
        prefix: "test".to_owned(),
    };
    let config = Idempotency {
        store,
        ..Idempotency::default()
    };
    let ids = Ids::open(&config, Clock::system(), Metrics::new()).unwrap();
    for _ in 0..3 {
        assert_eq!(
            ids.claim(&[claim("a", 1), claim("a", 2)]).await,
            [Found::Nothing; 2]
        );
        ids.accepted(&[(&claim("a", 1), POSITION)]).await;
    }
}

#[test]
fn the_address_of_redis_is_not_shown() {
    let store = StoreConfig::Redis {
        url: "redis://:secret@/x:y".to_owned(),
        prefix: "test".to_owned(),
    };
    assert!(!format!("{store:?}").contains("secret"));
    let config = Idempotency {
        store,
        ..Idempotency::default()
    };
    let error = Ids::open(&config, Clock::system(), Metrics::new()).unwrap_err();
    assert!(!angarium_runtime::chain(&error).contains("secret"));
}

/// A Redis of this test's own, where one is installed; the scenarios need one anyway.
#[tokio::test]
async fn e7_an_id_is_claimed_then_marked_in_redis() {
    let Some(redis) = own_redis::start() else {
        eprintln!("redis-server is not installed: not tested here");
        return;
    };
    let store = StoreConfig::Redis {
        url: redis.url(),
        prefix: "test".to_owned(),
    };
    let config = Idempotency {
        store,
        timeout: Duration::from_secs(10),
        ..Idempotency::default()
    };
    let ids = Ids::open(&config, Clock::system(), Metrics::new()).unwrap();
    keeps_the_promise(&ids, "a").await;
    let many: Vec<Claim> = (0..1_000)
        .map(|number| claim(&format!("many {number}"), 1))
        .collect();
    assert_eq!(ids.claim(&many).await, vec![Found::Nothing; 1_000]);
}

mod own_redis {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};

    pub(super) struct Redis {
        process: Child,
        address: SocketAddr,
        _folder: tempfile::TempDir,
    }

    impl Redis {
        pub(super) fn url(&self) -> String {
            format!("redis://{}", self.address)
        }
    }

    impl Drop for Redis {
        fn drop(&mut self) {
            drop(self.process.kill());
            drop(self.process.wait());
        }
    }

    /// `None` if it is not installed.
    pub(super) fn start() -> Option<Redis> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--port",
                &address.port().to_string(),
            ])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let redis = Redis {
            process,
            address,
            _folder: folder,
        };
        while TcpStream::connect(address).is_err() {
            std::thread::yield_now();
        }
        Some(redis)
    }
}
