use crate::destination::Destination;
use crate::modes::{Images, Records};
use crate::protocol::job::{Report, State};

/// Where the results of a job are: a word, and an S3 URI.
#[must_use]
pub fn of(report: &Report) -> Vec<(&'static str, String)> {
    let destination = Destination::new(report.destination.clone(), report.records_destination.clone());
    let id = &report.job_id;
    let mut places = Vec::new();
    if report.images.is_some_and(|images| images != Images::None) {
        places.push(("images", format!("{}images/", destination.uri())));
    }
    match report.records {
        Some(Records::Sidecar) => places.push(("sidecars", destination.sidecars_folder().to_string())),
        Some(Records::Ndjson) => places.push(("records", destination.records_folder(id).to_string())),
        Some(Records::Annotation) => places.push(("annotations", format!("exif, of each object in {}", report.source))),
        Some(Records::None) | None => {}
    }
    places.push(("numbers", destination.job(id).to_string()));
    if report.state != State::Running {
        places.push(("report", destination.page(id).to_string()));
    }
    if report.failed > 0 {
        places.push(("failures", destination.failed_folder(id).to_string()));
    }
    places
}
