//! The network between the functions and the services: the SDK's HTTP client, without sockets. Requests and responses
//! take time, may come late, and may be lost.

use std::fmt;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::BodyExt as _;
use hyper::header::HOST;
use hyper::{Method, Request, Response};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::environment::Environment;
use crate::party::Service;
use crate::scenario::Trouble;
use crate::world::World;

/// The time of a request or a response on its way, mostly.
const USUAL: Duration = Duration::from_millis(25);

/// One message in fifty takes up to this.
const SLOW: Duration = Duration::from_secs(2);

/// The images of events and their sidecars are written without a condition, so a late write could replace a newer one. They
/// rely on S3 not to do a write long after its sender has given it up, which is after 25 s.
const LATEST_OUTPUT: Duration = Duration::from_secs(20);

/// The hosts of the services. S3's is an IP address, because the SDK then puts the bucket into the path.
pub const S3_URL: &str = "http://127.0.0.1";
pub const LAMBDA_URL: &str = "http://lambda";
pub const SCHEDULER_URL: &str = "http://scheduler";

/// A service, as the network sees it.
pub trait Serve: Send + Sync {
    /// Responds to a request. If it fails, its sender gets no response.
    fn serve(self: Arc<Self>, sender: Arc<Environment>, request: Request<Bytes>) -> Served;
}

pub type Served = BoxFuture<'static, Result<Response<SdkBody>, Lost>>;

/// How a request gets no response.
#[derive(Clone, Copy, Debug)]
pub enum Lost {
    Broken,
    Silent,
}

pub struct Services {
    pub s3: Arc<dyn Serve>,
    pub lambda: Arc<dyn Serve>,
    pub scheduler: Arc<dyn Serve>,
}

pub struct Network {
    world: Arc<World>,
    services: OnceLock<Services>,
}

impl Network {
    pub fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            services: OnceLock::new(),
        })
    }

    /// Services send requests, too, so they come after the network.
    pub fn connect(&self, services: Services) {
        self.services.get_or_init(|| services);
    }

    /// Takes a request to a service, and the response back.
    async fn carry(self: Arc<Self>, sender: Arc<Environment>, sent: Sent) {
        let (world, name) = (&self.world, sent.service);
        sleep(sent.before).await;
        let services = self.services.get().expect("the services are connected before any run");
        let service = match name {
            Service::S3 => &services.s3,
            Service::Lambda => &services.lambda,
            Service::Scheduler => &services.scheduler,
        };
        let served = service.clone().serve(sender.clone(), sent.request).await;
        let is_lost = world.strikes(|trouble| match trouble {
            Trouble::LostResponses { service: of, percent } if *of == name => Some((*percent, ())),
            _ => None,
        });
        let served = if is_lost.is_some() {
            world.note(format!("the response of {name} to {sender} is lost"));
            Err(if world.happens(70) { Lost::Broken } else { Lost::Silent })
        } else {
            served
        };
        sleep(usual(world)).await;
        // The sender may have given up.
        let _ = sent.respond.send(served);
    }
}

/// A request on its way.
struct Sent {
    service: Service,
    /// How long it takes to arrive.
    before: Duration,
    request: Request<Bytes>,
    respond: oneshot::Sender<Result<Response<SdkBody>, Lost>>,
}

/// The way from one environment to all services.
#[derive(Clone)]
pub struct Port {
    network: Weak<Network>,
    environment: Arc<Environment>,
    read_timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
}

impl Port {
    pub fn new(network: &Weak<Network>, environment: &Arc<Environment>) -> Self {
        Self {
            network: network.clone(),
            environment: environment.clone(),
            read_timeout: None,
            connect_timeout: None,
        }
    }

    async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        // The run may be over.
        let Some(network) = self.network.upgrade() else {
            return pending().await;
        };
        self.environment.until_running().await;
        let request = request
            .try_into_http1x()
            .map_err(|error| ConnectorError::user(error.into()))?;
        let service = match request.uri().host() {
            Some("lambda") => Service::Lambda,
            Some("scheduler") => Service::Scheduler,
            _ => Service::S3,
        };
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
        // Any HTTP client adds it, and the signature includes it.
        if let Some(host) = parts.uri.authority().and_then(|host| host.as_str().parse().ok()) {
            parts.headers.insert(HOST, host);
        }
        let request = Request::from_parts(parts, body);
        self.environment.requests.fetch_add(1, Relaxed);
        let exchanged = self.exchange(&network, service, request);
        let exchanged = match self.read_timeout {
            None => exchanged.await,
            Some(limit) => timeout(limit, exchanged)
                .await
                .unwrap_or_else(|_| Err(ConnectorError::timeout("no response in time".into()))),
        };
        self.environment.requests.fetch_sub(1, Relaxed);
        self.environment.until_running().await;
        exchanged
    }

    async fn exchange(
        &self,
        network: &Arc<Network>,
        service: Service,
        request: Request<Bytes>,
    ) -> Result<HttpResponse, ConnectorError> {
        let world = &network.world;
        let partition = world.troubles().find_map(|trouble| match trouble {
            Trouble::Partition {
                function,
                service: cut_off,
                silent,
            } if (*function, *cut_off) == (self.environment.function, service) => Some(*silent),
            _ => None,
        });
        match partition {
            None => {}
            Some(false) => return Err(broken()),
            // An old connection stays silent. A new one cannot be made in time.
            Some(true) if world.happens(50) => return pending().await,
            Some(true) => {
                sleep(self.connect_timeout.unwrap_or(SLOW)).await;
                return Err(ConnectorError::timeout("no connection in time".into()));
            }
        }
        let late = world.strikes(|trouble| match trouble {
            Trouble::LateRequests {
                service: of,
                percent,
                at_most,
            } if *of == service => Some((*percent, *at_most)),
            _ => None,
        });
        let at_most = late.map(|at_most| at_most.min(longest_wait(&request)));
        let before = at_most.map_or_else(|| usual(world), |at_most| world.time_up_to(at_most));
        let (respond, response) = oneshot::channel();
        let sent = Sent {
            service,
            before,
            request,
            respond,
        };
        // A request that was sent arrives, whatever becomes of its sender.
        tokio::spawn(network.clone().carry(self.environment.clone(), sent));
        match response.await {
            Ok(Ok(response)) => HttpResponse::try_from(response).map_err(|error| ConnectorError::user(error.into())),
            Ok(Err(Lost::Broken)) => Err(broken()),
            Ok(Err(Lost::Silent)) | Err(_) => pending().await,
        }
    }
}

/// How late a request may arrive.
fn longest_wait(request: &Request<Bytes>) -> Duration {
    let path = request.uri().path();
    let is_output = path.contains("/images/") || path.contains("/sidecars/");
    if is_output && request.method() == Method::PUT {
        return LATEST_OUTPUT;
    }
    Duration::MAX
}

fn usual(world: &World) -> Duration {
    world.time_up_to(if world.happens(2) { SLOW } else { USUAL })
}

fn broken() -> ConnectorError {
    ConnectorError::io(io::Error::from(ErrorKind::ConnectionReset).into())
}

impl HttpConnector for Port {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new_boxed(Box::pin(self.clone().send(request)))
    }
}

impl HttpClient for Port {
    fn http_connector(&self, settings: &HttpConnectorSettings, _components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Self {
            read_timeout: settings.read_timeout(),
            connect_timeout: settings.connect_timeout(),
            ..self.clone()
        })
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Port of {}", self.environment)
    }
}
