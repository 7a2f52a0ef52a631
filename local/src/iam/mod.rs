//! The roles of the template, and what they allow.
//!
//! Only the actions of S3 and `lambda:InvokeFunction` are enforced. Those of other services are listed, and nothing more.
//!
//! | module | content |
//! |---|---|
//! | [`policy`] | statements, and whether they allow an action |

mod policy;

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::Value;

pub use policy::Grant;
use policy::{Policy, is_enforced};

use crate::cloudformation;

/// Roles by the logical ids of the template.
#[derive(Clone, Debug, Default)]
pub struct Roles(BTreeMap<String, Policy>);

impl Roles {
    /// The roles of the template with these parameters.
    pub async fn of_template(parameters: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::of_stack(&cloudformation::translated(parameters).await?)
    }

    /// The roles of a translated template.
    pub fn of_stack(stack: &Value) -> anyhow::Result<Self> {
        let resources = stack["Resources"].as_object().context("the stack has no resources")?;
        let mut roles: BTreeMap<String, Policy> = BTreeMap::new();
        for (id, resource) in resources {
            let properties = &resource["Properties"];
            match resource["Type"].as_str() {
                Some("AWS::IAM::Role") => {
                    let policy = roles.entry(id.clone()).or_default();
                    for attached in properties["Policies"].as_array().into_iter().flatten() {
                        policy.add(&attached["PolicyDocument"]).with_context(|| id.clone())?;
                    }
                }
                Some("AWS::IAM::Policy") => {
                    for role in properties["Roles"].as_array().into_iter().flatten() {
                        let role = role.as_str().and_then(|name| name.strip_prefix("stack-"));
                        let policy = roles
                            .entry(role.context("a policy has no role")?.to_owned())
                            .or_default();
                        policy.add(&properties["PolicyDocument"]).with_context(|| id.clone())?;
                    }
                }
                _ => {}
            }
        }
        Ok(Self(roles))
    }

    /// Whether a role may do an action with a resource, whose ARN is given. `context` has the values of condition keys.
    /// `None`: there is no such role.
    #[must_use]
    pub fn allow(&self, role: &str, action: &str, resource: &str, context: &[(&str, &str)]) -> Option<bool> {
        self.0.get(role).map(|policy| policy.allows(action, resource, context))
    }

    /// Each action that a role may do with each resource, if it is enforced.
    #[must_use]
    pub fn enforced(&self, role: &str) -> Vec<Grant> {
        let mut grants = self.grants(role);
        grants.retain(|grant| is_enforced(&grant.action));
        grants
    }

    /// Each action that a role may do with each resource.
    #[must_use]
    pub fn grants(&self, role: &str) -> Vec<Grant> {
        self.0.get(role).map(Policy::grants).unwrap_or_default()
    }

    /// The same roles without one of the grants.
    #[must_use]
    pub fn without(&self, role: &str, grant: &Grant) -> Self {
        let mut roles = self.clone();
        if let Some(policy) = roles.0.get_mut(role) {
            policy.take_away(grant);
        }
        roles
    }
}
