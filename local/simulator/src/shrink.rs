//! Makes a failing scenario smaller, as long as it still fails.

use std::time::Duration;

use local::s3::Latency;

use crate::scenario::Scenario;

/// The most scenarios that are tried.
const MAX_TRIES: usize = 400;

/// Removes what a failure does not need: troubles, what the user does, changes, keys, slowness. `fails` says whether a
/// scenario still fails in the same way.
pub fn shrink(scenario: Scenario, mut fails: impl FnMut(&Scenario) -> bool) -> Scenario {
    let mut smallest = scenario;
    let mut tries = 0;
    // What has failed to be left out is not tried again until something else was left out.
    let mut skip = 0;
    loop {
        let Some(smaller) = smaller(&smallest).into_iter().nth(skip) else {
            return smallest;
        };
        tries += 1;
        if tries > MAX_TRIES {
            return smallest;
        }
        if fails(&smaller) {
            (smallest, skip) = (smaller, 0);
        } else {
            skip += 1;
        }
    }
}

/// Scenarios that are smaller in one way each. The first ones leave most out.
fn smaller(scenario: &Scenario) -> Vec<Scenario> {
    let mut found = [
        shorter(scenario, |scenario| &mut scenario.troubles),
        shorter(scenario, |scenario| &mut scenario.actions),
        shorter(scenario, |scenario| &mut scenario.changes),
        shorter(scenario, |scenario| &mut scenario.keys),
        shorter(scenario, |scenario| &mut scenario.current),
        shorter(scenario, |scenario| &mut scenario.denied),
    ]
    .concat();
    let latency = &scenario.settings.latency;
    if [latency.get, latency.put, latency.list] != [Duration::ZERO; 3] {
        let mut fast = scenario.clone();
        fast.settings.latency = Latency::default();
        found.push(fast);
    }
    found
}

/// A scenario without some parts of one of its lists.
fn shorter<T: Clone>(scenario: &Scenario, list: impl Fn(&mut Scenario) -> &mut Vec<T>) -> Vec<Scenario> {
    let without = without_some(list(&mut scenario.clone()));
    let with = |parts| {
        let mut shorter = scenario.clone();
        *list(&mut shorter) = parts;
        shorter
    };
    without.into_iter().map(with).collect()
}

/// A list without some of its parts: without each half, then without each quarter, and so on, down to one part.
fn without_some<T: Clone>(list: &[T]) -> Vec<Vec<T>> {
    let mut found = Vec::new();
    let mut size = list.len();
    while size > 0 {
        for start in (0..list.len()).step_by(size) {
            let end = (start + size).min(list.len());
            found.push([&list[..start], &list[end..]].concat());
        }
        size /= 2;
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let mut seeds = (0..100).map(Scenario::new);
        let scenario = seeds.find(|scenario| scenario.keys.len() == 40).unwrap();
        let needed = [scenario.keys[3].clone(), scenario.keys[31].clone()];
        let shrunk = shrink(scenario, |scenario| {
            needed.iter().all(|key| scenario.keys.contains(key))
        });
        assert_eq!(shrunk.keys, needed);
        assert!(shrunk.troubles.is_empty() && shrunk.actions.is_empty() && shrunk.changes.is_empty());
    }
}
