//! The functions, as an execution environment runs them.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use fanout::Invocation;
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use shared::clock::Clock;

use crate::network::{LAMBDA_URL, Port, S3_URL, SCHEDULER_URL};
use crate::old_processor;
use crate::party::Function;
use crate::places::{EVENTS_DESTINATION, SOURCE};
use crate::scenario::settings::transform;
use crate::scenario::{Settings, Trouble};
use crate::world::World;

/// A function in its environment, with all that it builds at its cold start.
pub enum App {
    Fanout(Box<fanout::App>),
    Processor { app: Box<processor::App>, is_old: bool },
}

#[derive(Debug)]
pub enum Outcome {
    Response(Value),
    Error(Value),
}

impl App {
    /// `sdk` has the SDK's settings, without connections.
    pub fn new(world: &World, sdk: &SdkConfig, port: &Port, function: Function, is_old: bool) -> Self {
        // Each process has its own cache of credentials.
        let identities = IdentityCache::lazy().build();
        let sdk = |url: &str| -> SdkConfig {
            let sdk = sdk.clone().into_builder().identity_cache(identities.clone());
            sdk.endpoint_url(url).http_client(port.clone()).build()
        };
        let clock = Clock::simulated(wrong_time(world));
        let settings = &world.scenario.settings;
        match function {
            Function::Fanout => Self::Fanout(Box::new(fanout::App {
                config: fanout_config(settings),
                sdk: sdk(S3_URL),
                lambda: fanout::invoke_client_over(port.clone(), &sdk(LAMBDA_URL)),
                scheduler: aws_sdk_scheduler::Client::new(&sdk(SCHEDULER_URL)),
                clock,
            })),
            Function::Processor => Self::Processor {
                app: Box::new(processor::App::simulated(
                    processor_config(settings),
                    &sdk(S3_URL),
                    clock,
                )),
                is_old,
            },
        }
    }

    /// Whether an environment with this app can serve a function. A deploy replaces the environments of processor.
    pub fn is_of(&self, function: Function, is_old: bool) -> bool {
        match self {
            Self::Fanout(_) => function == Function::Fanout,
            Self::Processor { is_old: this, .. } => function == Function::Processor && *this == is_old,
        }
    }

    /// Handles an invocation. `deadline` is the right time, since 1970.
    pub async fn handle(&self, payload: Value, request_id: &str, deadline: Duration) -> Outcome {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::Fanout(app) => {
                let invocation = Invocation {
                    request_id: request_id.to_owned(),
                    deadline_ms,
                    function_arn: "arn:aws:lambda:us-east-1:0:function:fanout".to_owned(),
                };
                match fanout::handle(app, payload, &invocation).await {
                    Ok(response) => Outcome::Response(json!(response)),
                    Err(error) => Outcome::Error(described(&error.into())),
                }
            }
            Self::Processor { app, is_old } => {
                let payload = if *is_old {
                    old_processor::request(payload)
                } else {
                    payload
                };
                match processor::handle(app, payload, deadline_ms).await {
                    Ok(response) if *is_old => Outcome::Response(old_processor::response(response)),
                    Ok(response) => Outcome::Response(response),
                    Err(error) => Outcome::Error(described(&error.into())),
                }
            }
        }
    }
}

fn described(error: &Diagnostic) -> Value {
    json!({"errorType": error.error_type, "errorMessage": error.error_message})
}

/// The time that the clock of a new environment shows.
fn wrong_time(world: &World) -> Duration {
    let right = world.clock.since_epoch();
    let wrong = world.troubles().find_map(|trouble| match trouble {
        Trouble::WrongClocks { at_most } => Some(*at_most),
        _ => None,
    });
    match wrong {
        None => right,
        Some(at_most) if world.happens(50) => right + world.time_up_to(at_most),
        Some(at_most) => right.saturating_sub(world.time_up_to(at_most)),
    }
}

fn fanout_config(settings: &Settings) -> fanout::Config {
    let lookup = |name: &str| {
        let value = match name {
            "TIMEOUT_SECONDS" => settings.fanout_timeout.to_string(),
            "INVOKE_TIMEOUT_SECONDS" => (settings.processor_timeout + 10).to_string(),
            "SCHEDULE_GROUP" => "jobs".to_owned(),
            "SCHEDULE_ROLE" => "arn:aws:iam::0:role/restarts".to_owned(),
            _ => return None,
        };
        Some(value)
    };
    fanout::Config::load(&lookup).expect("the settings are valid")
}

fn processor_config(settings: &Settings) -> processor::Config {
    let lookup = |name: &str| {
        let value = match name {
            "SOURCE" => SOURCE.to_owned(),
            "DESTINATION" => EVENTS_DESTINATION.to_owned(),
            "IMAGES" => settings.images.to_owned(),
            "TRANSFORM" if settings.images == "transform" => transform().to_string(),
            "TIMEOUT_SECONDS" => settings.processor_timeout.to_string(),
            _ => return None,
        };
        Some(value)
    };
    processor::Config::load(&lookup).expect("the settings are valid")
}
