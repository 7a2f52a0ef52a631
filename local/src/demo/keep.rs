//! Keeps what people look at: the report as a page, and the records.

use std::fs;

use shared::destination::Destination;
use shared::protocol::job::Report;
use shared::report::page;

use crate::s3::Server;
use crate::workspace::target;

/// Writes the page and the records of a job below `target/demo/`, in place of those of the last demo.
pub fn keep(server: &Server, report: &Report) -> anyhow::Result<()> {
    let folder = target().join("demo");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let destination = Destination::new(report.destination.clone(), report.records_destination.clone());
    let records = destination.records_folder(&report.job_id);
    let kept = folder.join("records").join(format!("job={}", report.job_id));
    fs::create_dir_all(&kept)?;
    for key in server.store.keys(records.bucket.as_str(), records.prefix.as_str()) {
        let name = key.rsplit('/').next().unwrap_or_default();
        if let Some(file) = server.store.get(records.bucket.as_str(), &key) {
            fs::write(kept.join(name), file.body.bytes())?;
        }
    }
    let file = folder.join("report.html");
    fs::write(&file, page(report))?;
    println!("The report as a page, for a browser: {}", file.display());
    println!("The records, for docs/queries.sql: {}", kept.display());
    Ok(())
}
