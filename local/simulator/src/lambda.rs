//! Lambda: execution environments, time limits, throttles, asynchronous events and their retries.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use hyper::{Request, Response};
use local::starts::WAITS;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::environment::{Environment, Fate, Function};
use crate::functions::{App, Outcome};
use crate::network::Lost;
use crate::scenario::Trouble;
use crate::source::SOURCE_PREFIX;
use crate::world::World;

/// Lambda waits up to this long before it tries an event again that was throttled, and tries it for six hours.
const THROTTLED_WAIT: Duration = Duration::from_secs(60);
/// An image that kills its processor does so soon.
const POISON_WAITS: usize = 20;

/// How often the schedules are looked at.
const SCHEDULE_STEP: Duration = Duration::from_secs(10);

/// How late a start of a schedule may be, beside that.
const SCHEDULE_PRECISION: Duration = Duration::from_secs(50);

const MAX_EVENT_AGE: Duration = Duration::from_secs(6 * 3600);

#[derive(Default)]
pub struct Lambda(Mutex<State>);

#[derive(Default)]
struct State {
    started: usize,
    /// Idle environments of each function, which are frozen.
    idle: Vec<(Arc<Environment>, Arc<App>)>,
    running: usize,
    /// Events that were accepted and not handled.
    events: usize,
    /// Events that Lambda has given up.
    dead: Vec<(Function, Value)>,
    requests: u64,
    uses_old_processor: bool,
}

/// How an invocation ends.
#[derive(Debug)]
pub enum Reply {
    Response(Value),
    FunctionError(Value),
    /// Lambda itself rejects it, with this status and error.
    Rejected(u16, &'static str),
}

impl Lambda {
    /// Ends all environments, so that nothing refers to the world any longer.
    pub fn clear(&self) {
        *self.0.lock() = State::default();
    }

    /// Events that will still be delivered.
    pub fn events(&self) -> usize {
        self.0.lock().events
    }

    /// Takes the events that Lambda has given up, as from the queue for failed events.
    pub fn take_dead(&self) -> Vec<(Function, Value)> {
        std::mem::take(&mut self.0.lock().dead)
    }

    pub fn use_old_processor(&self, old: bool) {
        self.0.lock().uses_old_processor = old;
    }

    fn next_request_id(&self) -> String {
        let mut state = self.0.lock();
        state.requests += 1;
        format!("request-{}", state.requests)
    }

    /// Takes an idle environment, or starts one. Returns `None` if the account's limit is reached.
    fn take(&self, world: &Arc<World>, function: Function) -> Option<(Arc<Environment>, Arc<App>, bool)> {
        let mut state = self.0.lock();
        if state.running >= world.scenario.settings.account_concurrency {
            return None;
        }
        state.running += 1;
        let is_old = state.uses_old_processor;
        let idle = state
            .idle
            .iter()
            .position(|(environment, app)| environment.function == function && app.is_of(function, is_old));
        if let Some(index) = idle {
            let (environment, app) = state.idle.swap_remove(index);
            return Some((environment, app, false));
        }
        state.started += 1;
        let environment = Environment::new(function, state.started);
        drop(state);
        let app = Arc::new(App::new(world, &environment, is_old));
        Some((environment, app, true))
    }

