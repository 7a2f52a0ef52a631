//! Being told to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for Ctrl-C, or for SIGTERM as service managers send it.
///
/// # Panics
/// When the process may not handle signals at all.
pub async fn requested() {
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.expect("SIGINT can be handled"),
        _ = terminate.recv() => {}
    }
}
