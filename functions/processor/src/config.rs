use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use shared::clock::MAX_TIMEOUT;
use shared::destination::Destination;
use shared::filter::Names;
use shared::metadata::{self, record};
use shared::modes::{Images, Records};
use shared::object::S3Uri;
use shared::s3::Timeouts;
use shared::settings::{self, Lookup, SettingError};
use shared::strip;
use shared::transform::{DEFAULT_MAX_PIXELS, Transform};

use crate::limits::MAX_IN_FLIGHT;
use crate::settings::transform;

/// Enough for a few requests that each hang once or twice, or for the waits of a throttled request.
const DEFAULT_IMAGE_TIMEOUT_SECONDS: u64 = 60;

/// How many requests that get no response fit into the time of an image, at least.
const REQUESTS_IN_IMAGE_TIMEOUT: u32 = 2;

/// The most bytes that are read of an image to find its EXIF.
pub const MAX_METADATA_BYTES: u64 = 64 * 1024 * 1024;

/// A smaller record might not have room for a long key. S3 takes no larger annotation.
const MAX_RECORD_BYTES: RangeInclusive<usize> = 16 * 1024..=1024 * 1024;

/// The environment variables. Those about images and records hold for events; a chunk from fanout carries its own
/// settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// `SOURCE`: the keys of events are relative to it, and objects outside it are ignored.
    pub source: Option<S3Uri>,
    /// `DESTINATION` and `RECORDS_DESTINATION`
    pub destination: Option<Destination>,
    /// `IMAGES`
    pub images: Images,
    /// `TRANSFORM`, if `IMAGES` is `transform`
    pub transform: Arc<Transform>,
    /// `STRIP`, `KEEP_COPYRIGHT` and `KEEP_USER_METADATA`, whose names are separated by commas
    pub strip: strip::Settings,
    /// `MAX_PIXELS`: the most pixels of an image that is decoded
    pub max_pixels: u64,
    /// `RECORDS`
    pub records: Records,
    /// `INCLUDE` and `EXCLUDE`, separated by commas
    pub names: Names,
    /// `REQUEST_PAYER`: whether reads of the source say that the requester pays
    pub request_payer: bool,
    /// `CONCURRENCY`
    pub concurrency: usize,
    /// `FRONT_BYTES`: how many bytes of an image are read first, unless all of it is needed
    pub front_bytes: u64,
    /// `MAX_RECORD_BYTES`: the most bytes of one record
    pub max_record_bytes: usize,
    /// `IMAGE_TIMEOUT_SECONDS`: how long one image may take, in addition to the time for its bytes
    pub image_timeout: Duration,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, in MB
    pub memory_mb: u32,
    /// `TIMEOUT_SECONDS`: the time of an invocation that comes without a deadline
    pub timeout: Duration,
    /// The time limits of requests to S3.
    pub s3_timeouts: Timeouts,
}

impl Config {
    /// The time limits of requests to S3. An image must have time for a few requests that get no response.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        let most = self.image_timeout / REQUESTS_IN_IMAGE_TIMEOUT;
        Timeouts {
            read: self.s3_timeouts.read.min(most),
            write: self.s3_timeouts.write.min(most),
            silence: self.s3_timeouts.silence,
        }
    }

    pub fn load(lookup: Lookup<'_>) -> Result<Self, SettingError> {
        let front_bytes = within(lookup, "FRONT_BYTES", metadata::FRONT_BYTES, 1..=MAX_METADATA_BYTES)?;
        let image_timeout = within(
            lookup,
            "IMAGE_TIMEOUT_SECONDS",
            DEFAULT_IMAGE_TIMEOUT_SECONDS,
            1..=MAX_TIMEOUT.as_secs(),
        )?;
        let exclude = settings::list(lookup, "EXCLUDE").unwrap_or_default();
        let images = settings::named(lookup, "IMAGES")?.unwrap_or_default();
        let wanted = settings::parsed(lookup, "TRANSFORM")?;
        let config = Self {
            source: settings::parsed(lookup, "SOURCE")?,
            destination: destination(lookup)?,
            images,
            transform: transform(images, wanted.as_ref()).map_err(|problem| SettingError::new("TRANSFORM", problem))?,
            strip: strip::Settings {
                options: strip::Options {
                    scope: settings::named(lookup, "STRIP")?.unwrap_or_default(),
                    keep_copyright: settings::parsed(lookup, "KEEP_COPYRIGHT")?.unwrap_or_default(),
                },
                keep_user_metadata: settings::list(lookup, "KEEP_USER_METADATA").unwrap_or_default(),
            },
            max_pixels: within(lookup, "MAX_PIXELS", DEFAULT_MAX_PIXELS, 1..=u64::MAX)?,
            records: settings::named(lookup, "RECORDS")?.unwrap_or_default(),
            names: Names::new(settings::list(lookup, "INCLUDE").as_deref(), &exclude, images)
                .map_err(|error| SettingError::new("INCLUDE or EXCLUDE", error))?,
            request_payer: settings::parsed(lookup, "REQUEST_PAYER")?.unwrap_or_default(),
            concurrency: within(lookup, "CONCURRENCY", 64, 1..=MAX_IN_FLIGHT)?,
            front_bytes,
            max_record_bytes: within(lookup, "MAX_RECORD_BYTES", record::MAX_BYTES, MAX_RECORD_BYTES)?,
            image_timeout: Duration::from_secs(image_timeout),
            memory_mb: settings::parsed(lookup, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?.unwrap_or(512),
            timeout: settings::parsed(lookup, "TIMEOUT_SECONDS")?.map_or(MAX_TIMEOUT, Duration::from_secs),
            s3_timeouts: Timeouts::default(),
        };
        if let Some(destination) = &config.destination {
            config.check(destination)?;
        }
        Ok(config)
    }

    /// Checks settings against each other.
    fn check(&self, destination: &Destination) -> Result<(), SettingError> {
        let is_beside_images = destination.separate_records_uri().is_none();
        if self.images == Images::Strip && self.records == Records::Sidecar && is_beside_images {
            let problem = "sidecar, and IMAGES is strip: the sidecars would lie beside the stripped images; give them another \
                           place with RECORDS_DESTINATION";
            return Err(SettingError::new("RECORDS", problem));
        }
        let checked = match &self.source {
            Some(source) => destination.check_apart_from(source),
            None => destination.check_records_apart(),
        };
        checked.map_err(|error| SettingError::new(error.setting.to_uppercase(), error))
    }
}

