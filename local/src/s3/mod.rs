//! An S3 server for one machine. The crate `s3s` implements the protocol, and the objects are in memory.
//!
//! | module | content |
//! |---|---|
//! | [`responder`] | responds to requests, from wherever they come |
//! | [`access`], [`claims`] | the permissions of roles; requests whose signature is not checked |
//! | [`operations`] | the S3 operations, each with the module that implements it |
//! | [`read`], [`write`], [`multipart`], [`listing`] | GET and HEAD; PUT and COPY; uploads in parts; `ListObjectsV2` |
//! | [`annotations`] | PUT, GET, list and DELETE of annotations |
//! | [`conditions`], [`copy_source`] | `If-Match` and archived objects; the source of a copy |
//! | [`store`], [`bucket`], [`versions`], [`uploads`], [`counted`] | what the server stores |
//! | [`object`], [`headers`], [`body`] | one object |
//! | [`uri`] | the path and the query of a request |
//! | [`faults`], [`effect`], [`chances`] | latency and planned faults; how a request fails; random faults |
//! | [`wire`] | faults of a response as it is sent |
//! | [`served`] | the number of requests and bytes |
//! | [`folder`] | files on disk, as keys |

mod access;
mod annotation;
mod annotations;
mod body;
mod bucket;
mod chances;
mod claims;
mod conditions;
mod copy_source;
mod counted;
mod effect;
mod faults;
mod folder;
mod headers;
mod listing;
mod multipart;
mod object;
mod operations;
mod read;
mod responder;
mod served;
mod service;
mod store;
mod uploads;
mod uri;
mod versions;
mod wire;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;

use aws_config::{Region, SdkConfig};
use aws_sdk_s3::config::Credentials;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use parking_lot::RwLock;
use shared::clock::Clock;
use tokio_rustls::TlsAcceptor;

use crate::active::Active;
use crate::http_server::HttpServer;
use crate::iam::Roles;
pub use annotation::{Annotation, Annotations};
pub use body::Body;
pub use chances::Chances;
pub use counted::Counted;
pub use effect::Effect;
pub use faults::{Fault, Faults, InjectedFaults, Latency, Part};
pub use folder::files;
pub use headers::Headers;
pub use object::Object;
pub use responder::Responder;
pub use s3s::S3ErrorCode;
pub use served::{Served, Totals};
pub use store::Store;

/// May do everything. A role has its name as the access key, and the same secret. The server checks the signature of each
/// request, unless it is told to take any credentials.
pub const ACCESS_KEY: &str = "local";
pub const SECRET_KEY: &str = "local-secret";
pub const REGION: &str = "us-east-1";

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    pub store: Arc<Store>,
    pub faults: Arc<Faults>,
    pub served: Arc<Served>,
    /// Whose policies are enforced.
    pub roles: Arc<RwLock<Roles>>,
    /// For the dates of responses and objects.
    pub clock: Clock,
    responder: Responder,
    active: Active,
    http: HttpServer,
}

impl Server {
    /// Listens on the loopback address; port 0 takes any free port.
    pub async fn start(port: u16) -> anyhow::Result<Self> {
        Self::start_after(port, async |_| Ok(())).await
    }

    /// Listens when `prepare` has ended, so that no client finds less than everything.
    pub async fn start_after(
        port: u16,
        prepare: impl AsyncFnOnce(&Responder) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let (responder, active) = (Responder::new(Clock::default()), Active::default());
        prepare(&responder).await?;
        Ok(Self {
            store: responder.store.clone(),
            faults: responder.faults.clone(),
            served: responder.served.clone(),
            roles: responder.roles.clone(),
            clock: responder.clock.clone(),
            http: listen(port, None, responder.clone(), active.clone()).await?,
            responder,
            active,
        })
    }

    /// Another endpoint of this server, for a client whose connections are to be told apart. It uses TLS if there is an
    /// acceptor for it.
    pub async fn another_endpoint(&self, tls: Option<TlsAcceptor>) -> anyhow::Result<HttpServer> {
        listen(0, tls, self.responder.clone(), self.active.clone()).await
    }

    /// Waits until each request has its response.
    pub async fn until_idle(&self) {
        self.active.until_none().await;
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.http.address
    }

    #[must_use]
    pub fn endpoint(&self) -> String {
        self.http.url()
    }

    /// The environment variables that make any AWS program use this server.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment(&self.endpoint())
    }

    /// The same, with the permissions of a role.
    #[must_use]
    pub fn environment_of(&self, role: &str) -> Vec<(&'static str, String)> {
        let mut environment = self.environment();
        for (name, value) in &mut environment {
            if *name == "AWS_ACCESS_KEY_ID" {
                role.clone_into(value);
            }
        }
        environment
    }

    /// The SDK's settings for this server. They win over environment variables.
    pub async fn sdk(&self) -> SdkConfig {
        sdk(&self.endpoint()).await
    }

    /// The same, with the permissions of a role.
    pub async fn sdk_of(&self, role: &str) -> SdkConfig {
        sdk_of(&self.endpoint(), role).await
    }
}

async fn listen(
    port: u16,
    tls: Option<TlsAcceptor>,
    responder: Responder,
    active: Active,
) -> anyhow::Result<HttpServer> {
    let service = service_fn(move |request: Request<Incoming>| {
        let (responder, responding) = (responder.clone(), active.begin());
        async move {
            let _responding = responding;
            responder.respond(request.map(s3s::Body::from)).await
        }
    });
    Ok(HttpServer::start(port, tls, service).await?)
}

/// The environment variables that make any AWS program use the server at `endpoint`.
#[must_use]
pub fn environment(endpoint: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL_S3", endpoint.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
    ]
}

/// The functions' own settings of the SDK, for a local endpoint. The endpoint is set before loading, so it wins over
/// variables like `AWS_ENDPOINT_URL_S3`, which are set when somebody runs functions by hand.
pub async fn sdk(endpoint: &str) -> SdkConfig {
    sdk_of(endpoint, ACCESS_KEY).await
}

/// The same, with the permissions of a role.
pub async fn sdk_of(endpoint: &str, role: &str) -> SdkConfig {
    shared::s3::loader()
        .endpoint_url(endpoint)
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(role, SECRET_KEY, None, None, "local"))
        .load()
        .await
}
