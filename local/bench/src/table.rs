//! Results as tables, for terminals and Markdown.

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

pub fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header);
    table
}

/// Formats a number of bytes in MB (10^6 bytes).
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// `yes`, or `NO` with the reason.
pub fn yes_or(wrong: Option<String>) -> String {
    wrong.map_or_else(|| "yes".to_owned(), |wrong| format!("NO: {wrong}"))
}
