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
    pub(crate) clients: Clients,
    pub(crate) limits: Limits,
}

impl App {
    #[must_use]
    pub fn new(config: Config, sdk: &SdkConfig) -> Self {
        let limits = Limits::new(config.memory_mb);
        Self {
            clients: Clients::new(sdk, config.timeouts(), &limits.concurrency),
            clock: Clock::default(),
            limits,
            config,
        }
    }
}
