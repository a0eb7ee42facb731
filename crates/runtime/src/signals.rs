//! What the operating system wants of the process.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves on SIGINT (Ctrl-C) or SIGTERM (Kubernetes, systemd).
///
/// From the first call on neither signal kills the process by itself. Where signals cannot be listened to,
/// that is logged and this never resolves.
pub async fn terminated() {
    let (mut interrupt, mut terminate) =
        match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
            (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "cannot listen for signals; only SIGKILL will end this process");
                return std::future::pending().await;
            }
        };
    let name = tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    };
    tracing::info!(signal = name, "asked to end");
}
