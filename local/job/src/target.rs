//! Finds fanout, and the destination of its jobs.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use aws_config::{Region, SdkConfig};
use aws_sdk_cloudformation::error::ProvideErrorMetadata as _;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use clap::Args;
use serde_json::{Value, json};
use shared::destination::Destination;
use shared::object::S3Uri;
use shared::s3;

/// The output of the stack that names fanout.
const FANOUT_OUTPUT: &str = "FanoutFunction";

/// Where `cargo lambda watch` listens.
const LOCAL: &str = "http://127.0.0.1:9000";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// An invocation takes 15 minutes at most.
const MAX_TIME: Duration = Duration::from_mins(16);

#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The stack
    #[arg(long, global = true, env = "S3_EXIF_STACK", default_value = "s3-exif")]
    stack: String,
    /// The name or ARN of the function fanout, instead of a stack
    #[arg(long, global = true, conflicts_with = "local")]
    function: Option<String>,
    /// Use the functions that `cargo lambda watch` runs on this machine
    #[arg(long, global = true, value_name = "URL", num_args = 0..=1, require_equals = true, default_missing_value = LOCAL)]
    local: Option<String>,
    /// Where the job writes, such as `s3://bucket/prefix/` [default: that of the stack]
    #[arg(long, global = true, value_name = "S3_URI")]
    pub destination: Option<S3Uri>,
    /// Where records and the files of jobs are, if not in the destination [default: as for the stack]
    #[arg(long, global = true, value_name = "S3_URI")]
    pub records_destination: Option<S3Uri>,
    /// A profile of the AWS configuration
    #[arg(long, global = true)]
    profile: Option<String>,
    /// The AWS region of the stack
    #[arg(long, global = true)]
    region: Option<String>,
}

/// Where jobs run.
pub struct Target {
    pub function: String,
    pub destination: Destination,
    pub lambda: aws_sdk_lambda::Client,
    pub s3: aws_sdk_s3::Client,
    /// Whether fanout runs on this machine. Then an invocation always waits for the response.
    pub is_local: bool,
    /// The options that name this target again, for commands that are shown.
    pub options: String,
    /// What runs the jobs: `the stack s3-exif in eu-west-1`.
    pub place: String,
    /// Whether an option says where records are. It counts also if this is the destination.
    names_records: bool,
}

impl Options {
    pub async fn find(self) -> anyhow::Result<Target> {
        let sdk = self.sdk().await;
        let is_local = self.local.is_some();
        let (lambda, function) = match (&self.local, &self.function) {
            (Some(url), _) => (lambda(&sdk, Some(url))?, "fanout".to_owned()),
            (None, Some(function)) => (lambda(&sdk, None)?, function.clone()),
            (None, None) => (lambda(&sdk, None)?, self.of_stack(&sdk).await?),
        };
        let destination = self.destination(&lambda, &function).await?;
        Ok(Target {
            options: self.again(),
            place: self.place(&sdk),
            names_records: self.records_destination.is_some(),
            function,
            destination,
            lambda,
            s3: aws_sdk_s3::Client::new(&sdk),
            is_local,
        })
    }

    /// What the options do not say is a setting of fanout.
    async fn destination(&self, lambda: &aws_sdk_lambda::Client, function: &str) -> anyhow::Result<Destination> {
        if let (Some(images), Some(records)) = (&self.destination, &self.records_destination) {
            return Ok(Destination::new(images.clone(), Some(records.clone())));
        }
        let settings = match self.local {
            Some(_) => std::env::vars().collect(),
            None => settings(lambda, function).await?,
        };
        let setting = |name: &str| {
            let given = settings.get(name).filter(|value| !value.is_empty());
            given
                .map(|value| value.parse::<S3Uri>().with_context(|| format!("{name} is {value:?}")))
                .transpose()
        };
        let images = match &self.destination {
            Some(images) => images.clone(),
            None => setting("DESTINATION")?.with_context(|| match self.local {
                Some(_) => "give --destination, or set DESTINATION as for the functions".to_owned(),
                None => {
                    format!("the function {function} has no variable DESTINATION: is it fanout? give --destination")
                }
            })?,
        };
        let records = match &self.records_destination {
            Some(records) => Some(records.clone()),
            None => setting("RECORDS_DESTINATION")?,
        };
        Ok(Destination::new(images, records))
    }

    async fn sdk(&self) -> SdkConfig {
        let mut loader = s3::loader();
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        loader.load().await
    }

    fn place(&self, sdk: &SdkConfig) -> String {
        let region = sdk.region().map_or("no region", Region::as_ref);
        match (&self.local, &self.function) {
            (Some(_), _) => "the functions on this machine".to_owned(),
            (None, Some(function)) => format!("the function {function} in {region}"),
            (None, None) => format!("the stack {} in {region}", self.stack),
        }
    }

