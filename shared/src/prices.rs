//! What AWS charges.

use serde::{Deserialize, Serialize};

use crate::protocol::usage::Requests;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    #[default]
    Arm64,
    #[serde(rename = "x86_64")]
    X86,
}

/// Prices in US dollars in us-east-1 (N. Virginia), without free tiers and volume discounts. Source: "AWS Lambda
/// pricing" and "Amazon S3 pricing" (S3 Standard).
pub const PRICES: Prices = Prices {
    as_of: "2025-06",
    region: "us-east-1",
    lambda_gb_second_arm64: 0.000_013_333_4,
    lambda_gb_second_x86_64: 0.000_016_666_7,
    lambda_invocation: 0.000_000_2,
    s3_put_copy_list: 0.000_005,
    s3_get_head: 0.000_000_4,
};

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Prices {
    pub as_of: &'static str,
    pub region: &'static str,
    pub lambda_gb_second_arm64: f64,
    pub lambda_gb_second_x86_64: f64,
    /// Per invocation.
    pub lambda_invocation: f64,
    /// Per PUT, COPY or LIST.
    pub s3_put_copy_list: f64,
    /// Per GET or HEAD.
    pub s3_get_head: f64,
}

/// In US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub lambda: f64,
    pub s3: f64,
    pub total: f64,
}

impl Cost {
    /// With four decimals.
    #[must_use]
    pub fn rounded(self) -> Self {
        let rounded = |dollars: f64| (dollars * 1e4).round() / 1e4;
        Self {
            lambda: rounded(self.lambda),
            s3: rounded(self.s3),
            total: rounded(self.total),
        }
    }
}

/// What is paid for.
#[derive(Clone, Copy, Debug)]
pub struct Used<'a> {
    /// Memory in GB times seconds, of all invocations.
    pub gb_seconds: f64,
    pub architecture: Architecture,
    pub invocations: u64,
    pub requests: &'a Requests,
}

impl Prices {
    #[must_use]
    pub fn cost(&self, used: &Used<'_>) -> Cost {
        let requests = used.requests;
        let lambda =
            used.gb_seconds * self.gb_second(used.architecture) + used.invocations as f64 * self.lambda_invocation;
        let s3 = (requests.list + requests.put + requests.copy) as f64 * self.s3_put_copy_list
            + (requests.get + requests.head) as f64 * self.s3_get_head;
        Cost {
            lambda,
            s3,
            total: lambda + s3,
        }
    }

    #[must_use]
    pub fn gb_second(&self, architecture: Architecture) -> f64 {
        match architecture {
            Architecture::Arm64 => self.lambda_gb_second_arm64,
            Architecture::X86 => self.lambda_gb_second_x86_64,
        }
    }
}
