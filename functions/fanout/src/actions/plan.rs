//! Lists the source, lets a processor measure a few images if the mode needs it, and estimates the time and cost of a job.
//! Changes nothing.

use std::time::Duration;

use shared::object::ObjectRef;
use tokio::time::Instant;

use crate::engine::planner::{Planned, Planner};
use crate::error::Error;
use crate::estimate::{Estimate, Found, estimate};
use crate::job::Job;
use crate::request::Request;
use crate::sample::{Sample, TIME_TO_MEASURE, measure};
use crate::session::Session;
use crate::source::{Cursor, KeyRange, Source, manifest};

/// Enough keys to keep all listers busy.
const DEMAND_KEYS: usize = 1_000_000;

/// The listing ends this long before the deadline, even if it has not finished.
const TIME_TO_RESPOND: Duration = Duration::from_secs(5);

pub async fn plan(session: &Session<'_>, request: &Request) -> Result<Estimate, Error> {
    let job = Job::listing(request, &session.id)?;
    session.app.config.check_parallel(job.parallel)?;
    let respond_by = session.deadline - TIME_TO_RESPOND;
    if job.transform.is_none() {
        let found = list(session, &job, respond_by, |_| {}).await?;
        return Ok(estimate(&job, &session.app.config, &found, request.assume(), None));
    }
    // How long pictures take and how large their renditions are depends on the images.
    let mut sample = Sample::default();
    let time_left = respond_by.saturating_duration_since(session.clock().now());
    let list_until = respond_by - TIME_TO_MEASURE.min(time_left / 4);
    let found = list(session, &job, list_until, |object| sample.offer(object)).await?;
    let until = respond_by.min(session.clock().now() + TIME_TO_MEASURE);
    let measured = measure(session, &job, sample.into_objects(), until).await;
    let (config, assume) = (&session.app.config, request.assume());
    Ok(estimate(&job, config, &found, assume, Some(&measured)))
}

/// Lists the source until it is exhausted, or until a given time. `offer` gets every image that the job would process.
async fn list(
    session: &Session<'_>,
    job: &Job,
    until: Instant,
    mut offer: impl FnMut(&ObjectRef),
) -> Result<Found, Error> {
    let cursors = match &job.manifest {
        None => vec![Cursor::Keys(KeyRange::default())],
        Some(uri) => manifest::open(&session.s3, uri, &job.source).await?,
    };
    let mut source = Source::new(session.source_s3(job), job.scope(), cursors);
    let mut planner = Planner::new(job.filter.clone(), job.chunk_keys, job.chunk_bytes);
    let (mut found, started) = (Found::default(), Instant::now());
    let mut add = |planned: &Planned| {
        found.add(job, planned);
        planned.objects.iter().for_each(&mut offer);
    };
    loop {
        let portion = tokio::select! {
            biased;
            portion = source.next(DEMAND_KEYS) => portion,
            () = session.clock().sleep_until(until) => break,
        };
        let portion = portion.map_err(|error| Error::listing(error, job.manifest.is_some()))?;
        let Some(portion) = portion else { break };
        planner.plan(portion).iter().for_each(&mut add);
    }
    add(&planner.close());
    found.is_complete = source.is_exhausted();
    found.lists = session.meter.requests().list;
    found.seconds = started.elapsed().as_secs_f64();
    Ok(found)
}
