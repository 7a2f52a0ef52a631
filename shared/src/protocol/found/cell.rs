use std::fmt;

use serde::{Deserialize, Serialize};

/// Degrees of a cell, in each direction.
const SIZE: f64 = 10.0;

/// A cell of the map, by its south-west corner in degrees: `40,-120` is from 40° to 50° north, and from 120° to 110° west.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cell {
    /// From -90 to 80.
    pub south: i16,
    /// From -180 to 170.
    pub west: i16,
}

impl Cell {
    /// The cell of a position in degrees. `None` if it is not on the globe.
    #[must_use]
    pub fn of(latitude: f64, longitude: f64) -> Option<Self> {
        let on_globe = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        on_globe.then(|| Self {
            south: corner(latitude).min(80),
            // 180° east is the eastern edge of the last cell.
            west: corner(longitude).min(170),
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is within -180 to 180")]
fn corner(degrees: f64) -> i16 {
    ((degrees / SIZE).floor() * SIZE) as i16
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.south, self.west)
    }
}

impl From<Cell> for String {
    fn from(cell: Cell) -> Self {
        cell.to_string()
    }
}

impl TryFrom<String> for Cell {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let corner = text.split_once(',').and_then(|(south, west)| {
            let (south, west): (i16, i16) = (south.parse().ok()?, west.parse().ok()?);
            let cell = Self::of(f64::from(south), f64::from(west))?;
            (cell == Self { south, west }).then_some(cell)
        });
        corner.ok_or_else(|| format!("{text:?} is not the south-west corner of a cell, such as 40,-120"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_position_is_in_one_cell() {
        for (latitude, longitude, expected) in [
            (0.0, 0.0, "0,0"),
            (-0.1, -0.1, "-10,-10"),
            (47.4, 8.5, "40,0"),
            (90.0, 180.0, "80,170"),
            (-90.0, -180.0, "-90,-180"),
        ] {
            let cell = Cell::of(latitude, longitude).map(|cell| cell.to_string());
            assert_eq!(cell.as_deref(), Some(expected));
            assert!(Cell::try_from(expected.to_owned()).is_ok());
        }
        assert_eq!(Cell::of(90.1, 0.0), None);
        assert_eq!(Cell::of(f64::NAN, 0.0), None);
        for text in ["", "1,2", "90,0", "a,b", "0"] {
            assert!(Cell::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
