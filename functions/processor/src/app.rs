use aws_config::SdkConfig;
use shared::clock::Clock;

use crate::clients::Clients;
use crate::config::Config;
use crate::limits::Limits;

/// Built once, at cold start, and shared by all invocations of this process.
#[derive(Debug)]
pub struct App {
    pub config: Config,
    /// Judges the deadlines of invocations and images, and paces requests.
    pub clock: Clock,
    pub(crate) clients: Clients,
    pub(crate) limits: Limits,
}

impl App {
    #[must_use]
    pub fn new(config: Config, sdk: &SdkConfig) -> Self {
        let limits = Limits::new(config.memory_mb);
        Self {
            clients: Clients::new(sdk, &limits.concurrency),
            clock: Clock::default(),
            limits,
            config,
        }
    }
}
