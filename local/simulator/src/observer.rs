use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use local::s3::{Headers, Object, Store};
use parking_lot::Mutex;
use serde_json::Value;

use crate::environment::Environment;
use crate::party::Function;
use crate::places::{DESTINATION_BUCKET, EVENTS_PREFIX, JOB_PREFIX};
use crate::request::Named;
use crate::rule::{Rule, Violation};
use crate::world::World;

/// Lambda gives a process this many file descriptors.
const MAX_REQUESTS: usize = 1_024;

/// The largest payloads that fanout may send: to a function whose response it waits for, and as an event.
const MAX_REQUEST_BYTES: usize = 6 << 20;
const MAX_EVENT_BYTES: usize = 256 << 10;

/// A checkpoint does not grow with the number of keys.
const MAX_CHECKPOINT_BYTES: u64 = 200_000;

/// Folders of the destination.
const FOLDERS: [&str; 4] = ["images/", "records/", "sidecars/", "jobs/"];

/// Sees each request, and each checkpoint that S3 accepts.
pub struct Observer {
    world: Arc<World>,
    store: Arc<Store>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    violations: Vec<Violation>,
    /// The last checkpoint of each job.
    checkpoints: BTreeMap<String, Accepted>,
    /// The attempts that accepted checkpoints name.
    written_ahead: BTreeSet<(String, String)>,
    /// The environments of owners, by the name of the owner. `None` if that invocation has ended.
    owners: BTreeMap<String, Option<String>>,
    /// The attempts that reached Lambda.
    sent: BTreeSet<(String, String)>,
}

impl Seen {
    fn report(&mut self, rule: Rule, what: String) {
        self.violations.push(Violation { rule, what });
    }
}

/// A checkpoint that S3 has accepted.
struct Accepted {
    object: Arc<Object>,
    checkpoint: Value,
    /// When its owner has renewed the lease. A request to stop does not renew it.
    renewed: SystemTime,
}

impl Observer {
    pub fn new(world: &Arc<World>, store: &Arc<Store>) -> Self {
        Self {
            world: world.clone(),
            store: store.clone(),
            seen: Mutex::default(),
        }
    }

    /// A job may exist from now on.
    pub fn expect_job(&self, job_id: &str) {
        self.seen
            .lock()
            .checkpoints
            .entry(job_id.to_owned())
            .or_insert_with(|| Accepted {
                object: Arc::new(Object::new(Vec::new().into(), Headers::default())),
                checkpoint: Value::Null,
                renewed: UNIX_EPOCH,
            });
    }

    pub fn violation(&self) -> Option<Violation> {
        self.seen.lock().violations.first().cloned()
    }

    fn report(&self, rule: Rule, what: String) {
        self.seen.lock().report(rule, what);
    }

    /// A request has arrived at S3.
    pub fn request(&self, named: &Named, body: &[u8], environment: &Environment) {
        self.look();
        let requests = environment.requests.load(Relaxed);
        if requests > MAX_REQUESTS {
            self.report(Rule::Bounds, format!("{environment} has {requests} requests in flight"));
        }
        if !named.is_write() {
            return;
        }
        if named.key.ends_with("/checkpoint.json") {
            self.add_owner(body, environment);
        }
        let folder = [JOB_PREFIX, EVENTS_PREFIX]
            .iter()
            .find_map(|prefix| named.key.strip_prefix(prefix))
            .filter(|_| named.bucket == DESTINATION_BUCKET);
        if !folder.is_some_and(|rest| FOLDERS.iter().any(|folder| rest.starts_with(folder))) {
            let what = format!("{environment}: {} {}/{}", named.operation, named.bucket, named.key);
            self.report(Rule::Places, what);
        }
    }

    /// An owner writes a checkpoint.
    fn add_owner(&self, checkpoint: &[u8], environment: &Environment) {
        let checkpoint: Value = serde_json::from_slice(checkpoint).unwrap_or_default();
        if let Some(owner) = checkpoint["owner"].as_str() {
            let mut seen = self.seen.lock();
            seen.owners
                .entry(owner.to_owned())
                .or_insert_with(|| Some(environment.to_string()));
        }
    }

    /// An invocation has ended.
    pub fn ended(&self, environment: &Environment, is_error: bool) {
        self.look();
        let mut seen = self.seen.lock();
        let Seen {
            violations,
            checkpoints,
            owners,
            ..
        } = &mut *seen;
        let name = Some(environment.to_string());
        let is_left = |checkpoint: &Value| {
            let owner = checkpoint["owner"].as_str().unwrap_or_default();
            let is_leased = checkpoint["state"] == "running" && checkpoint["lease_s"] != 0;
            is_leased && owners.get(owner) == Some(&name)
        };
        let left = checkpoints.iter().find(|(_, last)| is_left(&last.checkpoint));
        if let Some((job_id, _)) = left.filter(|_| !is_error) {
            violations.push(Violation {
                rule: Rule::Abandoned,
                what: format!("{environment} ends, and has left {job_id}, which it owns"),
            });
        }
        owners
            .values_mut()
            .filter(|owner| **owner == name)
            .for_each(|owner| *owner = None);
    }

