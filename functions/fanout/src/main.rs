// The futures of the SDK, of reading and of a job nest deeper than the compiler's default limit of 128.
#![recursion_limit = "256"]

use std::sync::Arc;

use fanout::{App, Config, handle, invoke_client};
use lambda_runtime::{Error, LambdaEvent, run_concurrent, service_fn, tracing};
use serde_json::Value;
use shared::clock::Clock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let sdk = shared::s3::config().await;
    // As text, because an error of `main` is printed in its `Debug` form.
    let config = Config::load(&shared::settings::environment).map_err(|error| error.to_string())?;
    let app = Arc::new(App {
        lambda: invoke_client(&sdk)?,
        config,
        sdk,
        clock: Clock::default(),
    });
    run_concurrent(service_fn(move |event: LambdaEvent<Value>| {
        let app = app.clone();
        async move {
            let context = event.context;
            handle(&app, event.payload, &context.request_id, context.deadline).await
        }
    }))
    .await
}
