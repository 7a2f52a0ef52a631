//! Reads the rows of a list, in each of its formats.

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use csv_async::StringRecord;
use serde::Deserialize;
use shared::object::{ETag, Key, NotUtf8, ObjectRef, S3Uri};
use shared::protocol::ignored::IgnoreReason;

use super::candidate::{Candidate, Disposition};
use super::cursor::Format;
use super::distinct::Distinct;

/// Reads one row after the other.
pub struct Rows {
    source: S3Uri,
    format: Format,
    /// `None` until the row that names them has been read.
    columns: Option<Vec<String>>,
    distinct: Distinct,
}

/// One row. Fields that it does not have are absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    bucket: Option<String>,
    key: String,
    size: Option<u64>,
    etag: Option<String>,
    version_id: Option<String>,
    last_modified: Option<String>,
    #[serde(skip)]
    noncurrent: bool,
    /// Whether `key` is URL-encoded. The files of failed keys have such keys.
    url_encoded: bool,
    /// The bytes of a key that is not UTF-8. Then `key` stays URL-encoded.
    #[serde(skip)]
    unnamed: Option<Vec<u8>>,
}

impl Row {
    /// Decodes the key, if it is UTF-8.
    fn decode(&mut self) {
        match Key::decode(&self.key) {
            Ok(key) => self.key = key.into_string(),
            Err(NotUtf8 { bytes, .. }) => self.unnamed = Some(bytes),
        }
    }
}

impl Rows {
    pub fn new(source: S3Uri, format: Format) -> Self {
        let columns = match &format {
            Format::Inventory { columns } => Some(columns.clone()),
            Format::Csv | Format::Ndjson => None,
        };
        Self {
            source,
            format,
            columns,
            distinct: Distinct::new(),
        }
    }

    /// Returns the object that a CSV record names. `None` if the record is blank or names the columns.
    pub fn csv_record(&mut self, record: &StringRecord) -> Result<Option<Candidate>, String> {
        if record.len() == 1 && record[0].trim().is_empty() {
            return Ok(None);
        }
        let Some(columns) = &self.columns else {
            self.columns = Some(header(record)?);
            return Ok(None);
        };
        check_width(columns, record)?;
        let row = match self.format {
            Format::Inventory { .. } => inventory_row(columns, record)?,
            Format::Csv | Format::Ndjson => csv_row(columns, record)?,
        };
        self.candidate(row).map(Some)
    }

    /// Returns the object that a line of JSON names. `None` if the line is blank.
    pub fn json_line(&mut self, line: &str) -> Result<Option<Candidate>, String> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        let mut row: Row =
            serde_json::from_str(line).map_err(|error| format!("not a JSON object with a \"key\": {error}"))?;
        if row.url_encoded {
            row.decode();
        }
        self.candidate(row).map(Some)
    }

    fn candidate(&mut self, row: Row) -> Result<Candidate, String> {
        if row.key.is_empty() {
            return Err("the row has no key".to_owned());
        }
        let key = Key::checked(row.key).map_err(|error| error.to_string())?;
        if let Some(bucket) = row.bucket.filter(|bucket| bucket != self.source.bucket.as_str()) {
            return Err(format!(
                "the row names bucket {bucket}, but the source is {}",
                self.source
            ));
        }
        let last_modified = row.last_modified.filter(|time| !time.is_empty());
        let last_modified = last_modified
            .map(|time| {
                DateTime::from_str(&time, DateTimeFormat::DateTimeWithOffset)
                    .map_err(|_| format!("{time:?} is not an RFC 3339 time such as 2026-01-01T00:00:00Z"))
            })
            .transpose()?;
        let is_new = match self.format {
            // An inventory names each current object once.
            Format::Inventory { .. } => true,
            Format::Csv | Format::Ndjson => {
                // The URL-encoded form of a key may be the name of another object, so the bytes are compared.
                let bytes = row.unnamed.as_deref().unwrap_or(key.as_str().as_bytes());
                self.distinct.is_new(bytes).map_err(|error| error.to_string())?
            }
        };
        let disposition = if row.noncurrent {
            Disposition::Ignore(IgnoreReason::OldVersion)
        } else if !key.as_str().starts_with(self.source.prefix.as_str()) {
            Disposition::Ignore(IgnoreReason::Outside)
        } else if !is_new {
            Disposition::Ignore(IgnoreReason::Duplicate)
        } else if row.unnamed.is_some() {
            Disposition::Unnamed
        } else {
            Disposition::Process
        };
        Ok(Candidate {
            object: ObjectRef {
                key,
                size: row.size,
                etag: row.etag.as_deref().and_then(ETag::parse),
                version_id: row.version_id.filter(|version| !version.is_empty()),
                storage_class: None,
            },
            last_modified,
            is_named: row.unnamed.is_none(),
            disposition,
        })
    }
}

