//! Invokes the processor, and finds out why there is no response.

use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde::{Deserialize, Serialize};
use shared::s3::Cause;

use super::result::{AttemptResult, GivenUp};

/// Error types of the processor that every other chunk would meet, too.
const SYSTEMIC: [&str; 5] = [
    "SourceUnusable",
    "DestinationRefused",
    "DestinationInsideSource",
    "BadEvent",
    "UnknownEvent",
];

/// Why an invocation has no response.
#[derive(Debug)]
pub enum NoResponse {
    /// Lambda throttled it. The processor did not run.
    Throttled(String),
    /// Lambda refused it and would refuse it again, or every chunk would meet the same error.
    Rejected(String),
    Lost(Loss),
}

/// How an invocation was lost. The processor may have run.
#[derive(Debug)]
pub enum Loss {
    Unavailable(String),
    Died(String),
    /// The processor's credentials have expired. The next invocation runs in another process.
    CredentialsExpired(String),
    /// S3 does not accept the processor's credentials.
    CredentialsRefused(String),
}

impl Loss {
    /// The result of an attempt that was given up.
    pub fn into_result(self, given_up: GivenUp) -> AttemptResult {
        match self {
            Self::Unavailable(error) => AttemptResult::Unavailable { error, given_up },
            Self::Died(error) => AttemptResult::Lost { error, given_up },
            Self::CredentialsExpired(error) => AttemptResult::CredentialsExpired { error, given_up },
            Self::CredentialsRefused(error) => AttemptResult::CredentialsRefused { error, given_up },
        }
    }

    pub fn error(&self) -> &str {
        match self {
            Self::Unavailable(error)
            | Self::Died(error)
            | Self::CredentialsExpired(error)
            | Self::CredentialsRefused(error) => error,
        }
    }
}

/// Makes the payload of an invocation. It stays in memory until the response, so it has no spare capacity.
pub fn payload(event: &impl Serialize) -> Blob {
    let mut payload = serde_json::to_vec(event).expect("an event is valid JSON");
    payload.shrink_to_fit();
    Blob::new(payload)
}

/// Invokes the processor once. Returns its response.
pub async fn call(lambda: &aws_sdk_lambda::Client, processor: &str, payload: Blob) -> Result<Vec<u8>, NoResponse> {
    let result = lambda.invoke().function_name(processor).payload(payload).send().await;
    let output = result.map_err(|error| no_response(processor, &error))?;
    let payload = output.payload.map(Blob::into_inner).unwrap_or_default();
    if output.function_error.is_some() {
        return Err(function_error(&payload));
    }
    Ok(payload)
}

fn no_response(processor: &str, error: &SdkError<InvokeError, HttpResponse>) -> NoResponse {
    let what = format!("invoking {processor}: {}", Cause::from_sdk(error));
    let Some(response) = error.raw_response() else {
        // No key can be the cause of a connection that breaks or cannot be made. If the response does not arrive, a
        // key may be the cause.
        return NoResponse::Lost(match error {
            SdkError::DispatchFailure(_) => Loss::Unavailable(what),
            _ => Loss::Died(what),
        });
    };
    let body = response.body().bytes().unwrap_or_default();
    match response.status().as_u16() {
        // 409: the function is being updated or woken up, and will soon be ready.
        429 | 409 => NoResponse::Throttled(what),
        400..=499 => NoResponse::Rejected(what),
        // Local emulators report an error of the function like this.
        _ if serde_json::from_slice::<FunctionError>(body).is_ok() => function_error(body),
        _ => NoResponse::Lost(Loss::Unavailable(format!(
            "{what}: {:.300}",
            String::from_utf8_lossy(body)
        ))),
    }
}

/// The error of a function, as Lambda reports it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionError {
    error_type: String,
}

fn function_error(payload: &[u8]) -> NoResponse {
    let what = format!("the processor failed: {:.500}", String::from_utf8_lossy(payload));
    let error_type = serde_json::from_slice::<FunctionError>(payload).map(|error| error.error_type);
    match error_type.as_deref() {
        Ok("CredentialsExpired") => NoResponse::Lost(Loss::CredentialsExpired(what)),
        Ok("CredentialsRefused") => NoResponse::Lost(Loss::CredentialsRefused(what)),
        Ok(systemic) if SYSTEMIC.contains(&systemic) => NoResponse::Rejected(what),
        Ok(_) | Err(_) => NoResponse::Lost(Loss::Died(what)),
    }
}
