//! What the functions have written of each object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::accounting::lines;
use super::{Rule, Violation};
use crate::scenario::is_image;
use crate::scenario::photo::{height, height_of, make, photo};
use crate::source::{DESTINATION_BUCKET, EVENTS_PREFIX, JOB_PREFIX, SOURCE_PREFIX, States};
use crate::world::World;

/// Checks every output of the jobs and of the events.
pub fn check(world: &World) -> Result<(), Violation> {
    let states = world.history.states();
    for prefix in [JOB_PREFIX, EVENTS_PREFIX] {
        check_images(world, prefix, &states)?;
        check_records(world, prefix, &states)?;
    }
    if world.scenario.settings.events {
        check_newest(world, &states)?;
    }
    Ok(())
}

fn check_images(world: &World, prefix: &str, states: &BTreeMap<String, States>) -> Result<(), Violation> {
    let images = format!("{prefix}images/");
    for output in world.s3.store.keys(DESTINATION_BUCKET, &images) {
        let key = output[images.len()..].strip_suffix(ending(world)).unwrap_or_default();
        let known = states
            .get(key)
            .ok_or_else(|| wrong(format!("{output:?} is no object's output")))?;
        if version(world, &output, key, known).is_none() {
            return Err(wrong(format!("{output:?} is no state of {key:?}: {known:?}")));
        }
    }
    Ok(())
}

/// What the output of a key adds to its name.
fn ending(world: &World) -> &'static str {
    match world.scenario.settings.images {
        "transform" => ".jpeg",
        _ => "",
    }
}

/// The version of which an output is the complete processed form.
fn version(world: &World, output: &str, key: &str, states: &States) -> Option<u32> {
    let object = world.s3.store.get(DESTINATION_BUCKET, output)?;
    if world.scenario.settings.images == "transform" {
        let found = height_of(&object.body.bytes());
        return states
            .versions
            .iter()
            .copied()
            .find(|&version| found == Some(height(version)));
    }
    states.versions.iter().copied().find(|&version| {
        let metadata = &object.headers.user_metadata;
        object.body.bytes() == photo(key, version)
            && metadata.get("exif-make") == make(version).as_ref()
            && metadata.get("version") == Some(&version.to_string())
            && object.headers.content_type.as_deref() == Some("image/jpeg")
    })
}

/// Each record says what one version of its object holds.
fn check_records(world: &World, prefix: &str, states: &BTreeMap<String, States>) -> Result<(), Violation> {
    for record in lines(world, &format!("{prefix}records/"))
        .iter()
        .chain(&sidecars(world, prefix))
    {
        let key = record["key"].as_str().unwrap_or_default();
        let key = key.strip_prefix(SOURCE_PREFIX).unwrap_or(key);
        let makes = |version: u32| record["exif"]["make"].as_str().map(str::to_owned) == make(version);
        let sized = |version: u32| record["size"].as_u64() == Some(photo(key, version).len() as u64);
        let known = states.get(key);
        if !known.is_some_and(|states| states.versions.iter().any(|&version| makes(version) && sized(version))) {
            return Err(wrong(format!("a record is of no state of {key:?}: {record}")));
        }
    }
    Ok(())
}

fn sidecars(world: &World, prefix: &str) -> Vec<Value> {
    lines(world, &format!("{prefix}sidecars/"))
}

/// After all events, each output is of the newest version, unless the failure of its object is recorded.
fn check_newest(world: &World, states: &BTreeMap<String, States>) -> Result<(), Violation> {
    if world.scenario.settings.images == "none" {
        return Ok(());
    }
    let failed: BTreeSet<String> = lines(world, &format!("{EVENTS_PREFIX}jobs/events/failed/"))
        .iter()
        .filter_map(|line| line["key"].as_str()?.strip_prefix(SOURCE_PREFIX).map(str::to_owned))
        .collect();
    for (key, states) in states {
        let newest = states.versions.last().copied().unwrap_or_default();
        // The first version was there before events were sent.
        if newest == 0 || states.is_deleted || !is_image(key) || failed.contains(key) {
            continue;
        }
        let output = format!("{EVENTS_PREFIX}images/{key}{}", ending(world));
        let found = version(world, &output, key, states);
        if found != Some(newest) {
            let what = format!("{output:?} is of version {found:?}, and the newest is {newest}");
            return Err(wrong(what));
        }
    }
    Ok(())
}

fn wrong(what: String) -> Violation {
    Violation {
        rule: Rule::Outputs,
        what,
    }
}