fn header(record: &StringRecord) -> Result<Vec<String>, String> {
    let columns: Vec<String> = record
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').trim().to_lowercase())
        .collect();
    if columns.iter().any(|column| column == "key") {
        return Ok(columns);
    }
    let found = columns.join(",");
    Err(format!(
        "the first line must name the columns, including key (and, if known, size, etag, version_id, last_modified); \
         it is: {found:.100}"
    ))
}

fn check_width(columns: &[String], record: &StringRecord) -> Result<(), String> {
    if columns.len() == record.len() {
        return Ok(());
    }
    Err(format!(
        "the row has {} fields, but there are {} columns: {}",
        record.len(),
        columns.len(),
        columns.join(", ")
    ))
}

fn csv_row(columns: &[String], record: &StringRecord) -> Result<Row, String> {
    let mut row = Row::default();
    for (column, field) in columns.iter().zip(record) {
        match column.as_str() {
            "bucket" => row.bucket = Some(field.to_owned()).filter(|field| !field.is_empty()),
            "key" => field.clone_into(&mut row.key),
            "size" => row.size = number(field)?,
            "etag" => row.etag = Some(field.to_owned()),
            "version_id" => row.version_id = Some(field.to_owned()),
            "last_modified" => row.last_modified = Some(field.to_owned()),
            _ => {}
        }
    }
    Ok(row)
}

/// Reads a row of an inventory. The column names are from "Amazon S3 Inventory list" in the S3 User Guide. The version
/// is left out: an inventory is about a day old, and the job processes the current object.
fn inventory_row(columns: &[String], record: &StringRecord) -> Result<Row, String> {
    let mut row = Row::default();
    for (column, field) in columns.iter().zip(record) {
        match column.as_str() {
            "Bucket" => row.bucket = Some(field.to_owned()),
            "Key" => {
                field.clone_into(&mut row.key);
                row.decode();
            }
            "Size" => row.size = number(field)?,
            "ETag" => row.etag = Some(field.to_owned()),
            "LastModifiedDate" => row.last_modified = Some(field.to_owned()),
            "IsLatest" => row.noncurrent |= field == "false",
            "IsDeleteMarker" => row.noncurrent |= field == "true",
            _ => {}
        }
    }
    Ok(row)
}

