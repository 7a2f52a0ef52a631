use std::sync::OnceLock;

use aws_config::SdkConfig;
use shared::clock::Clock;

use crate::clients::Clients;
use crate::config::Config;
use crate::limits::Limits;

/// What all invocations of this process share. It is built once, at cold start.
#[derive(Debug)]
pub struct App {
    pub config: Config,
    /// The clock for the deadlines of invocations, the time of images, and the request rate.
    pub clock: Clock,
    clients: Clients,
    /// For sources whose requester pays. Few sources are of this kind.
    paying_clients: OnceLock<Clients>,
    sdk: SdkConfig,
    pub(crate) limits: Limits,
}

impl App {
    #[must_use]
    pub fn new(config: Config, sdk: &SdkConfig) -> Self {
        let limits = Limits::new(config.memory_mb);
        Self {
            clients: Clients::new(sdk, config.timeouts(), &limits.concurrency, false),
            paying_clients: OnceLock::new(),
            sdk: sdk.clone(),
            clock: Clock::default(),
            limits,
            config,
        }
    }

    pub(crate) fn clients(&self, request_payer: bool) -> &Clients {
        if !request_payer {
            return &self.clients;
        }
        let clients = || Clients::new(&self.sdk, self.config.timeouts(), &self.limits.concurrency, true);
        self.paying_clients.get_or_init(clients)
    }
}
