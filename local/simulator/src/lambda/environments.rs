use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;

use super::Lambda;
use crate::environment::Environment;
use crate::functions::App;
use crate::network::Port;
use crate::party::Function;

/// The execution environments of an account.
#[derive(Default)]
pub(super) struct Environments(Mutex<State>);

#[derive(Default)]
struct State {
    started: usize,
    running: usize,
    /// Those that wait for an invocation, frozen.
    idle: Vec<(Arc<Environment>, Arc<App>)>,
}

impl Environments {
    pub fn put_back(&self, environment: Arc<Environment>, app: Arc<App>) {
        environment.freeze();
        let mut state = self.0.lock();
        state.running -= 1;
        if !environment.is_dead() {
            state.idle.push((environment, app));
        }
    }
}

impl Lambda {
    /// Takes an idle environment, or starts one, and says whether it did. Returns `None` if the account's limit is
    /// reached.
    pub(super) fn take_environment(&self, function: Function) -> Option<(Arc<Environment>, Arc<App>, bool)> {
        let is_old = self.uses_old_processor.load(Relaxed);
        let mut state = self.environments.0.lock();
        if state.running >= self.world.scenario.settings.account_concurrency {
            return None;
        }
        state.running += 1;
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
        let port = Port::new(&self.network, &environment);
        let app = Arc::new(App::new(&self.world, &self.sdk, &port, function, is_old));
        Some((environment, app, true))
    }
}
