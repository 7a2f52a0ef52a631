//! Properties as the record has them: numbers, booleans, texts and lists. Structures are left out.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::tree::{Name, Node};
use crate::metadata::warnings::Warnings;

/// Coordinates, which are degrees and minutes, or degrees, minutes and seconds, and a letter.
const COORDINATES: [&str; 4] = [
    "exif:GPSLatitude",
    "exif:GPSLongitude",
    "exif:GPSDestLatitude",
    "exif:GPSDestLongitude",
];

/// A longer value is left out, such as a depth map or a thumbnail.
const MAX_VALUE_BYTES: usize = 16 * 1024;

pub fn of(properties: &BTreeMap<Name, Node>, warnings: &mut Warnings) -> BTreeMap<Name, Value> {
    let mut flat = BTreeMap::new();
    for (name, node) in properties {
        let bytes = length(node);
        if bytes > MAX_VALUE_BYTES {
            warnings.omit(format!("{name}: {bytes} bytes"));
        } else if let Some(value) = value(name, node) {
            flat.insert(name.clone(), value);
        }
    }
    flat
}

/// How many bytes of text a value has.
fn length(node: &Node) -> usize {
    match node {
        Node::Text(text) => text.len(),
        Node::Alternatives(items) => items.iter().map(|(_, item)| length(item)).sum(),
        Node::Items(items) => items.iter().map(length).sum(),
        Node::Fields(fields) => fields.values().map(length).sum(),
    }
}

fn value(name: &str, node: &Node) -> Option<Value> {
    match node {
        Node::Text(text) if COORDINATES.contains(&name) => coordinate(text),
        Node::Text(text) => scalar(text),
        Node::Alternatives(_) => scalar(node.text()?),
        Node::Items(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(Node::text).collect();
            let values: Vec<Value> = texts?.into_iter().filter_map(scalar).collect();
            (!values.is_empty()).then_some(Value::Array(values))
        }
        Node::Fields(_) => None,
    }
}

impl Node {
    /// A text, or the alternative for everybody: `x-default`, or else the first.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Alternatives(items) => {
                let default = items
                    .iter()
                    .find(|(language, _)| language.as_deref() == Some("x-default"));
                match &default.or(items.first())?.1 {
                    Self::Text(text) => Some(text),
                    _ => None,
                }
            }
            Self::Items(_) | Self::Fields(_) => None,
        }
    }
}

/// A fraction is a number, and `True` is a boolean. Everything else stays as it is.
fn scalar(text: &str) -> Option<Value> {
    match text {
        "" => None,
        "True" | "true" => Some(Value::Bool(true)),
        "False" | "false" => Some(Value::Bool(false)),
        text => match fraction(text) {
            Some((_, 0)) => None,
            #[expect(clippy::cast_precision_loss, reason = "numbers of that size are no measurements")]
            Some((over, under)) => Number::from_f64(over as f64 / under as f64).map(Value::Number),
            None => Some(text.into()),
        },
    }
}

fn fraction(text: &str) -> Option<(i64, i64)> {
    let (over, under) = text.split_once('/')?;
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(over.strip_prefix('-').unwrap_or(over)) || !is_digits(under) {
        return None;
    }
    Some((over.parse().ok()?, under.parse().ok()?))
}

/// Signed degrees. `None` if the text is no coordinate.
fn coordinate(text: &str) -> Option<Value> {
    let text = text.trim();
    let letter = text.chars().last()?.to_ascii_uppercase();
    let sign = match letter {
        'N' | 'E' => 1.0,
        'S' | 'W' => -1.0,
        _ => return None,
    };
    let limit = if matches!(letter, 'N' | 'S') { 90.0 } else { 180.0 };
    let parts = text[..text.len() - 1]
        .split(',')
        .map(|part| part.trim().parse::<f64>().ok());
    let parts: Vec<f64> = parts.collect::<Option<_>>()?;
    let degrees = match parts[..] {
        [degrees] => degrees,
        [degrees, minutes] => degrees + minutes / 60.0,
        [degrees, minutes, seconds] => degrees + minutes / 60.0 + seconds / 3600.0,
        _ => return None,
    };
    let is_one = (0.0..=limit).contains(&degrees);
    Number::from_f64(sign * degrees).filter(|_| is_one).map(Value::Number)
}
