use std::sync::Arc;
use std::time::Duration;

use local::starts::WAITS;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::sleep;

use super::{Lambda, Reply};
use crate::party::Function;
use crate::scenario::Trouble;

/// Lambda waits up to this long before it tries an event again that was throttled.
const THROTTLED_WAIT: Duration = Duration::from_secs(60);

/// For how long Lambda tries an event that is throttled.
const MAX_AGE: Duration = Duration::from_secs(6 * 3600);

/// Asynchronous events.
#[derive(Default)]
pub(super) struct Events(Mutex<State>);

#[derive(Default)]
struct State {
    /// Events that were accepted and not handled.
    waiting: usize,
    /// Events that Lambda has given up.
    dead: Vec<(Function, Value)>,
}

impl Lambda {
    /// Events that will still be delivered.
    pub fn waiting_events(&self) -> usize {
        self.events.0.lock().waiting
    }

    /// Takes the events that Lambda has given up, as from the queue for failed events.
    pub fn take_dead_events(&self) -> Vec<(Function, Value)> {
        std::mem::take(&mut self.events.0.lock().dead)
    }

    /// Takes an asynchronous event, and delivers it later: perhaps late, perhaps twice, and again if it fails.
    pub fn accept(self: &Arc<Self>, function: Function, payload: &Value) {
        let world = &self.world;
        let is_double = world.strikes(|trouble| match trouble {
            Trouble::DuplicateEvents { percent } => Some((*percent, ())),
            _ => None,
        });
        let copies = if is_double.is_some() { 2 } else { 1 };
        let id = self.next_request_id();
        for _ in 0..copies {
            let late = world.strikes(|trouble| match trouble {
                Trouble::LateEvents { percent, at_most } => Some((*percent, *at_most)),
                _ => None,
            });
            let wait = world.time_up_to(late.unwrap_or(Duration::from_millis(50)));
            self.events.0.lock().waiting += 1;
            let (lambda, id, payload) = (self.clone(), id.clone(), payload.clone());
            tokio::spawn(async move {
                sleep(wait).await;
                lambda.deliver(function, &id, payload).await;
                lambda.events.0.lock().waiting -= 1;
            });
        }
    }

    async fn deliver(&self, function: Function, id: &str, payload: Value) {
        let (mut retries, accepted_at) = (WAITS.iter(), self.world.elapsed());
        loop {
            let reply = self.invoke(function, id, payload.clone()).await;
            self.world
                .note(format!("event {id} of {function}: {}", reply.in_words()));
            let wait = match reply {
                Reply::Response(_) => return,
                Reply::Rejected(..) if self.world.elapsed() < accepted_at + MAX_AGE => {
                    Some(self.world.time_up_to(THROTTLED_WAIT))
                }
                Reply::Rejected(..) => None,
                Reply::FunctionError(_) => retries.next().copied(),
            };
            let Some(wait) = wait else {
                self.world.note(format!("event {id} of {function} is given up"));
                self.events.0.lock().dead.push((function, payload));
                return;
            };
            sleep(wait).await;
        }
    }
}
