//! Invokes fanout.

use anyhow::{Context as _, anyhow};
use aws_sdk_lambda::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::report::text::visible;
use shared::s3::Cause;

use crate::target::{Target, hint};

/// How Lambda reports the error of a function.
#[derive(Debug, Deserialize)]
struct FunctionError {
    #[serde(rename = "errorType", default)]
    kind: String,
    #[serde(rename = "errorMessage", default)]
    message: String,
}

impl Target {
    /// Invokes fanout, and waits for its response.
    pub async fn ask<T: DeserializeOwned>(&self, request: &Value) -> anyhow::Result<T> {
        let sent = self.invoke(request, InvocationType::RequestResponse).await;
        let output = match sent {
            Ok(output) => output,
            Err(error) => return Err(self.not_invoked(&error)),
        };
        let payload = output.payload().map(Blob::as_ref).unwrap_or_default();
        if output.function_error().is_some() {
            return Err(failed(payload));
        }
        serde_json::from_slice(payload).with_context(|| {
            format!(
                "fanout's response is not understood: {}",
                String::from_utf8_lossy(payload)
            )
        })
    }

    /// Invokes fanout, and waits only until Lambda has accepted the request.
    pub async fn send(&self, request: &Value) -> anyhow::Result<()> {
        self.invoke(request, InvocationType::Event)
            .await
            .map(drop)
            .map_err(|error| self.not_invoked(&error))
    }

    async fn invoke(&self, request: &Value, how: InvocationType) -> Result<InvokeOutput, SdkError<InvokeError>> {
        self.lambda
            .invoke()
            .function_name(&self.function)
            .invocation_type(how)
            .payload(Blob::new(request.to_string()))
            .send()
            .await
    }

    fn not_invoked(&self, error: &SdkError<InvokeError>) -> anyhow::Error {
        // `cargo lambda watch` reports an error of the function as HTTP 500.
        let body = error.raw_response().and_then(|response| response.body().bytes());
        if self.is_local
            && let Some(body) = body
        {
            return failed(body);
        }
        if self.is_local {
            return anyhow!(
                "fanout does not answer on this machine: {}; start the functions with `cargo lambda watch`",
                Cause::from_sdk(error)
            );
        }
        anyhow!(
            "the function {} cannot be invoked: {}{}",
            self.function,
            Cause::from_sdk(error),
            hint(error.code(), "lambda:InvokeFunction on it")
        )
    }
}

fn failed(payload: &[u8]) -> anyhow::Error {
    match serde_json::from_slice::<FunctionError>(payload) {
        Ok(error) if !error.message.is_empty() => anyhow!("{}: {}", visible(&error.kind), visible(&error.message)),
        _ => anyhow!("fanout failed: {}", visible(&String::from_utf8_lossy(payload))),
    }
}
