use std::time::Duration;

use shared::prices::{Architecture, Cost, PRICES, Used};

use super::sqs::Queue;
use super::{MEMORY_MB, Uploads};
use crate::spread::{Spread, spread};
use crate::table::yes_or;

/// In US dollars in us-east-1, for a standard queue. Source: "Amazon SQS pricing".
const SQS_REQUEST: f64 = 0.000_000_4;

/// In US dollars in us-east-1, for each GB that is ingested. Source: "Amazon `CloudWatch` pricing".
const LOG_GB: f64 = 0.5;

/// The times and the costs of a run.
pub struct Measured {
    /// From the upload of an image to the response of its invocation, in seconds.
    until_done: Spread,
    images: f64,
    lambda: Duration,
    /// In US dollars.
    costs: Costs,
    /// What went wrong.
    pub wrong: Option<String>,
}

struct Costs {
    /// Lambda and S3.
    aws: Cost,
    sqs: f64,
    logs: f64,
}

impl Measured {
    pub fn of(uploads: &Uploads, queue: Option<&Queue>) -> anyhow::Result<Self> {
        let images = uploads.started.lock().len();
        let lambda: Duration = uploads.lambda.lock().iter().sum();
        let aws = PRICES.cost(&Used {
            gb_seconds: lambda.as_secs_f64() * f64::from(MEMORY_MB) / 1024.0,
            architecture: Architecture::Arm64,
            invocations: uploads.lambda.lock().len() as u64,
            requests: &uploads.server.served.totals().requests,
        });
        let costs = Costs {
            aws,
            sqs: queue.map_or(0, Queue::requests) as f64 * SQS_REQUEST,
            logs: uploads.processors.log_bytes()? as f64 / 1e9 * LOG_GB,
        };
        let written = |prefix| uploads.server.store.keys("photos-out", prefix).len();
        let counts = [uploads.times.lock().len(), written("images/"), written("records/")];
        Ok(Self {
            until_done: spread(uploads.times.lock().iter().map(Duration::as_secs_f64)),
            images: images as f64,
            lambda,
            costs,
            wrong: (counts != [images; 3]).then(|| format!("done, copied and recorded: {counts:?}")),
        })
    }

    pub fn cells(&self) -> Vec<String> {
        let dollars = |cost: f64| format!("${:.2}", cost / self.images * 1e6);
        vec![
            format!("{:.2} s", self.until_done.median),
            format!("{:.2} s", self.until_done.most),
            format!("{:.1} ms", self.lambda.as_secs_f64() * 1000.0 / self.images),
            dollars(self.costs.aws.lambda),
            dollars(self.costs.aws.s3),
            dollars(self.costs.sqs),
            dollars(self.costs.logs),
            yes_or(self.wrong.clone()),
        ]
    }
}
