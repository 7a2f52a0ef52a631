//! Checks the protocol in every state that it can reach in some steps, and that each deliberate fault is found.

use model::{Broken, Protocol};
use stateright::{Checker, HasDiscoveries, Model};

/// The steps of all parties together. A job that is taken over once completes within 22.
const STEPS: usize = 24;

const FAULTS: [Broken; 7] = [
    Broken::NoFence,
    Broken::FenceAfterTheResend,
    Broken::UnconditionalCommit,
    Broken::UnconditionalCheckpoint,
    Broken::SentBeforeTheCheckpoint,
    Broken::NotGivenUpAtTakeOver,
    Broken::AdoptedTwice,
];

fn protocol(broken: Option<Broken>) -> Protocol {
    Protocol {
        broken,
        max_generation: 2,
        max_sequence: 2,
        max_losses: 1,
    }
}

#[test]
fn every_interleaving_is_exact() {
    let checker = protocol(None).checker().target_max_depth(STEPS).spawn_bfs().join();
    checker.assert_properties();
    println!("{} states within {STEPS} steps", checker.unique_state_count());
}

#[test]
fn each_broken_rule_is_found() {
    for broken in FAULTS {
        let checker = protocol(Some(broken)).checker().target_max_depth(STEPS);
        let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let found = checker.discovery("no key has two records");
        let steps = found.map(|path| path.into_actions().len());
        println!("{broken:?}: {steps:?} steps, {} states", checker.unique_state_count());
        assert!(steps.is_some(), "{broken:?} breaks no rule");
    }
}
