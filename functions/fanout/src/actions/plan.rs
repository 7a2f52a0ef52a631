//! Lists the source, and estimates the time and cost of a job. Changes nothing.

use std::time::Duration;

use crate::engine::planner::Planner;
use crate::error::Error;
use crate::estimate::{Estimate, Found, estimate};
use crate::job::Job;
use crate::request::Request;
use crate::session::Session;
use crate::source::{Cursor, KeyRange, Source, manifest};

/// Enough keys to keep all listers busy.
const DEMAND_KEYS: usize = 1_000_000;

/// The listing ends this long before the deadline, even if it has not finished.
const TIME_TO_RESPOND: Duration = Duration::from_secs(5);

pub async fn plan(session: &Session<'_>, request: &Request) -> Result<Estimate, Error> {
    let job = Job::listing(request, &session.id)?;
    let cursors = match &job.manifest {
        None => vec![Cursor::Keys(KeyRange::default())],
        Some(uri) => manifest::open(&session.s3, uri, &job.source).await?,
    };
    let mut source = Source::new(session.source_s3(&job), job.scope(), cursors);
    let mut planner = Planner::new(job.filter.clone(), job.chunk_keys, job.chunk_bytes);
    let mut found = Found::default();
    while !source.is_exhausted() {
        let candidates = tokio::select! {
            candidates = source.next(DEMAND_KEYS) => candidates,
            () = session.clock().sleep_until(session.deadline - TIME_TO_RESPOND) => break,
        };
        let candidates = candidates.map_err(|error| Error::listing(error, job.manifest.is_some()))?;
        let page = planner.plan(candidates);
        found.add_listed(page.counts);
        for chunk in page.chunks {
            found.add_chunk(&job, &chunk);
        }
    }
    if let Some(chunk) = planner.rest() {
        found.add_chunk(&job, &chunk);
    }
    found.is_complete = source.is_exhausted();
    found.lists = session.meter.requests().list;
    Ok(estimate(&job, &session.app.config, &found))
}
