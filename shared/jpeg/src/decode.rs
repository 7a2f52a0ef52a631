//! A file to planes.

use crate::bits::Bits;
use crate::error::Error;
use crate::header::{Header, Markers, Process, ScanHeader};
use crate::plane::Plane;
use crate::progressive::{Coefficients, Progressive};
use crate::scale::Scale;
use crate::scan::{Layout, Sequential, Target, decode_blocks};

/// A progressive picture has about ten scans. Each one costs time, however short it is.
const MAX_SCANS: usize = 200;

/// A decoded picture.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// One plane per component of the header.
    ///
    /// A plane covers whole MCUs, so it has more samples than the picture at its right and lower edges. A component
    /// whose sampling factor is `h` of at most `H` covers `width × h / H × scale / 8` samples of each row.
    pub planes: Vec<Plane>,
    /// Some of the picture is missing, because the file is cut off or damaged. Its samples are 128.
    pub is_damaged: bool,
}

/// Decodes a picture, with a scale for each component of its header.
///
/// # Errors
/// If [`Header::read`](crate::Header::read) has one, if no part of the picture can be decoded, or if the file has more
/// than 200 scans.
///
/// # Panics
/// If `scales` has another length than the header's components.
pub fn decode(file: &[u8], scales: &[Scale]) -> Result<Decoded, Error> {
    let mut markers = Markers::new(file)?;
    let mut next = markers.next_scan()?;
    let mut picture = Picture::new(markers.header()?, scales);
    for _ in 0..MAX_SCANS {
        let Some(scan) = next else {
            return picture.finish(markers.has_ended);
        };
        match picture
            .decode_scan(file, &mut markers, &scan)
            .and_then(|()| markers.next_scan())
        {
            Ok(following) => next = following,
            Err(Error::Damaged(_)) if picture.has_samples => return picture.finish(false),
            Err(error) => return Err(error),
        }
    }
    Err(Error::Unsupported("a JPEG with more than 200 scans"))
}

/// A picture whose scans are decoded one after another.
struct Picture {
    header: Header,
    layout: Layout,
    targets: Vec<Target>,
    /// Empty, unless the picture is progressive.
    coefficients: Vec<Coefficients>,
    /// The components of which a scan was decoded.
    has_started: Vec<bool>,
    /// Whether any block could be decoded, and whether all of them could.
    has_samples: bool,
    is_whole: bool,
}

impl Picture {
    fn new(header: Header, scales: &[Scale]) -> Self {
        let layout = Layout::new(&header);
        assert_eq!(
            scales.len(),
            layout.components.len(),
            "there must be one scale per component"
        );
        let components = || layout.components.iter().zip(scales);
        let targets = components()
            .map(|(component, &scale)| Target::new(component, scale))
            .collect();
        let coefficients = match header.process {
            Process::Sequential => Vec::new(),
            Process::Progressive => components()
                .map(|(component, scale)| Coefficients::new(component, scale.coefficients()))
                .collect(),
        };
        Self {
            has_started: vec![false; scales.len()],
            header,
            targets,
            coefficients,
            layout,
            has_samples: false,
            is_whole: true,
        }
    }

    fn decode_scan(&mut self, file: &[u8], markers: &mut Markers<'_>, scan: &ScanHeader) -> Result<(), Error> {
        for component in &scan.components {
            // A quantization table counts as it is when the first scan of its component starts (T.81, B.2.4.1).
            if !std::mem::replace(&mut self.has_started[component.index], true) {
                let number = usize::from(self.header.components[component.index].table);
                let table = markers.quantization[number].as_ref();
                let table = table.ok_or(Error::Damaged("a quantization table is missing"))?;
                self.targets[component.index].set_quantization(table);
            }
        }
        let mut bits = Bits::new(file, markers.position);
        let interval = markers.restart_interval;
        let decoded = match self.header.process {
            Process::Sequential => {
                let mut decoder = Sequential::new(scan, markers, &mut self.targets)?;
                decode_blocks(&mut bits, &self.layout, scan, interval, &mut decoder)
            }
            Process::Progressive => {
                let mut decoder = Progressive::new(scan, markers, &mut self.coefficients)?;
                decode_blocks(&mut bits, &self.layout, scan, interval, &mut decoder)
            }
        };
        self.has_samples |= decoded.mcus > 0;
        self.is_whole &= decoded.is_whole;
        markers.position = bits.position();
        Ok(())
    }

    fn finish(mut self, has_ended: bool) -> Result<Decoded, Error> {
        if !self.has_samples {
            return Err(Error::Damaged("no part of the picture can be decoded"));
        }
        for (coefficients, target) in self.coefficients.iter().zip(&mut self.targets) {
            coefficients.write(target);
        }
        Ok(Decoded {
            is_damaged: !self.is_whole || !has_ended || self.has_started.contains(&false),
            planes: self.targets.into_iter().map(|target| target.plane).collect(),
        })
    }
}
