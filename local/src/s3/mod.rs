//! An S3 server for one machine: the protocol is in the hands of the `s3s` crate, the objects are in
//! memory.

mod body;
mod bucket;
mod chances;
mod counted;
mod faults;
mod folder;
mod listing;
mod multipart;
mod object;
mod read;
mod served;
mod service;
mod store;
mod versions;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use aws_config::{Region, SdkConfig};
use aws_sdk_s3::config::Credentials;
use hyper::service::{Service, service_fn};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::task::JoinHandle;

use crate::serve::{listen, serve};
pub use body::Body;
pub use chances::Chances;
pub use counted::Counted;
use faults::DROPPED;
pub use faults::{Effect, Fault, Faults, Latency, Suffered};
pub use folder::files;
pub use object::{Headers, Object};
pub use s3s::S3ErrorCode;
pub use served::{Served, Totals};
use service::Service as Operations;
pub use store::Store;

/// The only account there is. Requests are signed and the signatures are checked.
pub const ACCESS_KEY: &str = "local";
pub const SECRET_KEY: &str = "local-secret";
pub const REGION: &str = "us-east-1";

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    pub store: Arc<Store>,
    pub faults: Arc<Faults>,
    pub served: Arc<Served>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Listens on the loopback address; port 0 takes any free one.
    pub async fn start(port: u16) -> anyhow::Result<Self> {
        let listener = listen(port)
            .await
            .with_context(|| format!("port {port} cannot be opened; --port takes another one"))?;
        let address = listener.local_addr()?;
        let service = Operations::default();
        let Operations { store, faults, served } = service.clone();
        let mut builder = S3ServiceBuilder::new(service);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let s3 = builder.build();
        let service = service_fn(move |request| {
            let answer = Service::call(&s3, request);
            async move {
                let response = answer.await.map_err(|error| anyhow!("{error:?}"))?;
                if response.status().as_u16() == DROPPED {
                    bail!("the connection breaks, as the server was told");
                }
                Ok(response)
            }
        });
        let accepting = tokio::spawn(serve(listener, service));
        Ok(Self {
            address,
            store,
            faults,
            served,
            accepting,
        })
    }

    /// Written with the address, never `localhost`: only then does the SDK use path-style requests.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The variables with which any AWS program finds this server.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment(&self.endpoint())
    }

    /// The SDK's settings for this server, whatever the environment says.
    pub async fn sdk(&self) -> SdkConfig {
        sdk(&self.endpoint()).await
    }
}

/// The variables with which any AWS program finds a server.
#[must_use]
pub fn environment(endpoint: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL_S3", endpoint.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
    ]
}

/// The functions' own settings of the SDK, for a local endpoint. Set before loading, it also wins over
/// variables like `AWS_ENDPOINT_URL_S3`, which are set where functions are run by hand.
pub async fn sdk(endpoint: &str) -> SdkConfig {
    shared::s3::loader()
        .endpoint_url(endpoint)
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "local"))
        .load()
        .await
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
