//! Counts of the connections of a server.

use std::ops::Sub;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::HandshakeKind;

/// Connections that clients opened. With TLS, each of them that serves requests had one handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    pub opened: u64,
    /// Handshakes with keys and certificates.
    pub full: u64,
    /// Handshakes that resumed the session of an earlier connection.
    pub resumed: u64,
}

impl Sub for Connections {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            opened: self.opened - earlier.opened,
            full: self.full - earlier.full,
            resumed: self.resumed - earlier.resumed,
        }
    }
}

/// The counts while they change. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<[AtomicU64; 3]>);

impl Counts {
    pub fn opened(&self) {
        self.0[0].fetch_add(1, Relaxed);
    }

    pub fn shook_hands(&self, kind: Option<HandshakeKind>) {
        let count = if kind == Some(HandshakeKind::Resumed) { 2 } else { 1 };
        self.0[count].fetch_add(1, Relaxed);
    }

    pub fn now(&self) -> Connections {
        let [opened, full, resumed] = self.0.each_ref().map(|count| count.load(Relaxed));
        Connections { opened, full, resumed }
    }
}
