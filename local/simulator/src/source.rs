//! The source of the job: its objects, and how they change.

use std::time::{Duration, UNIX_EPOCH};

use local::s3::{Headers, Object};
use serde_json::{Value, json};

use crate::party::Function;
use crate::places::{DESTINATION_BUCKET, JOB_PREFIX, MANIFEST_KEY, SOURCE_BUCKET, SOURCE_PREFIX};
use crate::scenario::Change;
use crate::scenario::photo::{make, photo};
use crate::simulation::Simulation;
use crate::world::START;

/// Puts the objects that are there when the job starts.
pub fn fill(simulation: &Simulation) {
    let (store, scenario) = (simulation.s3.store(), &simulation.world.scenario);
    store.create_bucket(DESTINATION_BUCKET);
    store.create_bucket(SOURCE_BUCKET);
    let row = |key: &String| json!({"key": format!("{SOURCE_PREFIX}{key}")}).to_string() + "\n";
    let list: String = scenario.keys.iter().map(row).collect();
    let list = Object::new(list.into_bytes().into(), Headers::default());
    store.load(SOURCE_BUCKET, MANIFEST_KEY, list);
    for key in &scenario.keys {
        put(simulation, key, 0);
        simulation.history.begin(key);
    }
    fill_outputs(simulation);
}

/// Puts what an earlier job has made of some of them, a second after the objects themselves.
fn fill_outputs(simulation: &Simulation) {
    let scenario = &simulation.world.scenario;
    for key in &scenario.current {
        let mut headers = headers(0);
        let make = make(0).map(|make| ("exif-make".to_owned(), make));
        headers.user_metadata.extend(make);
        let mut output = Object::new(photo(key, 0).into(), headers);
        output.last_modified = UNIX_EPOCH + START + Duration::from_secs(1);
        let key = scenario.settings.output(JOB_PREFIX, key);
        simulation.s3.store().load(DESTINATION_BUCKET, &key, output);
    }
}

/// Changes an object, and sends the event of a new one.
pub fn change(simulation: &Simulation, change: &Change) {
    let world = &simulation.world;
    let Some(version) = change.version else {
        world.note(format!("{} is deleted", change.key));
        let key = format!("{SOURCE_PREFIX}{}", change.key);
        simulation.s3.store().delete(SOURCE_BUCKET, &key);
        simulation.history.delete(&change.key);
        return;
    };
    world.note(format!("{} becomes version {version}", change.key));
    let object = put(simulation, &change.key, version);
    if world.scenario.settings.events {
        simulation
            .lambda
            .accept(Function::Processor, &event(&change.key, &object));
    }
}

fn put(simulation: &Simulation, key: &str, version: u32) -> Object {
    let mut object = Object::new(photo(key, version).into(), headers(version));
    let now = Duration::from_secs(simulation.world.clock.since_epoch().as_secs());
    object.last_modified = UNIX_EPOCH + now;
    let whole = format!("{SOURCE_PREFIX}{key}");
    simulation.s3.store().load(SOURCE_BUCKET, &whole, object.clone());
    simulation.history.put(key, version);
    object
}

fn headers(version: u32) -> Headers {
    Headers {
        content_type: Some("image/jpeg".to_owned()),
        user_metadata: [("version".to_owned(), version.to_string())].into(),
        ..Headers::default()
    }
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
