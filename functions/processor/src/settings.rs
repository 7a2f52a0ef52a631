use std::sync::Arc;

use shared::destination::Destination;
use shared::modes::Images;
use shared::strip;
use shared::transform::{Format, Transform};

use crate::records::RecordSink;

/// The settings that all images of an invocation share.
#[derive(Debug)]
pub struct Settings {
    pub images: Images,
    /// What is made of each image. It has no renditions, unless `images` is `transform`.
    pub transform: Arc<Transform>,
    /// What is removed, if `images` is `strip`.
    pub strip: strip::Settings,
    /// The most pixels of an image that is decoded.
    pub max_pixels: u64,
    /// Whether all images are in one bucket.
    pub one_source: bool,
    pub sink: RecordSink,
    /// Whether failures that are not retryable are written into the destination, because the caller does not keep them.
    pub record_failures: bool,
    pub purpose: Purpose,
    pub destination: Destination,
    /// Images in flight to start with.
    pub concurrency: usize,
    pub max_requests_per_second: Option<f64>,
    /// Whether reads of the source say that the requester pays.
    pub request_payer: bool,
}

/// Why images are processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// For their outputs.
    Write,
    /// For a plan. Renditions are made, and their bytes counted as if they were written.
    Measure,
}

/// What a mode makes of each image. An error says what is missing or wrong.
pub fn transform(images: Images, transform: Option<&Transform>) -> Result<Arc<Transform>, String> {
    if images != Images::Transform {
        return Ok(Arc::default());
    }
    let transform = transform.ok_or("transform: it is missing, and images is transform")?;
    transform.check().map_err(|error| error.to_string())?;
    let avif = transform
        .renditions
        .iter()
        .position(|rendition| rendition.format == Format::Avif);
    if let Some(index) = avif.filter(|_| !picture::can_encode(picture::Format::Avif)) {
        return Err(format!(
            "transform.renditions[{index}].format: this processor was built without the feature avif; \
             build it with that feature, or use webp, jpeg, png or keep"
        ));
    }
    Ok(Arc::new(transform.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avif_needs_its_feature() {
        let wanted: Transform = r#"{"renditions": [{"max_edge": 9, "format": "avif"}]}"#.parse().unwrap();
        let problem = transform(Images::Transform, Some(&wanted)).err();
        if cfg!(feature = "avif") {
            assert_eq!(problem, None);
        } else {
            let problem = problem.unwrap();
            assert!(problem.contains("transform.renditions[0].format"), "{problem}");
            assert!(problem.contains("the feature avif"), "{problem}");
        }
        assert!(transform(Images::Copy, Some(&wanted)).unwrap().renditions.is_empty());
    }
}
