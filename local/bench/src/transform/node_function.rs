use std::time::{Duration, Instant};

use anyhow::anyhow;
use local::runtime::Function;
use serde_json::json;

use super::Measured;
use crate::experiment::{Load, Server};
use crate::node;
use crate::photos::{DESTINATION, SOURCE};

/// The time of each invocation. None needs that long.
const LIFETIME: Duration = Duration::from_mins(1);

/// Gives the time until the function is ready, and what it did with the images. Each invocation has one image, as S3
/// invokes a function for each upload.
pub async fn measure(load: &Load) -> anyhow::Result<(Duration, Measured)> {
    let mut server = Server::start(load).await?;
    let mut environment = server.environment()?;
    let path = node::path()?.to_string_lossy().into_owned();
    environment.extend([("PATH", path), ("DESTINATION_BUCKET", DESTINATION.to_owned())]);
    let function = Function::start(&node::file("function.mjs"), &environment, tempfile::tempfile()?).await?;
    let init = function.init_time().await?;
    function.keep_to_one_core()?;
    let before = server.counted().await?.totals;
    let (started, cpu, server_cpu) = (Instant::now(), function.cpu_time()?, server.cpu_time()?);
    for index in 0..load.images {
        let key = local::dataset::file_name(index);
        let event = json!({"Records": [{"s3": {"bucket": {"name": SOURCE}, "object": {"key": key}}}]});
        let outcome = function.invoke(&format!("event-{index}"), event, LIFETIME).await?;
        outcome.map_err(|error| anyhow!("the function in Node failed: {error}"))?;
    }
    let elapsed = started.elapsed();
    let after = server.counted().await?.totals;
    let measured = Measured {
        elapsed,
        cpu: function.cpu_time()?.saturating_sub(cpu),
        server_cpu: server.cpu_time()?.saturating_sub(server_cpu),
        threads_busy: None,
        download: None,
        upload: None,
        bytes_read: after.bytes_read - before.bytes_read,
        bytes_written: after.bytes_written - before.bytes_written,
        peak: function.peak_memory()?,
    };
    Ok((init, measured))
}
