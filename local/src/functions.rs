//! Both functions under `cargo lambda watch`, each with its role of the template.

use std::path::Path;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use crate::emulator::Emulator;
use crate::iam::Roles;
use crate::lambda::{Endpoint, Reply};
use crate::s3::{Server, sdk};
use crate::workspace::Profile;

/// The role of each function, and the name of the processor in the policy of fanout.
const FANOUT_ROLE: &str = "FanoutRole";
const PROCESSOR_ROLE: &str = "ProcessorRole";
const PROCESSOR: &str = "stack-Processor";

/// Running functions. Dropping them ends them.
///
/// All functions of one emulator have the same environment, and so the same credentials. So each function has an emulator
/// of its own. fanout invokes the processor through an endpoint that enforces its role.
#[derive(Debug)]
pub struct Functions {
    pub fanout: Emulator,
    pub processor: Emulator,
    _between: Endpoint,
}

/// How functions are started.
#[derive(Debug)]
pub struct Setup<'a> {
    pub cargo_lambda: &'a Path,
    pub profile: Profile,
    /// Of each function.
    pub processes: usize,
    /// Added to the environment of both functions.
    pub environment: &'a [(&'static str, String)],
    /// The folder for the output of both functions.
    pub logs: &'a Path,
}

impl Setup<'_> {
    /// Starts both functions. From now on, the server enforces the roles of the template with these parameters.
    pub async fn start(&self, server: &Server, parameters: &[(&str, &str)]) -> anyhow::Result<Functions> {
        let roles = Roles::of_template(parameters).await?;
        *server.roles.write() = roles.clone();
        let variables = server.environment_of(PROCESSOR_ROLE);
        let processor = self.emulator("processor.log", variables).await?;
        let between = in_front_of(&processor, "processor").await?;
        *between.roles.write() = roles;
        let mut variables = server.environment_of(FANOUT_ROLE);
        variables.push(("AWS_ENDPOINT_URL_LAMBDA", between.url()));
        variables.push(("PROCESSOR_FUNCTION", PROCESSOR.to_owned()));
        Ok(Functions {
            fanout: self.emulator("fanout.log", variables).await?,
            processor,
            _between: between,
        })
    }

    async fn emulator(&self, log: &str, variables: Vec<(&'static str, String)>) -> anyhow::Result<Emulator> {
        let (environment, log) = ([variables, self.environment.to_vec()].concat(), self.logs.join(log));
        Emulator::start(self.cargo_lambda, self.profile, self.processes, &environment, &log).await
    }
}

/// A client for the functions of an emulator. It has no time-out, because a job takes as long as it takes. It does not
/// retry, because a retry would start the job twice.
pub async fn client(emulator: &Emulator) -> aws_sdk_lambda::Client {
    let config = aws_sdk_lambda::config::Builder::from(&sdk(&emulator.endpoint()).await)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled());
    aws_sdk_lambda::Client::from_conf(config.build())
}

/// A Lambda endpoint in front of an emulator. Unlike the emulator, it knows asynchronous invocations, and reports the error
/// of a function as AWS does.
pub async fn in_front_of(emulator: &Emulator, function: &'static str) -> anyhow::Result<Endpoint> {
    let client = client(emulator).await;
    Endpoint::start(move |_, payload| {
        let client = client.clone();
        async move { invoke(&client, function, &payload).await }
    })
    .await
}

async fn invoke(client: &aws_sdk_lambda::Client, function: &str, payload: &Value) -> Reply {
    let sent = client
        .invoke()
        .function_name(function)
        .payload(Blob::new(payload.to_string()));
    let parsed = |body: Option<&[u8]>| serde_json::from_slice(body?).ok();
    match sent.send().await {
        Ok(output) => parsed(output.payload().map(Blob::as_ref)).map_or(Reply::Dropped, Reply::Ok),
        // The emulator reports an error of the function as HTTP 500.
        Err(error) => parsed(error.raw_response().and_then(|response| response.body().bytes()))
            .map_or(Reply::Dropped, Reply::FunctionError),
    }
}
