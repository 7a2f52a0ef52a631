use bytes::Bytes;
use shared::metadata::record::Record;
use shared::s3::MAX_ANNOTATION_BYTES;

/// The name of the annotation that holds a record.
pub const ANNOTATION: &str = "exif";

const WITHOUT_TAGS: &str = "tags are left out: an annotation has room for 1 MiB";
const WITHOUT_EXIF: &str = "exif is left out: an annotation has room for 1 MiB";

/// The payload of an annotation: the record as one JSON object. A record that is too large loses its `tags`, and then its
/// `exif`. It says so in its warnings.
pub fn annotation_body(record: &Record) -> Bytes {
    let body = json(record);
    if body.len() <= MAX_ANNOTATION_BYTES {
        return body;
    }
    let mut shorter = record.clone();
    shorter.tags.clear();
    shorter.warnings.push(WITHOUT_TAGS.to_owned());
    let body = json(&shorter);
    if body.len() <= MAX_ANNOTATION_BYTES {
        return body;
    }
    shorter.exif = None;
    // Warnings quote values, too.
    shorter.warnings = vec![WITHOUT_TAGS.to_owned(), WITHOUT_EXIF.to_owned()];
    json(&shorter)
}

fn json(record: &Record) -> Bytes {
    serde_json::to_vec(record).expect("a record is valid JSON").into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::metadata::read_whole;
    use shared::metadata::record::{Origin, Record};

    use super::*;

    /// The record of a TIFF file with two texts of 60,000 control characters, which take six bytes each in JSON.
    fn large() -> Record {
        const CHARACTERS: u32 = 60_000;
        let (artist, description) = (0x13b_u16, 0x10e_u16);
        let mut tiff = b"II*\0\x08\0\0\0\x02\0".to_vec();
        for (tag, offset) in [(description, 38), (artist, 38 + CHARACTERS)] {
            tiff.extend([tag.to_le_bytes(), 2_u16.to_le_bytes()].concat());
            tiff.extend([CHARACTERS.to_le_bytes(), offset.to_le_bytes()].concat());
        }
        tiff.extend([0; 4]);
        tiff.extend(vec![1; 2 * CHARACTERS as usize]);
        Record::new(Origin::default(), read_whole(tiff.into()))
    }

    fn payload(record: &Record) -> Value {
        let body = annotation_body(record);
        assert!(body.len() <= MAX_ANNOTATION_BYTES, "{} bytes", body.len());
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn a_record_of_more_than_1_mib_loses_its_tags_and_then_its_exif() {
        let small = Record::new(Origin::default(), read_whole(Bytes::new()));
        assert_eq!(payload(&small), serde_json::to_value(&small).unwrap());

        let mut record = large();
        assert_eq!(record.tags.len(), 2, "{:?}", record.warnings);
        let shorter = payload(&record);
        assert_eq!(shorter["tags"], json!({}));
        assert_eq!(shorter["exif"]["artist"].as_str().map(str::len), Some(60_000));
        assert_eq!(shorter["warnings"], json!([WITHOUT_TAGS]));

        record.exif.as_mut().unwrap().copyright = Some("x".repeat(MAX_ANNOTATION_BYTES));
        let shortest = payload(&record);
        assert_eq!(shortest["exif"], Value::Null);
        assert_eq!(shortest["warnings"], json!([WITHOUT_TAGS, WITHOUT_EXIF]));
    }
}
