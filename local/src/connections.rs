//! Counts of the connections of a server.

use std::ops::Sub;
use std::sync::Arc;

use parking_lot::Mutex;
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
pub(crate) struct Counts(Arc<Mutex<Connections>>);

impl Counts {
    pub fn opened(&self) {
        self.0.lock().opened += 1;
    }

    pub fn shook_hands(&self, kind: Option<HandshakeKind>) {
        let mut counts = self.0.lock();
        if kind == Some(HandshakeKind::Resumed) {
            counts.resumed += 1;
        } else {
            counts.full += 1;
        }
    }

    pub fn now(&self) -> Connections {
        *self.0.lock()
    }
}
