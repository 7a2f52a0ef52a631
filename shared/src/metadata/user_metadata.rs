//! The short EXIF summary that a written image carries as user metadata. The position is not in it.

use std::collections::HashMap;

use super::exif::Exif;

/// The most user metadata of an object: the bytes of all names and values. Source: "Working with object metadata" in
/// the S3 User Guide.
const MAX_USER_METADATA_BYTES: usize = 2048;

/// The user metadata to add to `present`, with a warning for each value that cannot be added.
///
/// User metadata is sent in HTTP headers, so only printable ASCII can be added. If the total would exceed 2 KB, none
/// of it is added.
#[must_use]
pub fn summary(
    exif: Option<&Exif>,
    present: &HashMap<String, String>,
    warnings: &mut Vec<String>,
) -> HashMap<String, String> {
    let Some(exif) = exif else {
        return HashMap::new();
    };
    let fields = [
        ("exif-make", exif.make.clone()),
        ("exif-model", exif.model.clone()),
        ("exif-taken-at", exif.taken_at.clone()),
        ("exif-orientation", exif.orientation.as_ref().map(ToString::to_string)),
    ];
    let mut added = HashMap::new();
    for (name, value) in fields {
        let Some(value) = value else { continue };
        if value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            added.insert(name.to_owned(), value);
        } else {
            warnings.push(format!("user metadata {name} left out: not printable ASCII"));
        }
    }
    let size = |metadata: &HashMap<String, String>| -> usize {
        metadata.iter().map(|(name, value)| name.len() + value.len()).sum()
    };
    if size(present) + size(&added) > MAX_USER_METADATA_BYTES {
        warnings.push("user metadata left out: together with the image's own, it would exceed 2 KB".to_owned());
        added.clear();
    }
    added
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_fits_is_added() {
        let exif = Exif {
            make: Some("Canon".to_owned()),
            model: Some("Łódź 1".to_owned()),
            orientation: Some(6.into()),
            ..Exif::default()
        };
        let mut warnings = Vec::new();
        let added = summary(Some(&exif), &HashMap::new(), &mut warnings);
        assert_eq!(added.len(), 2);
        assert_eq!(
            (added["exif-make"].as_str(), added["exif-orientation"].as_str()),
            ("Canon", "6")
        );
        assert_eq!(warnings, ["user metadata exif-model left out: not printable ASCII"]);

        let present = HashMap::from([("note".to_owned(), "x".repeat(2030))]);
        assert!(summary(Some(&exif), &present, &mut warnings).is_empty());
        assert!(warnings.last().unwrap().contains("2 KB"));
        assert!(summary(None, &present, &mut warnings).is_empty());
    }
}