    /// The options as they were given.
    fn again(&self) -> String {
        let local = self.local.as_ref().map(|url| match url.as_str() {
            LOCAL => "--local".to_owned(),
            url => format!("--local={url}"),
        });
        let named = |name: &str, value: Option<&str>| value.map(|value| format!("--{name} {value}"));
        let stack = (self.stack != "s3-exif" && local.is_none() && self.function.is_none()).then_some(&*self.stack);
        let destination = self.destination.as_ref().map(ToString::to_string);
        let records = self.records_destination.as_ref().map(ToString::to_string);
        let given = [
            named("stack", stack),
            named("function", self.function.as_deref()),
            local,
            named("destination", destination.as_deref()),
            named("records-destination", records.as_deref()),
            named("profile", self.profile.as_deref()),
            named("region", self.region.as_deref()),
        ];
        let given: Vec<_> = std::iter::once(String::new())
            .chain(given.into_iter().flatten())
            .collect();
        given.join(" ")
    }

    /// Asks `CloudFormation` which function fanout is.
    async fn of_stack(&self, sdk: &SdkConfig) -> anyhow::Result<String> {
        let stack = &self.stack;
        let region = sdk.region().context(
            "no AWS region is set: give --region, set AWS_REGION, or choose a profile with a region (--profile)",
        )?;
        let client = aws_sdk_cloudformation::Client::new(sdk);
        let found = client.describe_stacks().stack_name(stack).send().await;
        let found = match found {
            Ok(found) => found,
            Err(error) if error.code() == Some("ValidationError") => {
                let others = stacks(&client).await;
                bail!(
                    "there is no stack {stack:?} in {region}: give its name with --stack and its region with --region, or \
                     the function with --function{others}"
                );
            }
            Err(error) => {
                let problem = s3::Cause::from_sdk(&error);
                return Err(anyhow!(
                    "the stack {stack:?} in {region} cannot be looked up: {problem}{}",
                    hint(error.code(), "cloudformation:DescribeStacks")
                ));
            }
        };
        let outputs = found
            .stacks()
            .iter()
            .flat_map(aws_sdk_cloudformation::types::Stack::outputs);
        let mut fanout = outputs.filter(|output| output.output_key() == Some(FANOUT_OUTPUT));
        let fanout = fanout.next().and_then(|output| output.output_value());
        fanout.map(str::to_owned).with_context(|| {
            format!("the stack {stack:?} in {region} has no output {FANOUT_OUTPUT}, so it is none of s3-exif, or is not finished")
        })
    }
}

/// The stacks of this project in the region, as a part of an error.
async fn stacks(client: &aws_sdk_cloudformation::Client) -> String {
    let Ok(all) = client.describe_stacks().send().await else {
        return String::new();
    };
    let is_ours = |stack: &&aws_sdk_cloudformation::types::Stack| {
        stack
            .outputs()
            .iter()
            .any(|output| output.output_key() == Some(FANOUT_OUTPUT))
    };
    let names: Vec<_> = all
        .stacks()
        .iter()
        .filter(is_ours)
        .filter_map(|stack| stack.stack_name())
        .collect();
    if names.is_empty() {
        "; no stack in this region is one of s3-exif".to_owned()
    } else {
        format!("; stacks of s3-exif in this region: {}", names.join(", "))
    }
}

/// What helps against some errors of AWS, as a part of an error.
pub fn hint(code: Option<&str>, permission: &str) -> String {
    match code {
        Some("AccessDenied" | "AccessDeniedException") => {
            format!("; your user or role needs the permission {permission}")
        }
        Some("ExpiredToken" | "ExpiredTokenException" | "InvalidClientTokenId" | "UnrecognizedClientException") => {
            "; log in again, for example with `aws sso login`".to_owned()
        }
        // The request was not sent.
        None => "; check the credentials (`aws sts get-caller-identity`) and the network".to_owned(),
        Some(_) => String::new(),
    }
}

/// A client that waits as long as a function may take, and never invokes it twice.
fn lambda(sdk: &SdkConfig, url: Option<&str>) -> anyhow::Result<aws_sdk_lambda::Client> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_timeout(MAX_TIME)
        .disable_operation_attempt_timeout();
    let mut config = aws_sdk_lambda::config::Builder::from(sdk)
        .http_client(s3::kept_alive()?)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build());
    if let Some(url) = url {
        // A job on this machine takes as long as it takes.
        config = config.endpoint_url(url).timeout_config(TimeoutConfig::disabled());
    }
    Ok(aws_sdk_lambda::Client::from_conf(config.build()))
}

/// The environment variables of fanout, which are its defaults.
async fn settings(lambda: &aws_sdk_lambda::Client, function: &str) -> anyhow::Result<HashMap<String, String>> {
    let found = lambda.get_function_configuration().function_name(function).send().await;
    let found = found.map_err(|error| {
        anyhow!(
            "the settings of the function {function} cannot be read: {}{}",
            s3::Cause::from_sdk(&error),
            hint(
                error.code(),
                "lambda:GetFunctionConfiguration, or give --destination and --records-destination"
            )
        )
    })?;
    let variables = found.environment().and_then(|environment| environment.variables());
    Ok(variables.cloned().unwrap_or_default())
}

impl Target {
    /// A request about this destination.
    pub fn request(&self, mut fields: Value) -> Value {
        fields["destination"] = json!(self.destination.uri());
        // An older fanout does not know the field.
        if self.names_records || self.destination.separate_records_uri().is_some() {
            fields["records_destination"] = json!(self.destination.records_uri());
        }
        fields
    }
}
