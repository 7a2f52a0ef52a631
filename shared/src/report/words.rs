use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::text::{count, counted, visible};
use crate::protocol::failure::FailureClass;
use crate::protocol::ignored::IgnoreReason;
use crate::protocol::job::{Report, State};

/// What the images are that were ignored for their names. `None` if there are none.
#[must_use]
pub fn ignored_images(endings: &BTreeMap<String, u64>) -> Option<String> {
    let mut most: Vec<(&String, &u64)> = endings.iter().collect();
    most.sort_by_key(|(_, number)| Reverse(**number));
    let named: Vec<String> = most
        .iter()
        .map(|(ending, number)| format!("{} .{ending}", count(**number)))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "Images by name: {}. To process them, name them in `include`.",
            named.join(", ")
        )
    })
}

/// How a job ended, or how far it is, in one or two sentences.
#[must_use]
pub fn outcome(report: &Report) -> String {
    let reason = report.reason.as_deref().map(visible);
    let done = report.ok + report.skipped + report.failed;
    let images = done + report.pending;
    match report.state {
        State::Running => {
            let listed = if report.listing_finished { "" } else { " so far" };
            let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!(
                "The job runs{reason}: {} of {}{listed} {} done.",
                count(done),
                counted(images, "image"),
                if done == 1 { "is" } else { "are" },
            )
        }
        State::Aborted => format!(
            "The job ended early: {}. {}",
            reason.unwrap_or_else(|| "it gave no reason".to_owned()),
            finished(report)
        ),
        State::Completed if images == 0 => "The job has ended, and there was nothing to process.".to_owned(),
        State::Completed => finished(report),
    }
}

fn finished(report: &Report) -> String {
    let images = report.ok + report.failed + report.pending;
    if images == 0 && report.skipped > 0 {
        return format!("All {} were up to date already.", counted(report.skipped, "image"));
    }
    let mut parts = Vec::new();
    if report.ok == images && images > 0 {
        parts.push(match images {
            1 => "The image was processed".to_owned(),
            _ => format!("All {} were processed", counted(images, "image")),
        });
    } else {
        let were = if report.ok == 1 { "was" } else { "were" };
        parts.push(format!(
            "{} of {} {were} processed",
            count(report.ok),
            counted(images, "image")
        ));
    }
    for (number, what) in [
        (report.failed, "failed"),
        (report.pending, "have no outcome"),
        (report.skipped, "were up to date already"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", count(number)));
        }
    }
    let last = parts.pop().unwrap_or_default();
    if parts.is_empty() {
        format!("{last}.")
    } else {
        format!("{}, and {last}.", parts.join(", "))
    }
}

/// What a user can do about failures of a class.
#[must_use]
pub fn advice(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Unsupported => {
            "This mode can make nothing of files of these formats. Process them with the mode copy, upload or none."
        }
        FailureClass::NotFound => "The objects were deleted after they were listed. There is nothing to do.",
        FailureClass::AccessDenied => {
            "The processor may not read the objects, or may not write their outputs. Check the bucket policies, the KMS keys \
             and the stack's parameters, and then redrive."
        }
        FailureClass::Archived => "The objects are in an archive such as Glacier. Restore them, and then redrive.",
        FailureClass::Changed => "The objects were replaced while the job ran. A redrive processes the new ones.",
        FailureClass::TooLarge => {
            "The images need more memory than the processor has, or have more pixels than max_pixels. Raise the limit that \
             the error names, and then redrive."
        }
        FailureClass::KeyTooLong => {
            "The keys of the outputs would be longer than 1,024 bytes. Choose a destination with a shorter prefix."
        }
        FailureClass::Corrupt => {
            "The files are broken, or bytes were lost on the way. Redrive once; then look at the files."
        }
        FailureClass::Throttled => {
            "S3 or KMS refused requests because there were too many. Redrive with a lower parallel, or with \
             max_requests_per_second."
        }
        FailureClass::Timeout => "Requests took too long. Redrive; if it happens again, lower concurrency.",
        FailureClass::Internal => {
            "Something unexpected happened. The files of failed keys have the errors. Redrive, and report the error if it \
             stays."
        }
    }
}

/// What ignored objects have in common.
#[must_use]
pub fn ignored(reason: IgnoreReason) -> &'static str {
    match reason {
        IgnoreReason::Name => "Their names do not match include, or match exclude.",
        IgnoreReason::Size => "They are smaller than min_bytes or larger than max_bytes.",
        IgnoreReason::Date => "They were not modified after modified_after.",
        IgnoreReason::Outside => "The list names them, but they are not in the source.",
        IgnoreReason::Duplicate => "The list names them more than once.",
        IgnoreReason::OldVersion => "The list names old versions or delete markers.",
        IgnoreReason::Folder => "Their keys end in /, which makes folders visible.",
    }
}
