//! The source of the job, and everything that its objects have been.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use local::s3::{Headers, Object};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::environment::Function;
use crate::lambda;
use crate::scenario::Change;
use crate::scenario::photo::photo;
use crate::world::World;

pub const SOURCE_BUCKET: &str = "photos";
pub const SOURCE_PREFIX: &str = "in/";
pub const DESTINATION_BUCKET: &str = "photos-out";
pub const JOB_PREFIX: &str = "job/";
pub const EVENTS_PREFIX: &str = "events/";

/// The states of each object, by its key relative to the source.
#[derive(Default)]
pub struct History(Mutex<BTreeMap<String, States>>);

/// What an object has been.
#[derive(Clone, Debug, Default)]
pub struct States {
    /// Oldest first.
    pub versions: Vec<u32>,
    /// Whether it was there at all times.
    pub is_constant: bool,
    pub is_deleted: bool,
}

impl History {
    pub fn states(&self) -> BTreeMap<String, States> {
        self.0.lock().clone()
    }

    pub fn keys(&self) -> BTreeSet<String> {
        self.0.lock().keys().cloned().collect()
    }
}

/// Puts the objects that are there when the job starts.
pub fn fill(world: &Arc<World>) {
    world.s3.store.create_bucket(DESTINATION_BUCKET);
    world.s3.store.create_bucket(SOURCE_BUCKET);
    world.set_s3_up();
    let row = |key: &String| json!({"key": format!("{SOURCE_PREFIX}{key}")}).to_string() + "\n";
    let list: String = world.scenario.keys.iter().map(row).collect();
    let list = Object::new(list.into_bytes().into(), Headers::default());
    world.s3.store.load(SOURCE_BUCKET, "lists/keys.ndjson", list);
    for key in &world.scenario.keys {
        put(world, key, 0);
        let mut history = world.history.0.lock();
        history.entry(key.clone()).or_default().is_constant = true;
    }
}

/// Changes an object, and sends the event of a new one.
pub fn change(world: &Arc<World>, change: &Change) {
    let Some(version) = change.version else {
        world.note(format!("{} is deleted", change.key));
        world
            .s3
            .store
            .delete(SOURCE_BUCKET, &format!("{SOURCE_PREFIX}{}", change.key));
        if let Some(states) = world.history.0.lock().get_mut(&change.key) {
            states.is_constant = false;
            states.is_deleted = true;
        }
        return;
    };
    world.note(format!("{} becomes version {version}", change.key));
    let object = put(world, &change.key, version);
    if world.scenario.settings.events {
        lambda::accept(world, Function::Processor, &event(&change.key, &object));
    }
}

fn put(world: &Arc<World>, key: &str, version: u32) -> Object {
    let headers = Headers {
        content_type: Some("image/jpeg".to_owned()),
        user_metadata: [("version".to_owned(), version.to_string())].into(),
        ..Headers::default()
    };
    let mut object = Object::new(photo(key, version).into(), headers);
    let now = std::time::Duration::from_secs(world.clock.since_epoch().as_secs());
    object.last_modified = UNIX_EPOCH + now;
    world
        .s3
        .store
        .load(SOURCE_BUCKET, &format!("{SOURCE_PREFIX}{key}"), object.clone());
    let mut history = world.history.0.lock();
    let states = history.entry(key.to_owned()).or_default();
    states.versions.push(version);
    states.is_deleted = false;
    object
}

/// The event that EventBridge sends for a new object.
fn event(key: &str, object: &Object) -> Value {
    json!({
        "detail-type": "Object Created", "source": "aws.s3",
        "detail": {
            "bucket": {"name": SOURCE_BUCKET},
            "object": {"key": format!("{SOURCE_PREFIX}{key}"), "size": object.body.len(), "etag": object.etag},
        },
    })
}
