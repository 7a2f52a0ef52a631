//! The template and the code agree on the environment.

use std::cell::RefCell;
use std::collections::BTreeSet;

use fanout::Config;

use local::starts::WAITS;

/// The variables that the template sets in the block that starts with the line `block`: those of all functions, or
/// those of fanout.
fn variables(template: &str, block: &str) -> BTreeSet<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = template.lines().skip_while(|line| *line != block);
    let outer = indent(lines.next().unwrap_or_else(|| panic!("no {block:?}")));
    let block = lines.take_while(|line| line.trim().is_empty() || indent(line) > outer);
    let mut variables = block.skip_while(|line| line.trim() != "Variables:");
    let outer = indent(variables.next().unwrap());
    variables
        .take_while(|line| indent(line) > outer)
        .filter(|line| !line.trim_start().starts_with('#'))
        .map(|line| line.trim().split_once(':').unwrap().0.to_owned())
        .collect()
}

#[test]
fn lambda_retries_fanout_as_the_tests_assume() {
    let template = include_str!("../../../../template.yaml");
    let fanout = template.split("\n  Fanout:\n").nth(1).unwrap();
    let retries = fanout
        .lines()
        .find_map(|line| line.trim().strip_prefix("MaximumRetryAttempts: "));
    assert_eq!(retries.unwrap().parse(), Ok(WAITS.len()));
}

#[test]
fn every_variable_that_the_template_sets_is_read() {
    let template = include_str!("../../../../template.yaml");
    let read = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        read.borrow_mut().insert(name.to_owned());
        None
    };
    Config::load(&lookup).unwrap();
    let read = read.into_inner();
    let set: BTreeSet<String> = ["Globals:", "  Fanout:"]
        .into_iter()
        .flat_map(|block| variables(template, block))
        .collect();
    assert!(set.len() >= 8 && set.contains("PROCESSOR_FUNCTION"), "{set:?}");
    let unread: Vec<&String> = set.difference(&read).collect();
    assert!(unread.is_empty(), "{unread:?} of {read:?}");
}