fn destination(lookup: Lookup<'_>) -> Result<Option<Destination>, SettingError> {
    let records: Option<S3Uri> = settings::parsed(lookup, "RECORDS_DESTINATION")?;
    let images: Option<S3Uri> = settings::parsed(lookup, "DESTINATION")?;
    Ok(images.map(|images| Destination::new(images, records)))
}

/// Reads a number in a range.
fn within<T>(lookup: Lookup<'_>, name: &'static str, default: T, range: RangeInclusive<T>) -> Result<T, SettingError>
where
    T: FromStr<Err: Display> + PartialOrd + Display,
{
    let value = settings::parsed(lookup, name)?.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    let problem = format!("{value} is not within {} to {}", range.start(), range.end());
    Err(SettingError::new(name, problem))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Config, String> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        Config::load(&lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn an_error_names_the_variable_with_the_bad_value() {
        for (variables, part) in [
            (vec![("SOURCE", "photos")], "SOURCE"),
            (vec![("CONCURRENCY", "0")], "CONCURRENCY: 0 is not within 1 to 900"),
            (vec![("FRONT_BYTES", "128k")], "FRONT_BYTES: \"128k\""),
            (
                vec![("MAX_RECORD_BYTES", "1000")],
                "MAX_RECORD_BYTES: 1000 is not within 16384 to 1048576",
            ),
            (vec![("FRONT_BYTES", "0")], "FRONT_BYTES: 0 is not within 1 to 67108864"),
            (
                vec![("IMAGE_TIMEOUT_SECONDS", "0")],
                "IMAGE_TIMEOUT_SECONDS: 0 is not within 1 to 900",
            ),
            (vec![("RECORDS", "csv")], "RECORDS: unknown variant `csv`"),
            (vec![("INCLUDE", "[")], "INCLUDE"),
            (
                vec![("SOURCE", "s3://photos/"), ("DESTINATION", "s3://photos/out/")],
                "lies inside the source",
            ),
            (
                vec![
                    ("DESTINATION", "s3://public/"),
                    ("RECORDS_DESTINATION", "s3://public/images/"),
                ],
                "RECORDS_DESTINATION: records_destination s3://public/images/ is not apart from the images",
            ),
            (
                vec![
                    ("DESTINATION", "s3://public/"),
                    ("IMAGES", "strip"),
                    ("RECORDS", "sidecar"),
                ],
                "RECORDS: sidecar, and IMAGES is strip",
            ),
        ] {
            let error = load(&variables).unwrap_err();
            assert!(error.contains(part), "{variables:?}: {error}");
        }
    }

    #[test]
    fn no_variable_is_required() {
        let config = load(&[]).unwrap();
        assert_eq!(
            (config.images, config.records, config.concurrency),
            (Images::Copy, Records::Ndjson, 64)
        );
    }

    /// The variables that `template.yaml` sets in the section that starts with `line`.
    fn variables_after(line: &str) -> Vec<&'static str> {
        let template = include_str!("../../../template.yaml");
        let start = template.find(&format!("\n{line}\n")).unwrap() + line.len() + 2;
        let indent = |line: &str| line.len() - line.trim_start().len();
        let section = template[start..]
            .lines()
            .take_while(|&other| other.trim().is_empty() || indent(other) > indent(line));
        let mut block = section.skip_while(|line| line.trim() != "Variables:");
        let Some(head) = block.next() else { return Vec::new() };
        let variables = block.take_while(|line| indent(line) > indent(head));
        variables
            .filter(|line| !line.trim_start().starts_with('#'))
            .map(|line| line.trim().split_once(':').unwrap().0)
            .collect()
    }

    #[test]
    fn every_variable_of_the_template_is_read() {
        let read = RefCell::new(Vec::new());
        let lookup = |name: &str| {
            read.borrow_mut().push(name.to_owned());
            None
        };
        Config::load(&lookup).unwrap();
        let of_all = variables_after("Globals:");
        assert_eq!(
            of_all,
            [
                "SOURCE",
                "DESTINATION",
                "RECORDS_DESTINATION",
                "INCLUDE",
                "EXCLUDE",
                "IMAGES",
                "STRIP",
                "KEEP_COPYRIGHT",
                "KEEP_USER_METADATA",
                "TRANSFORM",
                "RECORDS",
                "REQUEST_PAYER",
                "CONCURRENCY"
            ]
        );
        // This shows that the section of a single function is found, too.
        assert!(variables_after("  Fanout:").contains(&"PROCESSOR_FUNCTION"));
        for name in of_all.into_iter().chain(variables_after("  Processor:")) {
            assert!(read.borrow().iter().any(|read| read == name), "{name} is not read");
        }
    }
}
