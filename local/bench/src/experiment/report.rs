//! The latest results of each part, stored below `target/`.

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::parsing::Parsed;

use super::cold::Cold;
use super::run::Row;
use local::workspace::target;

/// The parts of the report. Each can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Guide,
    Peers,
    Pipelines,
    Cold,
}

impl Part {
    pub const ALL: [Self; 4] = [Self::Guide, Self::Peers, Self::Pipelines, Self::Cold];

    pub fn name(self) -> &'static str {
        match self {
            Self::Guide => "guide",
            Self::Peers => "peers",
            Self::Pipelines => "pipelines",
            Self::Cold => "cold",
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    pub guide: Option<Section<Guide>>,
    pub peers: Option<Section<Vec<Row>>>,
    pub pipelines: Option<Section<Vec<Row>>>,
    pub cold: Option<Section<Vec<Cold>>>,
}

/// The results of a part, and where they come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Section<T> {
    pub origin: Origin,
    pub measured: T,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Origin {
    pub command: String,
    pub date: String,
    pub machine: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Guide {
    pub serial_total: Vec<Row>,
    pub stated_latencies: Vec<Row>,
    pub pictures: Pictures,
    pub parsing: Vec<Parsed>,
}

/// The guide's pipeline with pictures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pictures {
    pub serial_total: Vec<Row>,
    pub stated_latencies: Vec<Row>,
    /// At the guide's pace, with photos of 12 megapixels.
    pub large: Vec<Row>,
}

impl Origin {
    /// The origin of results that are measured now, on this machine.
    pub fn of(command: String) -> Self {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self {
            command,
            date: now.chars().take_while(|&character| character != 'T').collect(),
            machine: machine(),
        }
    }
}

fn machine() -> String {
    let what = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(what);
    let brand = system.cpus().first().map(|cpu| cpu.brand().trim()).unwrap_or_default();
    format!(
        "{} cores{}, {:.0} GB of memory",
        system.cpus().len(),
        if brand.is_empty() {
            String::new()
        } else {
            format!(" ({brand})")
        },
        system.total_memory() as f64 / 1e9
    )
}

pub fn folder() -> PathBuf {
    target().join("bench/report")
}

impl Report {
    /// Reads the latest report. It is empty if there is none, or if another version wrote it.
    pub fn load() -> anyhow::Result<Self> {
        let path = folder().join("results.json");
        match std::fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                eprintln!(
                    "{} is from another version and will be replaced: {error}",
                    path.display()
                );
                Self::default()
            })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    pub fn save(&self) -> anyhow::Result<()> {
        let folder = folder();
        std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be created", folder.display()))?;
        std::fs::write(folder.join("results.json"), serde_json::to_vec_pretty(self)?)?;
        Ok(())
    }

    /// Whether all outputs of a part are correct.
    pub fn is_right(&self, part: Part) -> bool {
        let rows: Vec<&Row> = match part {
            Part::Guide => self.guide.iter().flat_map(|guide| guide.measured.rows()).collect(),
            Part::Peers => self.peers.iter().flat_map(|peers| &peers.measured).collect(),
            Part::Pipelines => self
                .pipelines
                .iter()
                .flat_map(|pipelines| &pipelines.measured)
                .collect(),
            Part::Cold => Vec::new(),
        };
        rows.into_iter().all(Row::is_right)
    }
}

impl Guide {
    fn rows(&self) -> impl Iterator<Item = &Row> {
        let Pictures {
            serial_total,
            stated_latencies,
            large,
        } = &self.pictures;
        let all = [
            &self.serial_total,
            &self.stated_latencies,
            serial_total,
            stated_latencies,
            large,
        ];
        all.into_iter().flatten()
    }
}