fn number(field: &str) -> Result<Option<u64>, String> {
    if field.is_empty() {
        return Ok(None);
    }
    let number = field.parse().map_err(|_| format!("{field:?} is not a size in bytes"))?;
    Ok(Some(number))
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::source::csv::CsvRecords;

    fn rows(format: Format) -> Rows {
        Rows::new("s3://photos/2024/".parse().unwrap(), format)
    }

    fn inventory() -> Rows {
        let columns = [
            "Bucket",
            "Key",
            "VersionId",
            "IsLatest",
            "IsDeleteMarker",
            "Size",
            "LastModifiedDate",
            "ETag",
        ];
        rows(Format::Inventory {
            columns: columns.map(str::to_owned).to_vec(),
        })
    }

    /// Reads one row of CSV.
    fn csv(rows: &mut Rows, text: &str) -> Result<Option<Candidate>, String> {
        let mut records = CsvRecords::new(text.as_bytes());
        let mut record = StringRecord::new();
        assert!(records.next(&mut record).now_or_never().unwrap().unwrap());
        rows.csv_record(&record)
    }

    #[test]
    fn a_key_that_is_not_utf8_is_shown_encoded() {
        let row = |key: &str| {
            let line = format!(r#""photos","{key}","","true","false","1","","""#);
            csv(&mut inventory(), &line).unwrap().unwrap()
        };
        let unnamed = row("2024/%FF.jpg");
        assert_eq!(unnamed.object.key.as_str(), "2024/%FF.jpg");
        assert_eq!(unnamed.disposition, Disposition::Unnamed);
        let outside = row("2023/%FF.jpg");
        assert_eq!(outside.disposition, Disposition::Ignore(IgnoreReason::Outside));
        assert!(!outside.is_named && !unnamed.is_named);
        // A redrive of it must not process another object, which has the encoded key as its name.
        let failed = r#"{"key":"2024/%FF.jpg","url_encoded":true,"class":"internal","error":""}"#;
        let mut list = rows(Format::Ndjson);
        let first = list.json_line(failed).unwrap().unwrap();
        assert_eq!(first.disposition, Disposition::Unnamed);
        assert_eq!(first.object.key.as_str(), "2024/%FF.jpg");
        // The list may name that object, too, and each of them once.
        let other = list.json_line(r#"{"key":"2024/%FF.jpg"}"#).unwrap().unwrap();
        assert_eq!(other.disposition, Disposition::Process);
        let again = list.json_line(failed).unwrap().unwrap();
        assert_eq!(again.disposition, Disposition::Ignore(IgnoreReason::Duplicate));
    }

    #[test]
    fn inventories_have_url_encoded_keys_and_old_versions() {
        let mut rows = inventory();
        let mut row = |line: &str| csv(&mut rows, line).unwrap().unwrap();
        let current =
            row(r#""photos","2024/a+b%2Bc%2C%22.jpg","v1","true","false","17","2026-01-01T00:00:00.000Z","abc""#);
        assert_eq!(current.object.key, "2024/a b+c,\".jpg");
        assert_eq!(
            (current.object.size, current.object.etag),
            (Some(17), ETag::parse("abc"))
        );
        assert_eq!(current.object.version_id, None);
        assert_eq!(current.disposition, Disposition::Process);
        for (line, reason) in [
            (
                r#""photos","2024/a.jpg","v0","false","false","17","2026-01-01T00:00:00.000Z","abc""#,
                IgnoreReason::OldVersion,
            ),
            (
                r#""photos","2024/a.jpg","v2","true","true","","2026-01-01T00:00:00.000Z","""#,
                IgnoreReason::OldVersion,
            ),
            (
                r#""photos","2023/a.jpg","v1","true","false","17","2026-01-01T00:00:00.000Z","abc""#,
                IgnoreReason::Outside,
            ),
        ] {
            assert_eq!(row(line).disposition, Disposition::Ignore(reason), "{line}");
        }
    }

    #[test]
    fn own_lists_have_plain_keys() {
        let mut own = rows(Format::Csv);
        assert!(csv(&mut own, "\u{feff}Key,note,Size").unwrap().is_none());
        let row = csv(&mut own, "\"2024/a,\"\"b\"\"%20+.jpg\",x,").unwrap().unwrap();
        assert_eq!(
            (row.object.key.as_str(), row.object.size),
            ("2024/a,\"b\"%20+.jpg", None)
        );
        assert!(csv(&mut own, " ").unwrap().is_none());
        let row = csv(&mut own, "\"2024/line\nbreak.jpg\",x,").unwrap().unwrap();
        assert_eq!(row.object.key, "2024/line\nbreak.jpg");

        let mut json = rows(Format::Ndjson);
        let line = r#"{"key": "2024/é.jpg", "size": 5, "class": "timeout"}"#;
        let row = json.json_line(line).unwrap().unwrap();
        assert_eq!((row.object.key.as_str(), row.object.size), ("2024/é.jpg", Some(5)));
        let again = json.json_line(line).unwrap().unwrap();
        assert_eq!(again.disposition, Disposition::Ignore(IgnoreReason::Duplicate));
    }

    #[test]
    fn an_error_says_what_is_wrong_with_a_row() {
        let mut own = rows(Format::Csv);
        csv(&mut own, "key,size").unwrap();
        let mut json = rows(Format::Ndjson);
        for (error, part) in [
            (
                csv(&mut own, "2024/a.jpg"),
                "the row has 1 fields, but there are 2 columns: key, size",
            ),
            (csv(&mut own, "2024/a.jpg,big"), "\"big\" is not a size"),
            (csv(&mut own, ",5"), "the row has no key"),
            (
                csv(&mut rows(Format::Csv), "2024/a.jpg"),
                "the first line must name the columns, including key",
            ),
            (json.json_line("2024/a.jpg"), "not a JSON object with a \"key\""),
            (json.json_line("{\"size\": 1}"), "the row has no key"),
            (
                json.json_line(r#"{"key": "2024/a", "last_modified": "today"}"#),
                "not an RFC 3339 time",
            ),
            (
                csv(&mut inventory(), r#""other","2024/a.jpg","","true","false","1","","""#),
                "the row names bucket other, but the source is s3://photos/2024/",
            ),
        ] {
            let error = error.unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
