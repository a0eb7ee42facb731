//! A member that was killed and started again, while the group still waits for what it was before.

use std::time::Duration;

use angarium_runtime::Shutdown;
use rdkafka::error::RDKafkaErrorCode;
use tokio::time::Instant;

use super::GroupConfig;
use super::client::Client;
use crate::connection::is_outage;

/// Between two questions.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// What the group may take to forget a silent member, beyond the session timeout.
const GRACE: Duration = Duration::from_secs(5);

/// Waits until the group has no member of this name: it forgets one that was killed after the session timeout.
///
/// To join earlier gains nothing, for the partitions of the dead one are free only then. But every other member would
/// have to join anew, and wait for the dead one too; and who joins can renew no lease, since Kafka answers a
/// connection's requests one after the other.
pub(super) fn outlast(client: &Client, config: &GroupConfig, closing: &Shutdown) {
    let GroupConfig { group, client_id, .. } = config;
    let by = Instant::now() + config.session_timeout + GRACE;
    let mut told = false;
    while !closing.has_begun() {
        match client.has_member(group, client_id) {
            Ok(false) => return,
            Ok(true) if Instant::now() >= by => {
                tracing::warn!(
                    group,
                    client_id,
                    "a member of this name is still alive: joining beside it; name each process differently \
                     (process.name), or a restart of one holds up the others"
                );
                return;
            }
            Ok(true) if !told => {
                tracing::info!(
                    group,
                    client_id,
                    within = ?by.saturating_duration_since(Instant::now()),
                    "a member of this name has not left the group, as after a crash: joining once the group has \
                     forgotten it"
                );
                told = true;
            }
            Ok(true) => {}
            // librdkafka's broker in memory.
            Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnsupportedFeature) => return,
            // While Kafka is away there is no joining either.
            Err(error) if error.rdkafka_error_code().is_some_and(is_outage) && Instant::now() < by => {}
            Err(error) => {
                tracing::warn!(group, %error, "cannot learn who is in the group: joining at once");
                return;
            }
        }
        // Nothing is subscribed: this only serves librdkafka's callbacks.
        drop(client.consumer.poll(ASK_AGAIN));
    }
}
