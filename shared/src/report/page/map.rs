//! A coarse map of the world, with the positions of images.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use maud::{Markup, html};

use crate::protocol::found::Cell;
use crate::report::text::count;

/// `#` is land. Each row has 2.5 degrees of latitude from north to south, and each character 2.5 degrees of longitude from
/// west to east. Made from Natural Earth's land at 1:110 million, which is in the public domain.
const LAND: &str = include_str!("land.txt");

/// Cells with fewer images are not shown, so that no single photo can be found on the map.
pub const MIN_IMAGES: u64 = 5;

/// Draws the cells. Fuller cells are drawn stronger.
pub fn map(grid: &BTreeMap<Cell, u64>) -> Markup {
    let shown: Vec<_> = grid.iter().filter(|(_, count)| **count >= MIN_IMAGES).collect();
    let most = shown.iter().map(|(_, count)| **count).max().unwrap_or_default();
    let strength = |count: u64| 0.25 + 0.65 * (1.0 + count as f64).ln() / (1.0 + most as f64).ln();
    let name = format!(
        "Map of the world with {} areas of 10 by 10 degrees that have photos",
        shown.len()
    );
    html! {
        svg role="img" aria-label=(name) viewBox="0 0 144 72" {
            path.land d=(land()) {}
            @for (cell, images) in shown {
                rect.cell x=((180 + cell.west) / 10 * 4) y=((80 - cell.south) / 10 * 4) width="4" height="4"
                    fill-opacity=(format!("{:.2}", strength(*images))) {
                    title { (place(*cell)) ": " (count(*images)) }
                }
            }
        }
    }
}

/// A path with a rectangle for each run of land.
fn land() -> String {
    let mut path = String::new();
    for (y, row) in LAND.lines().enumerate() {
        let mut x = 0;
        for run in row.as_bytes().chunk_by(|one, other| one == other) {
            if run[0] == b'#' {
                // Writing to a string cannot fail.
                let _ = write!(path, "M{x} {y}h{0}v1h-{0}z", run.len());
            }
            x += run.len();
        }
    }
    path
}

fn place(cell: Cell) -> String {
    let degrees = |corner: i16, [positive, negative]: [char; 2]| {
        let letter = if corner < 0 { negative } else { positive };
        format!("{}°{letter}", corner.abs())
    };
    format!(
        "from {} {}",
        degrees(cell.south, ['N', 'S']),
        degrees(cell.west, ['E', 'W'])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_land_has_the_size_of_the_map() {
        assert_eq!(LAND.lines().count(), 72);
        assert!(LAND.lines().all(|row| row.len() == 144));
    }

    #[test]
    fn cells_with_few_images_are_not_shown() {
        let cell = |latitude, longitude| Cell::of(latitude, longitude).unwrap_or_else(|| panic!("it is on the globe"));
        let grid = BTreeMap::from([(cell(47.0, 8.0), 5), (cell(-33.0, 151.0), 4)]);
        let drawn = map(&grid).into_string();
        assert!(drawn.contains("from 40°N 0°E: 5"), "{drawn}");
        assert!(!drawn.contains("150°E"), "{drawn}");
    }
}
