use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use serde::Deserialize;
use serde_json::Value;

/// The actions that are enforced. A policy may name no other action of these services.
const ENFORCED: [&str; 9] = [
    "lambda:InvokeFunction",
    "s3:AbortMultipartUpload",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListBucket",
    "s3:PutObject",
    "s3:PutObjectAnnotation",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionAnnotation",
];

/// Actions that only AWS itself uses: the roles of its own engines.
const OF_ENGINES: [&str; 2] = ["s3:ListMultipartUploadParts", "s3:PutInventoryConfiguration"];

/// The condition keys of enforced actions.
const KEYS: [&str; 1] = ["s3:prefix"];

pub fn is_enforced(action: &str) -> bool {
    ENFORCED.contains(&action)
}

/// What a role may do.
#[derive(Clone, Debug, Default)]
pub struct Policy(Vec<Statement>);

/// A statement ("IAM JSON policy element reference" in the IAM User Guide). It allows. Any element that is not here, such
/// as `NotAction`, is an error, and so is a Deny: nothing may be allowed because it was not understood.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    sid: String,
    effect: String,
    action: OneOrMany,
    resource: OneOrMany,
    /// Operators, keys and patterns.
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, OneOrMany>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// One action that a statement allows with one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub sid: String,
    pub action: String,
    pub resource: String,
}

impl OneOrMany {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl Policy {
    pub fn add(&mut self, document: &Value) -> anyhow::Result<()> {
        for statement in document["Statement"].as_array().into_iter().flatten() {
            let statement: Statement = serde_json::from_value(statement.clone())?;
            statement.check()?;
            self.0.push(statement);
        }
        Ok(())
    }

    pub fn allows(&self, action: &str, resource: &str, context: &[(&str, &str)]) -> bool {
        self.0.iter().any(|statement| {
            statement.action.as_slice().iter().any(|allowed| allowed == action)
                && statement
                    .resource
                    .as_slice()
                    .iter()
                    .any(|pattern| matches(pattern, resource))
                && statement.holds(context)
        })
    }

    pub fn grants(&self) -> Vec<Grant> {
        let of_statement = |statement: &Statement| {
            let (sid, resources) = (statement.sid.clone(), statement.resource.as_slice().to_vec());
            let actions = statement.action.as_slice().to_vec();
            actions.into_iter().flat_map(move |action| {
                let sid = sid.clone();
                resources.clone().into_iter().map(move |resource| Grant {
                    sid: sid.clone(),
                    action: action.clone(),
                    resource,
                })
            })
        };
        self.0.iter().flat_map(of_statement).collect()
    }

    pub fn take_away(&mut self, grant: &Grant) {
        for statement in std::mem::take(&mut self.0) {
            if statement.sid != grant.sid {
                self.0.push(statement);
                continue;
            }
            // The other actions, and the same action with the other resources.
            let others = |all: &OneOrMany, one: &str| {
                let others = all.as_slice().iter().filter(|other| *other != one);
                OneOrMany::Many(others.cloned().collect())
            };
            self.0.push(Statement {
                action: others(&statement.action, &grant.action),
                ..statement.clone()
            });
            self.0.push(Statement {
                action: OneOrMany::One(grant.action.clone()),
                resource: others(&statement.resource, &grant.resource),
                ..statement
            });
        }
    }
}

impl Statement {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.effect == "Allow",
            "{}: the effect {} is not modelled",
            self.sid,
            self.effect
        );
        let mut is_modelled = false;
        for action in self.action.as_slice() {
            let of_services = action.starts_with("s3:") || action.starts_with("lambda:") || action.contains(['*', '?']);
            let is_known = is_enforced(action) || OF_ENGINES.contains(&action.as_str());
            ensure!(
                is_known || !of_services,
                "{}: the action {action} is not modelled",
                self.sid
            );
            is_modelled |= is_enforced(action);
        }
        for resource in self.resource.as_slice() {
            ensure!(!resource.contains("${"), "{}: {resource} has a variable", self.sid);
        }
        for (operator, keys) in &self.condition {
            for key in keys.keys() {
                let is_known =
                    matches!(operator.as_str(), "StringEquals" | "StringLike") && KEYS.contains(&key.as_str());
                if is_modelled && !is_known {
                    bail!("{}: {operator} of {key} is not modelled", self.sid);
                }
            }
        }
        Ok(())
    }

    /// Whether all conditions hold. One about a key that the request does not have does not hold.
    fn holds(&self, context: &[(&str, &str)]) -> bool {
        self.condition.iter().all(|(operator, keys)| {
            keys.iter().all(|(key, patterns)| {
                let value = context.iter().find(|(name, _)| name == key);
                value.is_some_and(|(_, value)| {
                    patterns.as_slice().iter().any(|pattern| match operator.as_str() {
                        "StringEquals" => pattern == value,
                        "StringLike" => matches(pattern, value),
                        other => unreachable!("{other} was checked"),
                    })
                })
            })
        })
    }
}

