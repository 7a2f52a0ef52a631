//! What an older version of fanout leaves for a newer one after a deploy.

use std::time::{Duration, UNIX_EPOCH};

use local::s3::{Headers, Object};
use serde_json::{Value, json};

use crate::places::{DESTINATION_BUCKET, JOB_PREFIX};
use crate::simulation::Simulation;

/// Replaces the checkpoint of a job that no invocation works on by what an older fanout would leave that took the job
/// over and died: layout 2, with the objects of all chunks.
pub fn leave_checkpoint(simulation: &Simulation, job_id: &str) {
    let key = format!("{JOB_PREFIX}jobs/{job_id}/checkpoint.json");
    let Some(file) = simulation.s3.store().get(DESTINATION_BUCKET, &key) else {
        return;
    };
    let Ok(mut checkpoint) = serde_json::from_slice::<Value>(&file.body.bytes()) else {
        return;
    };
    let now = simulation.world.clock.since_epoch();
    let age = now.saturating_sub(file.last_modified.duration_since(UNIX_EPOCH).unwrap_or_default());
    let is_leased = age < Duration::from_secs(checkpoint["lease_s"].as_u64().unwrap_or_default() + 2);
    if checkpoint["state"] != "running" || is_leased || checkpoint["version"] != 3 {
        return;
    }
    let generation = checkpoint["generation"].as_u64().unwrap_or_default();
    let from = checkpoint["counters"]["failed_files"].as_u64().unwrap_or_default() + 1;
    if let Some(uncounted) = checkpoint["uncounted_failures"].as_array_mut() {
        uncounted.push(json!({"generation": generation, "from": from}));
    }
    checkpoint["counters"]["failed_files"] = json!(0);
    checkpoint["version"] = json!(2);
    checkpoint["generation"] = json!(generation + 1);
    checkpoint["owner"] = json!("older");
    checkpoint["revision"] = json!(0);
    let lease_end = now + Duration::from_secs(60);
    checkpoint["lease_ms"] = json!(u64::try_from(lease_end.as_millis()).unwrap_or(u64::MAX));
    if let Some(fields) = checkpoint.as_object_mut() {
        fields.remove("lease_s");
    }
    for chunk in checkpoint["queue"].as_array_mut().into_iter().flatten() {
        inline(simulation, job_id, chunk);
    }
    for attempt in checkpoint["in_flight"].as_array_mut().into_iter().flatten() {
        inline(simulation, job_id, &mut attempt["chunk"]);
    }
    simulation
        .world
        .note(format!("an older fanout takes {job_id} over and dies"));
    let mut object = Object::new(checkpoint.to_string().into_bytes().into(), Headers::default());
    object.last_modified = UNIX_EPOCH + Duration::from_secs(now.as_secs());
    simulation.s3.store().load(DESTINATION_BUCKET, &key, object);
}

/// Puts the objects of a chunk into the checkpoint itself.
fn inline(simulation: &Simulation, job_id: &str, chunk: &mut Value) {
    let body = chunk["body"].take();
    if let Some(fields) = chunk.as_object_mut() {
        fields.remove("body");
        fields.remove("keys");
    }
    let number = |index: usize| body[index].as_u64().unwrap_or_default();
    let job_id = body[4].as_str().unwrap_or(job_id);
    let key = format!("{JOB_PREFIX}jobs/{job_id}/chunks/{}-{}.ndjson", number(0), number(1));
    let Some(file) = simulation
        .s3
        .store()
        .get(DESTINATION_BUCKET, &key)
        .filter(|_| body.is_array())
    else {
        return;
    };
    let bytes = file.body.bytes();
    let range = usize::try_from(number(2)).unwrap_or_default()..;
    let len = usize::try_from(number(3)).unwrap_or_default();
    let rows = bytes[range][..len].split(|&byte| byte == b'\n');
    let objects = rows.filter_map(|row| serde_json::from_slice(row).ok());
    chunk["objects"] = Value::Array(objects.collect());
}
