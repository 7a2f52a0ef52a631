//! EventBridge Scheduler: the local stand-in, without sockets.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{Request, Response};
use local::scheduler::Schedules;
use tokio::time::sleep;

use crate::environment::Environment;
use crate::lambda::Lambda;
use crate::network::{Lost, Serve, Served};
use crate::party::Function;
use crate::world::World;

/// How often the schedules are looked at.
const STEP: Duration = Duration::from_secs(10);

/// How late a start may be, beside that.
const PRECISION: Duration = Duration::from_secs(50);

pub struct Scheduler {
    world: Arc<World>,
    schedules: Schedules,
}

impl Scheduler {
    pub fn new(world: &Arc<World>) -> Self {
        Self {
            world: world.clone(),
            schedules: Schedules::default(),
        }
    }

    /// How many schedules there are.
    pub fn count(&self) -> usize {
        self.schedules.count()
    }

    /// Starts what is due, up to a minute late.
    pub async fn start(self: Arc<Self>, lambda: Arc<Lambda>) {
        loop {
            sleep(STEP).await;
            let is_due = |next| next <= self.world.clock.since_epoch();
            while self.schedules.next().is_some_and(is_due) {
                let Some(target) = self.schedules.take_next() else {
                    break;
                };
                let late = self.world.time_up_to(PRECISION);
                let (world, lambda) = (self.world.clone(), lambda.clone());
                tokio::spawn(async move {
                    sleep(late).await;
                    // The next start comes in a minute, so Scheduler does not try again.
                    match (lambda.rejects(), serde_json::from_str(&target.input)) {
                        (None, Ok(event)) => lambda.accept(Function::Fanout, &event),
                        _ => world.note("a start of the schedule is rejected".to_owned()),
                    }
                });
            }
        }
    }
}

impl Serve for Scheduler {
    fn serve(self: Arc<Self>, sender: Arc<Environment>, request: Request<Bytes>) -> Served {
        Box::pin(async move {
            let (method, path) = (request.method(), request.uri().path());
            self.world.note(format!("{sender} → Scheduler {method} {path}"));
            let response = self.schedules.respond(&request).map_err(|_| Lost::Broken)?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|_| Lost::Broken)?.to_bytes();
            Ok(Response::from_parts(parts, SdkBody::from(body)))
        })
    }
}