/// Whether text matches a pattern, where `*` is any text and `?` any character.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return same(pattern, text);
    };
    let length = start.chars().count();
    let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let Some(split) = starts.nth(length) else {
        return false;
    };
    let (head, tail) = text.split_at(split);
    let mut ends = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
    same(start, head) && ends.any(|at| matches(rest, &tail[at..]))
}

fn same(pattern: &str, text: &str) -> bool {
    pattern.chars().count() == text.chars().count()
        && pattern
            .chars()
            .zip(text.chars())
            .all(|(one, other)| one == '?' || one == other)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(statement: &Value) -> anyhow::Result<Policy> {
        let mut policy = Policy::default();
        policy.add(&json!({"Statement": [statement]}))?;
        Ok(policy)
    }

    #[test]
    fn a_statement_allows_what_it_names() {
        let statement = json!({
            "Sid": "a", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": ["arn:aws:s3:::b/x/*", "arn:aws:s3:::b/y?"],
        });
        let mut policy = policy(&statement).unwrap();
        let allows = |policy: &Policy, action, key| policy.allows(action, &format!("arn:aws:s3:::b/{key}"), &[]);
        for (action, key, expected) in [
            ("s3:GetObject", "x/1", true),
            ("s3:GetObject", "x/é/*", true),
            ("s3:PutObject", "yé", true),
            ("s3:GetObject", "y", false),
            ("s3:GetObject", "X/1", false),
            ("s3:GetObjectVersion", "x/1", false),
        ] {
            assert_eq!(allows(&policy, action, key), expected, "{action} {key}");
        }
        let grants = policy.grants();
        assert_eq!(grants.len(), 4);
        policy.take_away(&grants[0]);
        assert!(!allows(&policy, "s3:GetObject", "x/1") && allows(&policy, "s3:GetObject", "y1"));
        assert!(allows(&policy, "s3:PutObject", "x/1"));
    }

    #[test]
    fn a_condition_must_hold() {
        let statement = json!({
            "Sid": "a", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b",
            "Condition": {"StringLike": {"s3:prefix": "2024/*"}},
        });
        let policy = policy(&statement).unwrap();
        let allows = |context: &[(&str, &str)]| policy.allows("s3:ListBucket", "arn:aws:s3:::b", context);
        assert!(allows(&[("s3:prefix", "2024/05/")]));
        assert!(!allows(&[("s3:prefix", "2023/")]) && !allows(&[]));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let statement = json!({"Sid": "a", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"});
        let with = |name: &str, value: Value| {
            let mut changed = statement.clone();
            changed[name] = value;
            policy(&changed)
        };
        assert!(policy(&statement).is_ok());
        for (name, value) in [
            ("Effect", json!("Deny")),
            ("Action", json!("s3:*")),
            ("Action", json!("*")),
            ("Action", json!("s3:DeleteObject")),
            ("Resource", json!("arn:aws:s3:::b/${aws:username}/*")),
            ("NotAction", json!("s3:PutObject")),
            ("Principal", json!("*")),
            ("Condition", json!({"StringNotLike": {"s3:prefix": "a"}})),
            ("Condition", json!({"StringLike": {"s3:delimiter": "a"}})),
        ] {
            assert!(with(name, value.clone()).is_err(), "{name} {value}");
        }
    }
}
