// The futures of the SDK, of reading and of a job nest deeper than the compiler's default limit of 128.
#![recursion_limit = "256"]

use std::sync::Arc;

use fanout::{App, Config, Error, Invocation, handle, invoke_client};
use lambda_runtime::tower::layer::layer_fn;
use lambda_runtime::tower::util::MapFuture;
use lambda_runtime::tracing::Instrument as _;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use serde_json::Value;
use shared::clock::Clock;
use shared::logs;
use shared::process::Staleness;
use shared::s3::ErrorKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logs::init(&shared::settings::environment);
    let sdk = shared::s3::config().await;
    // As text, because an error of `main` is printed in its `Debug` form.
    let config = Config::load(&shared::settings::environment).map_err(|error| error.to_string())?;
    let app = Arc::new(App {
        lambda: invoke_client(&sdk)?,
        scheduler: aws_sdk_scheduler::Client::new(&sdk),
        config,
        sdk,
        clock: Clock::default(),
    });
    let staleness = Staleness::default();
    let stale = staleness.clone();
    let handler = service_fn(move |event: LambdaEvent<Value>| {
        let (app, stale) = (app.clone(), stale.clone());
        let span = logs::invocation(&event.context.request_id);
        let handling = async move {
            let context = event.context;
            let invocation = Invocation {
                request_id: context.request_id,
                deadline_ms: context.deadline,
                function_arn: context.invoked_function_arn,
            };
            let result = handle(&app, event.payload, &invocation).await;
            if result.as_ref().err().and_then(Error::kind) == Some(ErrorKind::ExpiredCredentials) {
                stale.set();
            }
            result
        };
        handling.instrument(span)
    });
    let ending = layer_fn(move |responding| {
        let staleness = staleness.clone();
        MapFuture::new(responding, move |responding| staleness.clone().end_after(responding))
    });
    let runtime = Runtime::new(handler).layer(ending);
    // On the heap, because the future is large.
    Box::pin(runtime.run_concurrent()).await
}
