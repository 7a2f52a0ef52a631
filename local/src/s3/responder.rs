use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::UNIX_EPOCH;

use anyhow::anyhow;
use hyper::header::DATE;
use hyper::{Request, Response};
use parking_lot::RwLock;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use shared::clock::Clock;

use super::access::Access;
use super::annotations;
use super::claims;
use super::faults::Faults;
use super::served::Served;
use super::service::Service;
use super::store::Store;
use super::wire;
use crate::iam::Roles;

/// Responds to S3's requests, from wherever they come. Clones share everything.
#[derive(Clone)]
pub struct Responder {
    pub store: Arc<Store>,
    pub faults: Arc<Faults>,
    pub served: Arc<Served>,
    /// Whose policies are enforced.
    pub roles: Arc<RwLock<Roles>>,
    /// For the dates of responses and objects.
    pub clock: Clock,
    /// Whether each request is printed on standard error.
    pub log: Arc<AtomicBool>,
    /// Whether signatures are not checked.
    pub any_credentials: Arc<AtomicBool>,
    s3: S3Service,
}

impl Responder {
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let service = Service {
            clock,
            ..Service::default()
        };
        let mut builder = S3ServiceBuilder::new(service.clone());
        let access = Access {
            store: service.store.clone(),
            ..Access::default()
        };
        builder.set_auth(access.clone());
        builder.set_access(access.clone());
        builder.set_route(annotations::Operations {
            service: service.clone(),
            access: access.clone(),
        });
        // The SDK signs with the time of this server, which may be set forward.
        let mut config = S3Config::default();
        config.presigned_url_max_skew_time_secs = u32::MAX;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        Self {
            store: service.store,
            faults: service.faults,
            served: service.served,
            roles: access.roles,
            clock: service.clock,
            log: Arc::default(),
            any_credentials: Arc::default(),
            s3: builder.build(),
        }
    }

    /// Responds to a request. Fails if the connection is to break instead.
    pub async fn respond(&self, request: Request<s3s::Body>) -> anyhow::Result<Response<s3s::Body>> {
        let line = self
            .log
            .load(Relaxed)
            .then(|| format!("{} {}", request.method(), request.uri()));
        let request = if self.any_credentials.load(Relaxed) {
            claims::unsigned(request).await?
        } else {
            request
        };
        let response = self.s3.call(request).await;
        let mut response = response.map_err(|error| anyhow!("{error:?}"))?;
        if let Some(line) = line {
            eprintln!("{} {line}", response.status().as_u16());
        }
        let date = httpdate::fmt_http_date(UNIX_EPOCH + self.clock.since_epoch());
        response.headers_mut().insert(DATE, date.parse()?);
        wire::transform(response).await
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Responder").finish_non_exhaustive()
    }
}
