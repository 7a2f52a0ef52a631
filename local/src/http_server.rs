//! What the servers here have in common: where they listen, and their accept loop.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Connections that wait to be accepted. Beyond so many they are dropped, and asked for again after one second and
/// more: all that processors begin with must fit.
const MAX_WAITING_CONNECTIONS: i32 = 4096;

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct HttpServer {
    pub address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl HttpServer {
    /// Listens on the loopback address; port 0 takes any free one. Each connection gets a clone of the service,
    /// whose errors break the connection.
    pub async fn start<S, B>(port: u16, service: S) -> io::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        // Once more, with a longer queue.
        rustix::net::listen(&listener, MAX_WAITING_CONNECTIONS)?;
        Ok(Self {
            address: listener.local_addr()?,
            accepting: tokio::spawn(async move {
                loop {
                    // Out of descriptors, say: the next one may go well.
                    let Ok((socket, _)) = listener.accept().await else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    // Without it each small response waits for an acknowledgement; failing to set it only costs time.
                    let _ = socket.set_nodelay(true);
                    let service = service.clone();
                    tokio::spawn(async move {
                        // A client that hangs up is no business of the server.
                        let _ = auto::Builder::new(TokioExecutor::new())
                            .serve_connection(TokioIo::new(socket), service)
                            .await;
                    });
                }
            }),
        })
    }

    /// Written with the address, never `localhost`: only then does the SDK use path-style requests.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
