//! Holds requests back until a test has seen that they were sent. So no test has to guess how long something takes.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tokio::sync::watch;

/// A gate between the SDK and the server.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<watch::Sender<State>>);

#[derive(Debug, Default)]
struct State {
    /// Requests that have reached the gate, held back or not.
    requests: usize,
    /// Requests whose response has begun.
    responses: usize,
    /// The method and a part of the path of the requests to hold back.
    hold: Option<(&'static str, &'static str)>,
    /// Requests held back since the gate was last opened.
    held: usize,
    /// How often the gate was opened.
    opened: usize,
}

impl Gate {
    /// A client whose requests pass through this gate.
    pub fn client(&self, inner: SharedHttpClient) -> GatedClient {
        GatedClient {
            gate: self.clone(),
            inner,
        }
    }

    /// From now on, holds back requests with this method and with `path` in their URI. Requests that are already held
    /// back stay so.
    pub fn hold(&self, method: &'static str, path: &'static str) {
        self.0.send_modify(|state| state.hold = Some((method, path)));
    }

    /// Waits until `count` requests are held back.
    pub async fn held(&self, count: usize) {
        self.wait_for(|state| state.held >= count).await;
    }

    /// Lets all requests pass, including those that are held back.
    pub fn open(&self) {
        self.0.send_modify(|state| {
            state.hold = None;
            state.held = 0;
            state.opened += 1;
        });
    }

    /// Waits until `count` requests have reached the gate in total.
    pub async fn requests(&self, count: usize) {
        self.wait_for(|state| state.requests >= count).await;
    }

    /// Waits until `count` responses have begun.
    pub async fn responses(&self, count: usize) {
        self.wait_for(|state| state.responses >= count).await;
    }

    pub fn count(&self) -> usize {
        self.0.borrow().requests
    }

    async fn wait_for(&self, condition: impl FnMut(&State) -> bool) {
        self.0.subscribe().wait_for(condition).await.unwrap();
    }

    async fn pass(&self, method: &str, uri: &str) {
        let mut held_since = None;
        self.0.send_modify(|state| {
            state.requests += 1;
            if state
                .hold
                .is_some_and(|(held, path)| method == held && uri.contains(path))
            {
                state.held += 1;
                held_since = Some(state.opened);
            }
        });
        if let Some(opened) = held_since {
            self.wait_for(|state| state.opened > opened).await;
        }
    }
}

#[derive(Debug)]
pub struct GatedClient {
    gate: Gate,
    inner: SharedHttpClient,
}

impl HttpClient for GatedClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(GatedConnector {
            gate: self.gate.clone(),
            inner: self.inner.http_connector(settings, components),
        })
    }
}

#[derive(Debug)]
struct GatedConnector {
    gate: Gate,
    inner: SharedHttpConnector,
}

impl HttpConnector for GatedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (gate, inner) = (self.gate.clone(), self.inner.clone());
        HttpConnectorFuture::new(async move {
            gate.pass(request.method(), request.uri()).await;
            let response = inner.call(request).await;
            gate.0.send_modify(|state| state.responses += 1);
            response
        })
    }
}
