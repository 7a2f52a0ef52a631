//! The network between the functions and the services: the SDK's HTTP client, without sockets. Requests and responses
//! take time, may come late, and may be lost.

use std::fmt;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::channel::mpsc;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::header::HOST;
use hyper::{Method, Request, Response};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::environment::Environment;
use crate::lambda;
use crate::request::Named;
use crate::scenario::{Service, Trouble};
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

/// The way from one environment to all services.
#[derive(Clone)]
pub struct Port {
    world: Weak<World>,
    environment: Arc<Environment>,
    read_timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
}

impl Port {
    pub fn new(world: &Arc<World>, environment: &Arc<Environment>) -> Self {
        Self {
            world: Arc::downgrade(world),
            environment: environment.clone(),
            read_timeout: None,
            connect_timeout: None,
        }
    }

    async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        // The run may be over.
        let Some(world) = self.world.upgrade() else {
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
        let exchanged = self.exchange(&world, service, request);
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
        world: &Arc<World>,
        service: Service,
        request: Request<Bytes>,
    ) -> Result<HttpResponse, ConnectorError> {
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
        tokio::spawn(serve(world.clone(), self.environment.clone(), sent));
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

/// How a request gets no response.
#[derive(Clone, Copy, Debug)]
pub enum Lost {
    Broken,
    Silent,
}

/// A request on its way.
struct Sent {
    service: Service,
    /// How long it takes to arrive.
    before: Duration,
    request: Request<Bytes>,
    respond: oneshot::Sender<Result<Response<SdkBody>, Lost>>,
}

async fn serve(world: Arc<World>, environment: Arc<Environment>, sent: Sent) {
    let service = sent.service;
    sleep(sent.before).await;
    let served = match service {
        Service::S3 => s3(&world, &environment, sent.request).await,
        Service::Lambda => lambda::serve(&world, &environment, sent.request).await,
        Service::Scheduler => scheduler(&world, &environment, &sent.request).await,
    };
    let is_lost = world.strikes(|trouble| match trouble {
        Trouble::LostResponses { service: of, percent } if *of == service => Some((*percent, ())),
        _ => None,
    });
    let served = if is_lost.is_some() {
        world.note(format!("the response of {service} to {environment} is lost"));
        Err(if world.happens(70) { Lost::Broken } else { Lost::Silent })
    } else {
        served
    };
    sleep(usual(&world)).await;
    // The sender may have given up.
    let _ = sent.respond.send(served);
}

async fn scheduler(
    world: &World,
    environment: &Environment,
    request: &Request<Bytes>,
) -> Result<Response<SdkBody>, Lost> {
    world.note(format!(
        "{environment} → Scheduler {} {}",
        request.method(),
        request.uri().path()
    ));
    let response = world.schedules.respond(request).map_err(|_| Lost::Broken)?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| Lost::Broken)?.to_bytes();
    Ok(Response::from_parts(parts, SdkBody::from(body)))
}

async fn s3(world: &Arc<World>, environment: &Environment, request: Request<Bytes>) -> Result<Response<SdkBody>, Lost> {
    let named = Named::of(&request);
    world.observer.request(world, &named, environment);
    let responded = world.s3.respond(request.map(s3s::Body::from)).await;
    let status = match &responded {
        Ok(response) => response.status().as_u16().to_string(),
        Err(_) => "broken".to_owned(),
    };
    world.note(format!(
        "{environment} → {} {}/{:.80}: {status}",
        named.operation, named.bucket, named.key
    ));
    world.observer.look(world);
    let (parts, body) = responded.map_err(|_| Lost::Broken)?.into_parts();
    let body = match body.bytes() {
        Some(bytes) => SdkBody::from(bytes),
        None => streamed(body),
    };
    Ok(Response::from_parts(parts, body))
}

/// A body that may stop half-way. The SDK wants one that can be shared between threads.
fn streamed(mut body: s3s::Body) -> SdkBody {
    let (sender, receiver) = mpsc::unbounded();
    tokio::spawn(async move {
        while let Some(piece) = body.next().await {
            if sender.unbounded_send(piece.map(Frame::data)).is_err() {
                return;
            }
        }
    });
    SdkBody::from_body_1_x(StreamBody::new(receiver))
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
