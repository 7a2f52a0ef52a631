//! Lambda: execution environments, time limits, throttles, asynchronous events and their retries.

mod environments;
mod events;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use hyper::{Request, Response};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use self::environments::Environments;
use self::events::Events;
use crate::environment::{Environment, Fate};
use crate::functions::Outcome;
use crate::network::{Lost, Network, Serve, Served};
use crate::observer::Observer;
use crate::party::Function;
use crate::places::SOURCE_PREFIX;
use crate::scenario::Trouble;
use crate::world::World;

/// An image that kills its processor does so soon.
const POISON_WAITS: usize = 20;

pub struct Lambda {
    world: Arc<World>,
    observer: Arc<Observer>,
    /// The SDK's settings, without connections.
    sdk: SdkConfig,
    /// Where the functions send their requests.
    network: Weak<Network>,
    environments: Environments,
    events: Events,
    requests: AtomicU64,
    uses_old_processor: AtomicBool,
}

/// How an invocation ends.
#[derive(Debug)]
pub enum Reply {
    Response(Value),
    FunctionError(Value),
    /// Lambda itself rejects it, with this status and error.
    Rejected(u16, &'static str),
}

impl Reply {
    fn in_words(&self) -> String {
        match self {
            Self::Response(_) => "responds".to_owned(),
            Self::FunctionError(error) => format!("fails: {error:.200}"),
            Self::Rejected(status, code) => format!("{status} {code}"),
        }
    }
}

impl Lambda {
    pub fn new(world: &Arc<World>, observer: &Arc<Observer>, network: &Arc<Network>, sdk: SdkConfig) -> Self {
        Self {
            world: world.clone(),
            observer: observer.clone(),
            sdk,
            network: Arc::downgrade(network),
            environments: Environments::default(),
            events: Events::default(),
            requests: AtomicU64::new(0),
            uses_old_processor: AtomicBool::new(false),
        }
    }

    pub fn use_old_processor(&self, old: bool) {
        self.uses_old_processor.store(old, Relaxed);
    }

    fn next_request_id(&self) -> String {
        format!("request-{}", self.requests.fetch_add(1, Relaxed) + 1)
    }

    /// Whether Lambda rejects a request.
    pub fn rejects(&self) -> Option<(u16, &'static str)> {
        self.world.strikes(|trouble| match trouble {
            Trouble::Refusals { percent } => Some((*percent, (429, "TooManyRequestsException"))),
            Trouble::Failures { percent } => Some((*percent, (500, "ServiceException"))),
            _ => None,
        })
    }

    /// Runs a function once.
    pub async fn invoke(&self, function: Function, request_id: &str, payload: Value) -> Reply {
        if let Some((status, code)) = self.rejects() {
            return Reply::Rejected(status, code);
        }
        let Some((environment, app, is_cold)) = self.take_environment(function) else {
            return Reply::Rejected(429, "TooManyRequestsException");
        };
        let world = &self.world;
        sleep(world.time_up_to(Duration::from_millis(if is_cold { 400 } else { 10 }))).await;
        environment.thaw();
        let limit = world.scenario.settings.timeout(function);
        let deadline = world.clock.since_epoch() + limit;
        let fate = fate(world, function, &payload);
        // On the heap, because the future is large.
        let work = Box::pin(app.handle(payload, request_id, deadline));
        let ended = timeout(limit, environment.run(world, fate, work)).await;
        let reply = match ended {
            Ok(Some(Outcome::Response(response))) => Reply::Response(response),
            Ok(Some(Outcome::Error(error))) => Reply::FunctionError(error),
            Ok(None) => {
                Reply::FunctionError(json!({"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"}))
            }
            Err(_) => {
                environment.die();
                Reply::FunctionError(json!({"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"}))
            }
        };
        self.observer.ended(&environment, !matches!(reply, Reply::Response(_)));
        self.environments.put_back(environment, app);
        reply
    }

    /// Runs a function for a caller that waits for its response.
    async fn invoke_for(self: Arc<Self>, caller: String, function: Function, payload: Value) -> Reply {
        let id = self.next_request_id();
        let what = format!("{caller} → {function} {} {}", payload["chunk"], payload["attempt"]);
        let reply = self.invoke(function, &id, payload).await;
        self.world.note(format!("{what}: {}", reply.in_words()));
        reply
    }
}

impl Serve for Lambda {
    fn serve(self: Arc<Self>, sender: Arc<Environment>, request: Request<Bytes>) -> Served {
        Box::pin(async move {
            // /2015-03-31/functions/NAME/invocations
            let function = match request.uri().path().split('/').nth(3) {
                Some("fanout") => Function::Fanout,
                _ => Function::Processor,
            };
            let is_event = request
                .headers()
                .get("X-Amz-Invocation-Type")
                .is_some_and(|kind| kind == "Event");
            let payload: Value = serde_json::from_slice(request.body()).map_err(|_| Lost::Broken)?;
            self.observer.invoked(&sender, function, &payload, request.body().len());
            if is_event {
                let status = self.rejects().map_or(202, |(status, _)| status);
                if status == 202 {
                    self.accept(function, &payload);
                }
                let response = Response::builder().status(status);
                return response.body(SdkBody::empty()).map_err(|_| Lost::Broken);
            }
            // Lambda runs an invocation to its end, even if its caller has gone.
            let reply = tokio::spawn(self.invoke_for(sender.to_string(), function, payload)).await;
            let (builder, body) = match reply.map_err(|_| Lost::Broken)? {
                Reply::Response(body) => (Response::builder(), body),
                Reply::FunctionError(body) => (Response::builder().header("X-Amz-Function-Error", "Unhandled"), body),
                Reply::Rejected(status, code) => (
                    Response::builder().status(status).header("x-amzn-ErrorType", code),
                    json!({"Type": "User", "Message": code}),
                ),
            };
            builder.body(SdkBody::from(body.to_string())).map_err(|_| Lost::Broken)
        })
    }
}

fn fate(world: &World, function: Function, payload: &Value) -> Fate {
    let dies = world.strikes(|trouble| match trouble {
        Trouble::Deaths {
            function: of,
            percent,
            waits,
        } if *of == function => Some((*percent, *waits)),
        Trouble::Poison { key } if function == Function::Processor && names(payload, key) => Some((100, POISON_WAITS)),
        _ => None,
    });
    let freezes = world.strikes(|trouble| match trouble {
        Trouble::Freezes {
            function: of,
            percent,
            waits,
            at_most,
        } if *of == function => Some((*percent, (*waits, *at_most))),
        _ => None,
    });
    Fate {
        dies_after: dies.map(|waits| world.random(0..waits)),
        frozen_after: freezes.map(|(waits, at_most)| (world.random(0..waits), world.time_up_to(at_most))),
    }
}

/// Whether a chunk has the object with this key.
fn names(payload: &Value, key: &str) -> bool {
    let mut objects = payload["objects"].as_array().into_iter().flatten();
    objects.any(|object| object["key"].as_str().and_then(|key| key.strip_prefix(SOURCE_PREFIX)) == Some(key))
}
