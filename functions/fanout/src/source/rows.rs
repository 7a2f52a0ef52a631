//! What the rows of a list say, in each of its formats.

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use csv_core::ReadFieldResult;
use serde::Deserialize;
use shared::chunk::ObjectRef;
use shared::key;
use shared::s3::unquoted;
use shared::uri::S3Uri;

use super::distinct::Distinct;
use super::list::Format;
use super::{Candidate, Standing};

/// Reads one row after the other.
pub struct Rows {
    source: S3Uri,
    format: Format,
    columns: Vec<String>,
    distinct: Distinct,
}

/// One row; what it does not say is absent.
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
}

impl Rows {
    pub fn new(source: S3Uri, format: Format) -> Self {
        let columns = match &format {
            Format::Inventory { columns } => columns.clone(),
            Format::Csv | Format::Ndjson => Vec::new(),
        };
        Self {
            source,
            format,
            columns,
            distinct: Distinct::new(),
        }
    }

    /// The object that a line names; `None` for a line without one.
    pub fn row(&mut self, line: &str, is_first: bool) -> Result<Option<Candidate>, String> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        let row = match &self.format {
            Format::Inventory { .. } => inventory_row(&self.columns, &fields(line)?)?,
            Format::Csv if is_first => {
                self.columns = header(line)?;
                return Ok(None);
            }
            Format::Csv => csv_row(&self.columns, fields(line)?)?,
            Format::Ndjson => {
                serde_json::from_str(line).map_err(|error| format!("no object with a \"key\": {error}"))?
            }
        };
        self.candidate(row).map(Some)
    }

    fn candidate(&mut self, row: Row) -> Result<Candidate, String> {
        if row.key.is_empty() {
            return Err("it has no key".to_owned());
        }
        if row.key.len() > key::MAX_BYTES {
            let (most, length) = (key::MAX_BYTES, row.key.len());
            return Err(format!("a key has at most {most} bytes, not {length}"));
        }
        if let Some(bucket) = row.bucket.filter(|bucket| *bucket != self.source.bucket) {
            return Err(format!("it is of bucket {bucket}, the source is {}", self.source));
        }
        let last_modified = row.last_modified.filter(|time| !time.is_empty());
        let last_modified = last_modified
            .map(|time| {
                DateTime::from_str(&time, DateTimeFormat::DateTimeWithOffset)
                    .map_err(|_| format!("{time:?} is no RFC 3339 time, as in 2026-01-01T00:00:00Z"))
            })
            .transpose()?;
        let is_new = match self.format {
            // It names each current object once.
            Format::Inventory { .. } => true,
            Format::Csv | Format::Ndjson => self.distinct.is_new(&row.key).map_err(|error| error.to_string())?,
        };
        let wanted = is_new && !row.noncurrent && row.key.starts_with(&self.source.prefix);
        Ok(Candidate {
            object: ObjectRef {
                key: row.key,
                size: row.size,
                etag: row.etag.as_deref().map(unquoted).unwrap_or_default().to_owned(),
                version_id: row.version_id.filter(|version| !version.is_empty()),
                storage_class: None,
            },
            last_modified,
            standing: if wanted { Standing::Open } else { Standing::Ignored },
        })
    }
}

/// The fields of one line of CSV.
fn fields(line: &str) -> Result<Vec<String>, String> {
    if line.bytes().filter(|&byte| byte == b'"').count() % 2 == 1 {
        return Err("a quoted field does not end on its line; for keys with line breaks use NDJSON".to_owned());
    }
    let mut reader = csv_core::Reader::new();
    let mut field = vec![0; line.len() + 1];
    let mut fields = Vec::new();
    let (mut input, mut length) = (line.as_bytes(), 0);
    loop {
        let (result, read, written) = reader.read_field(input, &mut field[length..]);
        input = &input[read..];
        length += written;
        match result {
            ReadFieldResult::Field { .. } => {
                let text = std::str::from_utf8(&field[..length]).map_err(|error| error.to_string())?;
                fields.push(text.to_owned());
                length = 0;
            }
            // With nothing more to read the next call ends the field.
            ReadFieldResult::InputEmpty => {}
            ReadFieldResult::OutputFull | ReadFieldResult::End => return Ok(fields),
        }
    }
}

fn header(line: &str) -> Result<Vec<String>, String> {
    let columns: Vec<String> = fields(line.trim_start_matches('\u{feff}'))?
        .iter()
        .map(|name| name.trim().to_lowercase())
        .collect();
    if columns.iter().any(|column| column == "key") {
        Ok(columns)
    } else {
        Err(format!(
            "it must name the columns, key among them (and, if known, size, etag, version_id, last_modified), not {line:.100}"
        ))
    }
}

fn check_width(columns: &[String], fields: &[String]) -> Result<(), String> {
    if columns.len() == fields.len() {
        return Ok(());
    }
    Err(format!(
        "{} fields, but there are {} columns: {}",
        fields.len(),
        columns.len(),
        columns.join(", ")
    ))
}

