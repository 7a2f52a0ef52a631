//! A Lambda function that does nothing. The benchmark compares the cold start of the processor with that of this one.

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
