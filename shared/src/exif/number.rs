//! Numbers out of EXIF values: no NaN, no infinity, no zero denominators.

use exif::Value;
use serde_json::Number;

/// Whole numbers stay whole in JSON: `50`, not `50.0`.
pub fn json(value: f64) -> Option<Number> {
    /// The largest integer up to which every integer has its own f64.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
        let whole = value as i64;
        return Some(whole.into());
    }
    Number::from_f64(value)
}

/// Every number of a value, `None` in the place of what is no number; `None` for what holds no numbers.
pub fn all(value: &Value) -> Option<Vec<Option<f64>>> {
    fn each<T: Copy>(values: &[T], number: impl Fn(T) -> f64) -> Vec<Option<f64>> {
        values
            .iter()
            .map(|&value| Some(number(value)).filter(|number| number.is_finite()))
            .collect()
    }
    Some(match value {
        Value::Byte(values) => each(values, f64::from),
        Value::Short(values) => each(values, f64::from),
        Value::Long(values) => each(values, f64::from),
        Value::SByte(values) => each(values, f64::from),
        Value::SShort(values) => each(values, f64::from),
        Value::SLong(values) => each(values, f64::from),
        Value::Float(values) => each(values, f64::from),
        Value::Double(values) => each(values, |value| value),
        Value::Rational(values) => each(values, |value| f64::from(value.num) / f64::from(value.denom)),
        Value::SRational(values) => each(values, |value| f64::from(value.num) / f64::from(value.denom)),
        Value::Ascii(_) | Value::Undefined(..) | Value::Unknown(..) => return None,
    })
}

/// The first number of a value.
pub fn first(value: &Value) -> Option<f64> {
    *all(value)?.first()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_absent() {
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
