//! Numbers from EXIF values: no NaN, no infinity, no zero denominators.

use exif::Value;
use serde_json::Number;

/// A number for JSON. Whole numbers stay whole: `50`, not `50.0`.
#[must_use]
pub fn json(value: f64) -> Option<Number> {
    /// 2^53. Up to here, every integer has its own f64.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
        let whole = value as i64;
        return Some(whole.into());
    }
    Number::from_f64(value)
}

/// How many numbers a value holds.
pub fn count(value: &Value) -> usize {
    match value {
        Value::Byte(values) => values.len(),
        Value::Short(values) => values.len(),
        Value::Long(values) => values.len(),
        Value::Rational(values) => values.len(),
        Value::SByte(values) => values.len(),
        Value::SShort(values) => values.len(),
        Value::SLong(values) => values.len(),
        Value::SRational(values) => values.len(),
        Value::Float(values) => values.len(),
        Value::Double(values) => values.len(),
        Value::Ascii(_) | Value::Undefined(..) | Value::Unknown(..) => 0,
    }
}

/// One of the numbers of a value. `None` if it is missing, NaN or infinite.
pub fn at(value: &Value, index: usize) -> Option<f64> {
    let number = match value {
        Value::Byte(values) => f64::from(*values.get(index)?),
        Value::Short(values) => f64::from(*values.get(index)?),
        Value::Long(values) => f64::from(*values.get(index)?),
        Value::Rational(values) => values.get(index).map(|of| f64::from(of.num) / f64::from(of.denom))?,
        Value::SByte(values) => f64::from(*values.get(index)?),
        Value::SShort(values) => f64::from(*values.get(index)?),
        Value::SLong(values) => f64::from(*values.get(index)?),
        Value::SRational(values) => values.get(index).map(|of| f64::from(of.num) / f64::from(of.denom))?,
        Value::Float(values) => f64::from(*values.get(index)?),
        Value::Double(values) => *values.get(index)?,
        Value::Ascii(_) | Value::Undefined(..) | Value::Unknown(..) => return None,
    };
    number.is_finite().then_some(number)
}

/// The first number of a value.
pub fn first(value: &Value) -> Option<f64> {
    at(value, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_numbers_are_absent() {
        assert_eq!(first(&Value::Rational(vec![(1, 0).into()])), None);
        assert_eq!(first(&Value::Rational(vec![(0, 0).into()])), None);
        assert_eq!(first(&Value::SRational(vec![(-1, 4).into()])), Some(-0.25));
        assert_eq!(first(&Value::Float(vec![f32::NAN])), None);
        assert_eq!(first(&Value::Short(vec![])), None);
        assert_eq!(first(&Value::Short(vec![0, 7])), Some(0.0));
        assert_eq!(first(&Value::Ascii(vec![b"7".to_vec()])), None);
    }

    #[test]
    fn whole_numbers_stay_whole() {
        assert_eq!(json(50.0).unwrap().to_string(), "50");
        assert_eq!(json(-0.5).unwrap().to_string(), "-0.5");
        assert_eq!(json(f64::INFINITY), None);
    }
}