fn csv_row(columns: &[String], fields: Vec<String>) -> Result<Row, String> {
    check_width(columns, &fields)?;
    let mut row = Row::default();
    for (column, field) in columns.iter().zip(fields) {
        match column.as_str() {
            "bucket" => row.bucket = Some(field).filter(|field| !field.is_empty()),
            "key" => row.key = field,
            "size" => row.size = number(&field)?,
            "etag" => row.etag = Some(field),
            "version_id" => row.version_id = Some(field),
            "last_modified" => row.last_modified = Some(field),
            _ => {}
        }
    }
    Ok(row)
}

/// Column names as in "Amazon S3 Inventory list" of the S3 User Guide. The version is left out: an
/// inventory is a day old, and what is wanted is the object as it is now.
fn inventory_row(columns: &[String], fields: &[String]) -> Result<Row, String> {
    check_width(columns, fields)?;
    let mut row = Row::default();
    for (column, field) in columns.iter().zip(fields) {
        match column.as_str() {
            "Bucket" => row.bucket = Some(field.clone()),
            "Key" => row.key = key::decode(field).map_err(|error| error.to_string())?,
            "Size" => row.size = number(field)?,
            "ETag" => row.etag = Some(field.clone()),
            "LastModifiedDate" => row.last_modified = Some(field.clone()),
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
    let number = field.parse().map_err(|_| format!("{field:?} is no size in bytes"))?;
    Ok(Some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn inventories_have_url_encoded_keys_and_old_versions() {
        let mut rows = inventory();
        let mut row = |line: &str| rows.row(line, false).unwrap().unwrap();
        let current =
            row(r#""photos","2024/a+b%2Bc%2C%22.jpg","v1","true","false","17","2026-01-01T00:00:00.000Z","abc""#);
        assert_eq!(current.object.key, "2024/a b+c,\".jpg");
        assert_eq!((current.object.size, current.object.etag.as_str()), (Some(17), "abc"));
        assert_eq!(current.object.version_id, None);
        assert_eq!(current.standing, Standing::Open);
        for line in [
            r#""photos","2024/a.jpg","v0","false","false","17","2026-01-01T00:00:00.000Z","abc""#,
            r#""photos","2024/a.jpg","v2","true","true","","2026-01-01T00:00:00.000Z","""#,
            r#""photos","2023/a.jpg","v1","true","false","17","2026-01-01T00:00:00.000Z","abc""#,
        ] {
            assert_eq!(row(line).standing, Standing::Ignored, "{line}");
        }
    }

    #[test]
    fn own_lists_have_plain_keys() {
        let mut csv = rows(Format::Csv);
        assert!(csv.row("\u{feff}Key,note,Size", true).unwrap().is_none());
        let row = csv.row("\"2024/a,\"\"b\"\"%20+.jpg\",x,", false).unwrap().unwrap();
        assert_eq!(
            (row.object.key.as_str(), row.object.size),
            ("2024/a,\"b\"%20+.jpg", None)
        );
        assert!(csv.row("", false).unwrap().is_none());

        let mut json = rows(Format::Ndjson);
        let line = r#"{"key": "2024/é.jpg", "size": 5, "class": "timeout"}"#;
        let row = json.row(line, true).unwrap().unwrap();
        assert_eq!((row.object.key.as_str(), row.object.size), ("2024/é.jpg", Some(5)));
        assert_eq!(json.row(line, false).unwrap().unwrap().standing, Standing::Ignored);
    }

    #[test]
    fn broken_lines_say_what_is_wrong() {
        let mut csv = rows(Format::Csv);
        csv.row("key,size", true).unwrap();
        let mut json = rows(Format::Ndjson);
        for (error, part) in [
            (
                csv.row("2024/a.jpg", false),
                "1 fields, but there are 2 columns: key, size",
            ),
            (csv.row("2024/a.jpg,big", false), "\"big\" is no size"),
            (csv.row("\"2024/a", false), "does not end on its line"),
            (csv.row(",5", false), "it has no key"),
            (
                rows(Format::Csv).row("2024/a.jpg", true),
                "it must name the columns, key among them",
            ),
            (json.row("2024/a.jpg", false), "no object with a \"key\""),
            (json.row("{\"size\": 1}", false), "it has no key"),
            (
                json.row(r#"{"key": "2024/a", "last_modified": "today"}"#, false),
                "no RFC 3339 time",
            ),
            (
                inventory().row(r#""other","2024/a.jpg","","true","false","1","","""#, false),
                "it is of bucket other, the source is s3://photos/2024/",
            ),
            (
                inventory().row(r#""photos","%FF","","true","false","1","","""#, false),
                "decoded it is not UTF-8",
            ),
        ] {
            let error = error.unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
