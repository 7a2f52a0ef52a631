// The futures of the SDK nest deeper than the compiler's default limit of 128.
#![recursion_limit = "256"]

use std::sync::Arc;

use lambda_runtime::tower::layer::layer_fn;
use lambda_runtime::tower::util::MapFuture;
use lambda_runtime::tracing::Instrument as _;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use mimalloc::MiMalloc;
use processor::{App, Config, Error, handle};
use serde_json::Value;
use shared::logs;
use shared::process::Staleness;
use shared::protocol::failure::Systemic;
use tokio::runtime::Builder;

/// The SDK makes hundreds of small allocations for each request. With glibc's allocator, a small image takes a sixth
/// more CPU time, and an image of 8 MB takes a tenth less.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Runs on one thread. A function of up to 1,769 MB has at most one vCPU, and most of the work is waiting for S3. With
/// several threads, an image takes two fifths more CPU time (0.18 to 0.20 ms instead of 0.13 ms). If Lambda gives one
/// process several invocations at a time (Managed Instances), there is a thread for each vCPU.
fn main() -> Result<(), lambda_runtime::Error> {
    let is_concurrent = std::env::var_os("AWS_LAMBDA_MAX_CONCURRENCY").is_some_and(|max| max != "1");
    let mut runtime = if is_concurrent {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    runtime.enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<(), lambda_runtime::Error> {
    logs::init(&shared::settings::environment);
    // As text, because an error that `main` returns is printed in its `Debug` form.
    let config = Config::load(&shared::settings::environment).map_err(|error| error.to_string())?;
    let app = Arc::new(App::new(config, &shared::s3::config().await));
    let staleness = Staleness::default();
    let stale = staleness.clone();
    let handler = service_fn(move |event: LambdaEvent<Value>| {
        let (app, stale) = (app.clone(), stale.clone());
        let span = logs::invocation(&event.context.request_id);
        let handling = async move {
            let result = handle(&app, event.payload, event.context.deadline).await;
            if result.as_ref().err().and_then(Error::systemic) == Some(Systemic::CredentialsExpired) {
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
    runtime.run_concurrent().await
}