    fn put_back(&self, environment: Arc<Environment>, app: Arc<App>) {
        environment.freeze();
        let mut state = self.0.lock();
        state.running -= 1;
        if !environment.is_dead() {
            state.idle.push((environment, app));
        }
    }
}

/// Serves a request of Lambda's API.
pub async fn serve(
    world: &Arc<World>,
    sender: &Environment,
    request: Request<Bytes>,
) -> Result<Response<SdkBody>, Lost> {
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
    world.observer.invoked(world, sender, function, &payload);
    if is_event {
        let reply = rejected(world).map_or(202, |(status, _)| status);
        if reply == 202 {
            accept(world, function, &payload);
        }
        let response = Response::builder().status(reply);
        return response.body(SdkBody::empty()).map_err(|_| Lost::Broken);
    }
    let (world, name) = (world.clone(), sender.to_string());
    // Lambda runs an invocation to its end, even if its caller has gone.
    let reply = tokio::spawn(async move {
        let id = world.lambda.next_request_id();
        let what = format!("{name} → {function} {} {}", payload["chunk"], payload["attempt"]);
        let reply = invoke(&world, function, &id, payload).await;
        world.note(format!("{what}: {}", reply.in_words()));
        reply
    });
    let (builder, body) = match reply.await.map_err(|_| Lost::Broken)? {
        Reply::Response(body) => (Response::builder(), body),
        Reply::FunctionError(body) => (Response::builder().header("X-Amz-Function-Error", "Unhandled"), body),
        Reply::Rejected(status, code) => (
            Response::builder().status(status).header("x-amzn-ErrorType", code),
            json!({"Type": "User", "Message": code}),
        ),
    };
    builder.body(SdkBody::from(body.to_string())).map_err(|_| Lost::Broken)
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

/// Whether Lambda rejects a request.
fn rejected(world: &World) -> Option<(u16, &'static str)> {
    world.strikes(|trouble| match trouble {
        Trouble::Refusals { percent } => Some((*percent, (429, "TooManyRequestsException"))),
        Trouble::Failures { percent } => Some((*percent, (500, "ServiceException"))),
        _ => None,
    })
}

/// Runs a function once.
pub async fn invoke(world: &Arc<World>, function: Function, request_id: &str, payload: Value) -> Reply {
    if let Some((status, code)) = rejected(world) {
        return Reply::Rejected(status, code);
    }
    let Some((environment, app, is_cold)) = world.lambda.take(world, function) else {
        return Reply::Rejected(429, "TooManyRequestsException");
    };
    sleep(world.time_up_to(Duration::from_millis(if is_cold { 400 } else { 10 }))).await;
    environment.thaw();
    let limit = world.scenario.settings.timeout(function);
    let deadline = world.clock.since_epoch() + limit;
    // On the heap, because the future is large.
    let fate = fate(world, function, &payload);
    let work = Box::pin(app.handle(payload, request_id, deadline));
    let ended = timeout(limit, environment.run(world, fate, work)).await;
    let reply = match ended {
        Ok(Some(Outcome::Response(response))) => Reply::Response(response),
        Ok(Some(Outcome::Error(error))) => Reply::FunctionError(error),
        Ok(None) => Reply::FunctionError(json!({"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"})),
        Err(_) => {
            environment.die();
            Reply::FunctionError(json!({"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"}))
        }
    };
    world.lambda.put_back(environment, app);
    reply
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

/// Takes an asynchronous event, and delivers it later: perhaps late, perhaps twice, and again if it fails.
pub fn accept(world: &Arc<World>, function: Function, payload: &Value) {
    let copies = 1 + usize::from(
        world
            .strikes(|trouble| match trouble {
                Trouble::DuplicateEvents { percent } => Some((*percent, ())),
                _ => None,
            })
            .is_some(),
    );
    let id = world.lambda.next_request_id();
    for _ in 0..copies {
        let late = world.strikes(|trouble| match trouble {
            Trouble::LateEvents { percent, at_most } => Some((*percent, *at_most)),
            _ => None,
        });
        let wait = world.time_up_to(late.unwrap_or(Duration::from_millis(50)));
        world.lambda.0.lock().events += 1;
        let (world, id, payload) = (world.clone(), id.clone(), payload.clone());
        tokio::spawn(async move {
            sleep(wait).await;
            deliver(&world, function, &id, payload).await;
            world.lambda.0.lock().events -= 1;
        });
    }
}

/// Starts what EventBridge Scheduler starts, up to a minute late.
pub async fn start_scheduled(world: Arc<World>) {
    loop {
        sleep(SCHEDULE_STEP).await;
        while world
            .schedules
            .next()
            .is_some_and(|next| next <= world.clock.since_epoch())
        {
            let Some(target) = world.schedules.take_next() else {
                break;
            };
            let late = world.time_up_to(SCHEDULE_PRECISION);
            let world = world.clone();
            tokio::spawn(async move {
                sleep(late).await;
                // The next start comes in a minute, so Scheduler does not try again.
                match (rejected(&world), serde_json::from_str(&target.input)) {
                    (None, Ok(event)) => accept(&world, Function::Fanout, &event),
                    _ => world.note("a start of the schedule is rejected".to_owned()),
                }
            });
        }
    }
}

async fn deliver(world: &Arc<World>, function: Function, id: &str, payload: Value) {
    let (mut retries, accepted_at) = (WAITS.iter(), world.elapsed());
    loop {
        let reply = invoke(world, function, id, payload.clone()).await;
        world.note(format!("event {id} of {function}: {}", reply.in_words()));
        let wait = match reply {
            Reply::Response(_) => return,
            Reply::Rejected(..) if world.elapsed() < accepted_at + MAX_EVENT_AGE => {
                Some(world.time_up_to(THROTTLED_WAIT))
            }
            Reply::Rejected(..) => None,
            Reply::FunctionError(_) => retries.next().copied(),
        };
        let Some(wait) = wait else {
            world.note(format!("event {id} of {function} is given up"));
            world.lambda.0.lock().dead.push((function, payload));
            return;
        };
        sleep(wait).await;
    }
}
