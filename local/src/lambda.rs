//! A Lambda endpoint in this process. A Rust function responds to each `Invoke`, so tests can produce what the emulator
//! cannot: function errors, throttles, crashes and time-outs.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use futures::poll;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use parking_lot::RwLock;
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use crate::connections::Connections;
use crate::http_server::HttpServer;
use crate::iam::Roles;

/// How an invocation ends.
#[derive(Debug)]
pub enum Reply {
    Ok(Value),
    /// The function ended with an error. As on AWS, this is HTTP 200 with the header `X-Amz-Function-Error`.
    FunctionError(Value),
    /// Lambda itself rejects the request with this status and error code.
    Rejected(u16, &'static str),
    /// The connection breaks without a response.
    Dropped,
}

/// A running endpoint. Dropping it stops it.
#[derive(Debug)]
pub struct Endpoint {
    /// Whose policies are enforced. The access key of a role is its name.
    pub roles: Arc<RwLock<Roles>>,
    /// The environment variables that the settings of each function show.
    pub variables: Arc<RwLock<BTreeMap<String, String>>>,
    http: HttpServer,
}

impl Endpoint {
    /// Starts an endpoint that calls `function` with the function name and the payload of each invocation. An
    /// asynchronous invocation (`Event`) gets its response at once and runs in the background.
    pub async fn start<F, R>(function: F) -> anyhow::Result<Self>
    where
        F: Fn(String, Value) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        Self::start_with(None, function).await
    }

    /// The same, with TLS if there is an acceptor for it.
    pub async fn start_with<F, R>(tls: Option<TlsAcceptor>, function: F) -> anyhow::Result<Self>
    where
        F: Fn(String, Value) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let roles = Arc::<RwLock<Roles>>::default();
        let variables = Arc::<RwLock<BTreeMap<String, String>>>::default();
        let (enforced, shown) = (roles.clone(), variables.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (enforced, shown, function) = (enforced.clone(), shown.clone(), function.clone());
            async move {
                if request.method() == Method::GET {
                    return settings(&request, &shown.read());
                }
                respond(request, enforced, function).await
            }
        });
        Ok(Self {
            roles,
            variables,
            http: HttpServer::start(0, tls, service).await?,
        })
    }

    /// The connections that clients have opened until now.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.http.connections()
    }

    #[must_use]
    pub fn url(&self) -> String {
        self.http.url()
    }
}

/// The response to `GetFunctionConfiguration`, as far as it is used here.
fn settings<T>(request: &Request<T>, variables: &BTreeMap<String, String>) -> Result<Response<Full<Bytes>>, Dropped> {
    let settings = json!({"FunctionName": function_name(request), "Environment": {"Variables": variables}});
    Response::builder()
        .body(Full::from(settings.to_string()))
        .map_err(|_| Dropped)
}

/// `/2015-03-31/functions/NAME/invocations` and `/2015-03-31/functions/NAME/configuration`.
fn function_name<T>(request: &Request<T>) -> &str {
    request.uri().path().split('/').nth(3).unwrap_or_default()
}

async fn respond<F, R>(
    request: Request<Incoming>,
    roles: Arc<RwLock<Roles>>,
    function: F,
) -> Result<Response<Full<Bytes>>, Dropped>
where
    F: Fn(String, Value) -> R,
    R: Future<Output = Reply> + Send + 'static,
{
    let is_event = request
        .headers()
        .get("X-Amz-Invocation-Type")
        .is_some_and(|kind| kind == "Event");
    let name = function_name(&request).to_owned();
    let resource = format!("arn:aws:lambda:us-east-1:111122223333:function:{name}");
    let is_denied = access_key(&request)
        .and_then(|role| roles.read().allow(role, "lambda:InvokeFunction", &resource, &[]))
        .is_some_and(|is_allowed| !is_allowed);
    let body = request.into_body().collect().await.map_err(|_| Dropped)?.to_bytes();
    let payload = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let response = Response::builder();
    if is_denied {
        let denied = json!({"Message": format!("not authorized to perform lambda:InvokeFunction on {resource}")});
        let response = response
            .status(StatusCode::FORBIDDEN)
            .header("x-amzn-ErrorType", "AccessDeniedException");
        return response.body(Full::from(denied.to_string())).map_err(|_| Dropped);
    }
    let mut reply = Box::pin(function(name, payload));
    let reply = if is_event {
        match poll!(&mut reply) {
            // Lambda rejects an asynchronous invocation at once, or accepts it.
            Poll::Ready(rejected @ Reply::Rejected(..)) => rejected,
            running => {
                if running.is_pending() {
                    tokio::spawn(reply);
                }
                let accepted = response.status(StatusCode::ACCEPTED);
                return accepted.body(Full::default()).map_err(|_| Dropped);
            }
        }
    } else {
        // Lambda runs an invocation to its end, even if its caller has gone.
        tokio::spawn(reply).await.map_err(|_| Dropped)?
    };
    let (response, body) = match reply {
        Reply::Ok(value) => (response, value),
        Reply::FunctionError(value) => (response.header("X-Amz-Function-Error", "Unhandled"), value),
        Reply::Rejected(status, code) => (
            response
                .status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
                .header("x-amzn-ErrorType", code),
            json!({"Type": "User", "Message": code}),
        ),
        Reply::Dropped => return Err(Dropped),
    };
    response.body(Full::from(body.to_string())).map_err(|_| Dropped)
}

/// The access key with which a request is signed.
fn access_key<T>(request: &Request<T>) -> Option<&str> {
    let authorization = request.headers().get("Authorization")?.to_str().ok()?;
    authorization.split_once("Credential=")?.1.split('/').next()
}

/// An error from the service makes hyper close the connection without a response.
#[derive(Debug, thiserror::Error)]
#[error("no response")]
struct Dropped;

impl From<Infallible> for Dropped {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
