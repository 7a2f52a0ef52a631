use std::sync::OnceLock;

use aws_config::SdkConfig;
use shared::clock::Clock;

use crate::clients::Clients;
use crate::config::Config;
use crate::limits::{CpuThreads, Limits};

/// What all invocations of this process share. It is built once, at cold start.
#[derive(Debug)]
pub struct App {
    pub config: Config,
    /// The clock for the deadlines of invocations, the time of images, and the request rate.
    pub clock: Clock,
    clients: Clients,
    /// For sources whose requester pays. Few sources are of this kind.
    paying_clients: OnceLock<Clients>,
    pub(crate) sdk: SdkConfig,
    pub(crate) limits: Limits,
}

impl App {
    #[must_use]
    pub fn new(config: Config, sdk: &SdkConfig) -> Self {
        let limits = Limits::new(config.memory_mb);
        Self::with(config, sdk, limits, Clock::default())
    }

    /// For a simulation: on its clock, and with no thread of its own.
    #[must_use]
    pub fn simulated(config: Config, sdk: &SdkConfig, clock: Clock) -> Self {
        let limits = Limits::with(CpuThreads::none(config.memory_mb), config.memory_mb);
        Self::with(config, sdk, limits, clock)
    }

    fn with(config: Config, sdk: &SdkConfig, limits: Limits, clock: Clock) -> Self {
        Self {
            clients: Clients::new(sdk, config.timeouts(), &limits.concurrency, false),
            paying_clients: OnceLock::new(),
            sdk: sdk.clone(),
            clock,
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
