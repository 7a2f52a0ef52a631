//! A function that does nothing: what a cold start of any function in Rust takes, to compare ours with.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use tokio::runtime::Builder;

fn main() -> Result<(), Error> {
    let nothing = service_fn(|event: LambdaEvent<Value>| async move { Ok::<_, Error>(event.payload) });
    Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(nothing))
}