    /// An invocation has arrived at Lambda.
    pub fn invoked(&self, sender: &Environment, function: Function, payload: &Value, bytes: usize) {
        let limit = match function {
            Function::Fanout => MAX_EVENT_BYTES,
            Function::Processor => MAX_REQUEST_BYTES,
        };
        if bytes > limit {
            self.report(Rule::Bounds, format!("{sender} sent {bytes} bytes to {function}"));
        }
        if function != Function::Processor {
            return;
        }
        self.look();
        let text = |name: &str| payload[name].as_str().unwrap_or_default().to_owned();
        let attempt = (text("job_id"), text("attempt"));
        let mut seen = self.seen.lock();
        if !seen.written_ahead.contains(&attempt) {
            let what = format!(
                "{sender} sent attempt {} of {} before a checkpoint named it",
                attempt.1, attempt.0
            );
            seen.report(Rule::WrittenAhead, what);
        }
        let what = format!("{sender} sent attempt {} of {} twice", attempt.1, attempt.0);
        if !seen.sent.insert(attempt) && !self.world.scenario.settings.ignores_conditions {
            seen.report(Rule::WrittenAhead, what);
        }
    }

    /// Looks whether S3 has accepted another checkpoint. Nobody can write one without a request that comes after the
    /// last one, so none is missed.
    pub fn look(&self) {
        let mut seen = self.seen.lock();
        let Seen {
            violations,
            checkpoints,
            written_ahead,
            ..
        } = &mut *seen;
        for (job_id, last) in checkpoints {
            let key = format!("{JOB_PREFIX}jobs/{job_id}/checkpoint.json");
            let Some(found) = self.store.get(DESTINATION_BUCKET, &key) else {
                continue;
            };
            if Arc::ptr_eq(&found, &last.object) {
                continue;
            }
            let checkpoint: Value = serde_json::from_slice(&found.body.bytes()).unwrap_or_default();
            if found.body.len() > MAX_CHECKPOINT_BYTES {
                violations.push(Violation {
                    rule: Rule::Bounds,
                    what: format!("the checkpoint of {job_id} has {} bytes", found.body.len()),
                });
            }
            let (in_flight, parallel) = (attempts(&checkpoint), self.world.scenario.settings.parallel);
            if in_flight > parallel + parallel.div_ceil(2) {
                violations.push(Violation {
                    rule: Rule::Bounds,
                    what: format!("{in_flight} attempts of {job_id} are in flight, and parallel is {parallel}"),
                });
            }
            if !last.checkpoint.is_null() && !self.world.scenario.settings.ignores_conditions {
                let passed = found.last_modified.duration_since(last.renewed).unwrap_or_default();
                violations.extend(follows(&last.checkpoint, &checkpoint, passed));
            }
            for attempt in checkpoint["in_flight"].as_array().into_iter().flatten() {
                let attempt = attempt["attempt"].as_str().unwrap_or_default();
                written_ahead.insert((job_id.clone(), attempt.to_owned()));
            }
            self.world.note(format!(
                "checkpoint of {job_id}: generation {} of {}, revision {}, {}",
                checkpoint["generation"], checkpoint["owner"], checkpoint["revision"], checkpoint["state"]
            ));
            if !only_stops(&last.checkpoint, &checkpoint) {
                last.renewed = found.last_modified;
            }
            last.object = found;
            last.checkpoint = checkpoint;
        }
    }
}

/// Attempts that may have been sent, and those of the next chunks.
fn attempts(checkpoint: &Value) -> usize {
    checkpoint["in_flight"].as_array().map_or(0, Vec::len)
}

/// Whether a checkpoint only adds a request to stop to the last one.
fn only_stops(last: &Value, next: &Value) -> bool {
    let is_same = |name| last[name] == next[name];
    is_same("owner") && is_same("generation") && is_same("revision") && !is_same("stop_requested")
}

/// Whether a checkpoint may replace another one after this time.
fn follows(last: &Value, next: &Value, passed: Duration) -> Option<Violation> {
    let number = |checkpoint: &Value, name: &str| checkpoint[name].as_u64().unwrap_or_default();
    let describe = |checkpoint: &Value| {
        format!(
            "generation {}, owner {}, revision {}",
            checkpoint["generation"], checkpoint["owner"], checkpoint["revision"]
        )
    };
    let violation = |rule| {
        Some(Violation {
            rule,
            what: format!("{} replaces {} after {passed:?}", describe(next), describe(last)),
        })
    };
    if last["stop_requested"] == true && next["stop_requested"] != true {
        return violation(Rule::Stop);
    }
    let (before, after) = (number(last, "generation"), number(next, "generation"));
    if last["state"] != "running" {
        return violation(Rule::OneOwner);
    }
    if after == before {
        let is_later = number(next, "revision") > number(last, "revision") || only_stops(last, next);
        return if last["owner"] == next["owner"] && is_later {
            None
        } else {
            violation(Rule::OneOwner)
        };
    }
    if after != before + 1 {
        return violation(Rule::OneOwner);
    }
    if passed < Duration::from_secs(number(last, "lease_s")) {
        return violation(Rule::Lease);
    }
    None
}
