//! An in-process Kafka, for tests and for a first look.

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::future_producer::FutureProducerContext;
use rdkafka::producer::{FutureProducer, Producer as _};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::connection::{Connection, Log};
use crate::error::Error;
use crate::topics::Layout;

/// librdkafka's own mock cluster with one broker; it and its records end with this value.
///
/// It does groups, commits and idempotent producers. It has no retention, no compaction and no admin calls, keeps the
/// last 5 MiB of a partition, and takes 3 s for a group's first rebalance. A group of more than one member is no use
/// for commits: if the leader's assignment overtakes the join of another member, that one joins again, and until then
/// commits are refused, which a broker takes in that state.
pub struct MockBroker {
    /// The cluster belongs to this client, which is never used to produce.
    client: FutureProducer<Log>,
    connection: Connection,
}

/// What librdkafka calls every broker.
const ALL: i32 = -1;

impl MockBroker {
    /// Starts a cluster with the topics of `layout`.
    ///
    /// # Errors
    /// If librdkafka cannot open a local port or create a topic.
    pub fn start(layout: &Layout) -> Result<Self, Error> {
        let client: FutureProducer<Log> = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            .create_with_context(Log::new("mock"))
            .map_err(Error::Mock)?;
        let mut broker = Self {
            client,
            connection: Connection::new(String::new()),
        };
        let mock = broker.mock()?;
        for spec in layout.specs() {
            mock.create_topic(&spec.name, spec.partitions_i32(), 1)
                .map_err(Error::Mock)?;
        }
        let bootstrap = mock.bootstrap_servers();
        drop(mock);
        broker.connection = Connection::new(bootstrap);
        Ok(broker)
    }

    fn mock(&self) -> Result<MockCluster<'_, FutureProducerContext<Log>>, Error> {
        self.client
            .client()
            .mock_cluster()
            .ok_or(Error::Mock(KafkaError::Canceled))
    }

    /// Drops all connections and takes no new ones, as a broker that is away, until [`come_back`](Self::come_back).
    /// Its records stay.
    ///
    /// # Errors
    /// If librdkafka refuses.
    pub fn go_away(&self) -> Result<(), Error> {
        self.mock()?.broker_down(ALL).map_err(Error::Mock)
    }

    /// Ends what [`go_away`](Self::go_away) began.
    ///
    /// # Errors
    /// If librdkafka refuses.
    pub fn come_back(&self) -> Result<(), Error> {
        self.mock()?.broker_up(ALL).map_err(Error::Mock)
    }

    /// Refuses the next `count` requests to write, whoever sends them, for good: to a gapless producer that is fatal.
    /// It does not see that a batch behind a refused one leaves a gap, as Kafka does: a test has to have one under way.
    ///
    /// # Errors
    /// If the cluster has ended.
    pub fn refuse_writes(&self, count: usize) -> Result<(), Error> {
        let refusals = vec![RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD; count];
        self.mock()?.request_errors(RDKafkaApiKey::Produce, &refusals);
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }
}

impl std::fmt::Debug for MockBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MockBroker")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
