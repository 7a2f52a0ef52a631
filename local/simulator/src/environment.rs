//! An execution environment of a function: a process, which Lambda freezes between two invocations, and which may die.

use std::fmt;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::party::Function;
use crate::world::World;

/// Where a request comes from.
#[derive(Debug)]
pub struct Environment {
    pub function: Function,
    number: usize,
    is_dead: AtomicBool,
    is_frozen: watch::Sender<bool>,
    /// Requests that wait for their response.
    pub requests: AtomicUsize,
}

/// What chance has in store for one invocation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fate {
    /// After how often the invocation has been waiting for something, it dies.
    pub dies_after: Option<usize>,
    /// After how often it has been waiting, it is frozen, and for how long.
    pub frozen_after: Option<(usize, Duration)>,
}

impl Environment {
    pub fn new(function: Function, number: usize) -> Arc<Self> {
        Arc::new(Self {
            function,
            number,
            is_dead: AtomicBool::new(false),
            is_frozen: watch::Sender::new(false),
            requests: AtomicUsize::new(0),
        })
    }

    /// Nothing happens in it any more. Requests that it has sent go on.
    pub fn die(&self) {
        self.is_dead.store(true, Relaxed);
    }

    pub fn is_dead(&self) -> bool {
        self.is_dead.load(Relaxed)
    }

    pub fn freeze(&self) {
        self.is_frozen.send_replace(true);
    }

    pub fn thaw(&self) {
        self.is_frozen.send_replace(false);
    }

    /// Waits until it runs. This is forever if it has died.
    pub async fn until_running(&self) {
        let mut frozen = self.is_frozen.subscribe();
        // The sender is part of this environment, so it outlives the wait.
        let _ = frozen.wait_for(|frozen| !frozen).await;
        if self.is_dead() {
            pending::<()>().await;
        }
    }

    /// Runs an invocation. Returns `None` if it dies. Each wait of the invocation is a moment at which it may die or be
    /// frozen.
    pub async fn run<T>(&self, world: &World, mut fate: Fate, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut waits = 0;
        loop {
            let step = poll_fn(|context| {
                if fate.dies_after.is_some_and(|after| waits >= after) {
                    return Poll::Ready(Step::Dies);
                }
                if fate.frozen_after.is_some_and(|(after, _)| waits >= after) {
                    return Poll::Ready(Step::Freezes);
                }
                let polled = work.as_mut().poll(context);
                waits += usize::from(polled.is_pending());
                polled.map(Step::Ends)
            });
            match step.await {
                Step::Ends(output) => return Some(output),
                Step::Dies => {
                    world.note(format!("{self} dies"));
                    self.die();
                    return None;
                }
                Step::Freezes => {
                    let (_, time) = fate.frozen_after.take().unwrap_or_default();
                    world.note(format!("{self} is frozen for {} s", time.as_secs()));
                    self.freeze();
                    sleep(time).await;
                    self.thaw();
                    world.note(format!("{self} wakes up"));
                }
            }
        }
    }
}

enum Step<T> {
    Ends(T),
    Dies,
    Freezes,
}

impl fmt::Display for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.function, self.number)
    }
}
