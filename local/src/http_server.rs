//! The listener and the accept loop that all servers here share.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::active::Active;
use crate::connections::{Connections, Counts};

/// The most connections that may wait to be accepted. Further ones are dropped, and their clients try again only after
/// a second or more. All connections that processors open at their start must fit.
const MAX_WAITING_CONNECTIONS: i32 = 4096;

/// Enough for 2 KB of user metadata in the shortest headers.
const MAX_HEADERS: usize = 2048;

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct HttpServer {
    pub address: SocketAddr,
    scheme: &'static str,
    open: Active,
    counts: Counts,
    accepting: JoinHandle<()>,
}

impl HttpServer {
    /// Listens on the loopback address, with TLS if there is an acceptor for it; port 0 takes any free port. Each
    /// connection gets a clone of the service. If the service returns an error, the connection breaks.
    pub async fn start<S, B>(port: u16, tls: Option<TlsAcceptor>, service: S) -> io::Result<Self>
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
        let (active, counts) = (Active::default(), Counts::default());
        Ok(Self {
            address: listener.local_addr()?,
            scheme: if tls.is_some() { "https" } else { "http" },
            open: active.clone(),
            counts: counts.clone(),
            accepting: tokio::spawn(async move {
                loop {
                    // The error may be temporary, for example if there are no free file descriptors.
                    let Ok((socket, _)) = listener.accept().await else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    counts.opened();
                    // Without it, each small response waits for an acknowledgement. If it cannot be set, that only
                    // costs time.
                    let _ = socket.set_nodelay(true);
                    let (service, connection) = (service.clone(), active.begin());
                    let (tls, counts) = (tls.clone(), counts.clone());
                    tokio::spawn(async move {
                        let _connection = connection;
                        let Some(tls) = tls else {
                            return serve(socket, service).await;
                        };
                        // An error means that the client does not accept the certificate, or hung up.
                        let Ok(stream) = tls.accept(socket).await else { return };
                        counts.shook_hands(stream.get_ref().1.handshake_kind());
                        serve(stream, service).await;
                    });
                }
            }),
        })
    }

    /// The connections that clients have opened until now.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.counts.now()
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
        format!("{}://{}", self.scheme, self.address)
    }
}

/// Serves one connection until it ends.
async fn serve<S, B>(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().max_headers(MAX_HEADERS);
    // An error means that the client hung up, which the server may ignore.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
