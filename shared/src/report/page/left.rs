use maud::{Markup, html};

use super::examples;
use crate::protocol::examples::Example;
use crate::protocol::ignored::IgnoreReason;
use crate::protocol::job::Report;
use crate::report::text::count;
use crate::report::words;

/// What failed, and what to do about it.
pub fn failures(report: &Report) -> Markup {
    html! {
        @if !report.failures.is_empty() {
            section {
                h2 { "What failed" }
                div.card {
                    table {
                        thead { tr { th scope="col" { "class" } th.number scope="col" { "images" } th scope="col" { "what to do" } } }
                        tbody {
                            @for (class, number) in &report.failures {
                                tr {
                                    td { code { (class) } }
                                    td.number { (count(*number)) }
                                    td { (words::advice(*class)) (examples(report, Example::Failed(*class))) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What was ignored, and what was processed although it may not be what it seems.
pub fn ignored(report: &Report) -> Markup {
    let unknown = report.found.formats.get("unknown").copied().unwrap_or_default();
    let of_note = [
        (
            "not an image",
            unknown,
            Example::Unknown,
            "Their content is of no format that is read, whatever their names say. Each has a record without EXIF.",
        ),
        (
            "with warnings",
            report.found.damaged,
            Example::Damaged,
            "Not all of their metadata was read. The warnings in their records say what is missing, and why.",
        ),
    ];
    html! {
        @if report.ignored > 0 || unknown > 0 || report.found.damaged > 0 {
            section {
                h2 { "What was left out, or is not what it seems" }
                div.card {
                    table {
                        thead { tr { th scope="col" { "why" } th.number scope="col" { "keys" } th scope="col" {} } }
                        tbody {
                            @for (reason, number) in &report.ignored_by {
                                tr {
                                    td { "ignored: " (reason.to_string().replace('_', " ")) }
                                    td.number { (count(*number)) }
                                    td {
                                        (words::ignored(*reason))
                                        @if *reason == IgnoreReason::Name {
                                            @if let Some(endings) = words::ignored_images(&report.ignored_image_endings) {
                                                " " (endings)
                                            }
                                        }
                                        (examples(report, Example::Ignored(*reason)))
                                    }
                                }
                            }
                            @for (name, number, example, meaning) in of_note {
                                @if number > 0 {
                                    tr {
                                        td { (name) }
                                        td.number { (count(number)) }
                                        td { (meaning) (examples(report, example)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
