use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use processor::{App, Config, handle};
use serde_json::Value;

/// One thread: a function of up to 1,769 MB has one vCPU, and the work is waiting for S3.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let app = App {
        config: Config::load(&shared::settings::environment)?,
        sdk: shared::s3::config().await,
    };
    run(service_fn(|event: LambdaEvent<Value>| {
        handle(&app, event.payload, event.context.deadline)
    }))
    .await
}
