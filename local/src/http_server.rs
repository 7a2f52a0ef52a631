//! The listener and the accept loop that all servers here share.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::active::Active;

/// The most connections that may wait to be accepted. Further ones are dropped, and their clients try again only after
/// a second or more. All connections that processors open at their start must fit.
const MAX_WAITING_CONNECTIONS: i32 = 4096;

/// Enough for 2 KB of user metadata in the shortest headers.
const MAX_HEADERS: usize = 2048;

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct HttpServer {
    pub address: SocketAddr,
    open: Active,
    accepting: JoinHandle<()>,
}

impl HttpServer {
    /// Listens on the loopback address; port 0 takes any free port. Each connection gets a clone of the service. If the
    /// service returns an error, the connection breaks.
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
        // `bind` already listens, but with a shorter queue.
        rustix::net::listen(&listener, MAX_WAITING_CONNECTIONS)?;
        let open = Active::default();
        let connections = open.clone();
        Ok(Self {
            open,
            address: listener.local_addr()?,
            accepting: tokio::spawn(async move {
                loop {
                    // The error may be temporary, for example if there are no free file descriptors.
                    let Ok((socket, _)) = listener.accept().await else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    // Without it, each small response waits for an acknowledgement. If it cannot be set, that only
                    // costs time.
                    let _ = socket.set_nodelay(true);
                    let (service, connection) = (service.clone(), connections.begin());
                    tokio::spawn(async move {
                        let _connection = connection;
                        // An error means that the client hung up, which the server may ignore.
                        let mut http = auto::Builder::new(TokioExecutor::new());
                        http.http1().max_headers(MAX_HEADERS);
                        let _ = http.serve_connection(TokioIo::new(socket), service).await;
                    });
                }
            }),
        })
    }

    /// Waits until all clients have hung up, and everything that they had sent is read.
    pub async fn until_disconnected(&self) -> io::Result<()> {
        // Connections are accepted in their order, so all earlier ones have been when this one gets its answer.
        let mut last = TcpStream::connect(self.address).await?;
        last.write_all(b"OPTIONS * HTTP/1.0\r\n\r\n").await?;
        last.read_to_end(&mut Vec::new()).await?;
        drop(last);
        self.open.until_none().await;
        Ok(())
    }

    /// The server's URL. It has the IP address instead of `localhost`, because the SDK uses path-style requests only
    /// for an IP address.
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
