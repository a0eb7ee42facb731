//! What delivery answers when asked: webhooks tried out, events sent again.

use std::net::SocketAddr;

use angarium_proto::delivery::v1::delivery_service_server::DeliveryServiceServer;
use angarium_proto::delivery::v1::replay_service_server::ReplayServiceServer;
use angarium_proto::{FILE_DESCRIPTOR_SET, METHOD_SCOPES};
use angarium_runtime::access::Gate;
use angarium_runtime::{Tasks, grpc};

use crate::error::Error;
use crate::replays::Replays;
use crate::tester::Tester;

/// Listens, and serves gRPC until the shutdown begins. Returns where. Without `replays` nothing can be sent again.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn serve(
    listen: SocketAddr,
    gate: Gate,
    tester: Tester,
    replays: Option<Replays>,
    tasks: &Tasks,
) -> Result<SocketAddr, Error> {
    let (listener, address) = angarium_runtime::listen(listen)
        .await
        .map_err(|source| Error::Listen {
            address: listen,
            source,
        })?;
    let tester = DeliveryServiceServer::new(tester).max_decoding_message_size(grpc::MAX_MESSAGE_BYTES);
    let mut server = grpc::Server::new(gate, METHOD_SCOPES)
        .reflection(FILE_DESCRIPTOR_SET)?
        .add_service(tester);
    if let Some(replays) = replays {
        let replays = ReplayServiceServer::new(replays);
        server = server.add_service(replays.max_decoding_message_size(grpc::MAX_MESSAGE_BYTES));
    }
    tasks.spawn_critical("delivery grpc", server.serve(listener, tasks.shutdown().clone()));
    tracing::info!(%address, "delivery serves gRPC");
    Ok(address)
}
