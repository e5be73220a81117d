//! How many rejected rows are too many.

use std::fmt;
use std::str::FromStr;

/// `--max-rejects`: a number of rows (`100`) or a share of all rows (`1%`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxRejects {
    /// So many rows.
    Rows(u64),
    /// So many of a hundred rows.
    Percent(f64),
}

impl MaxRejects {
    /// Whether a run must fail that rejected so many of its rows. A share can only be judged when
    /// all rows were read (`is_end`).
    pub(crate) fn is_exceeded(self, rejected: u64, rows: u64, is_end: bool) -> bool {
        match self {
            MaxRejects::Rows(limit) => rejected > limit,
            MaxRejects::Percent(percent) => {
                is_end && rejected as f64 * 100.0 > rows as f64 * percent
            }
        }
    }
}

impl FromStr for MaxRejects {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let limit = match text.strip_suffix('%') {
            Some(percent) => percent
                .trim_end()
                .parse()
                .ok()
                .filter(|percent| (0.0..=100.0).contains(percent))
                .map(MaxRejects::Percent),
            None => text.parse().ok().map(MaxRejects::Rows),
        };
        limit.ok_or_else(|| {
            format!("\"{text}\" is no limit: write a number of rows, as 100, or a share, as 1%")
        })
    }
}

impl fmt::Display for MaxRejects {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaxRejects::Rows(rows) => write!(out, "{rows}"),
            MaxRejects::Percent(percent) => write!(out, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let cases = [
            ("100", Some(MaxRejects::Rows(100))),
            ("0", Some(MaxRejects::Rows(0))),
            ("1%", Some(MaxRejects::Percent(1.0))),
            (" 0.5 % ", Some(MaxRejects::Percent(0.5))),
            ("100%", Some(MaxRejects::Percent(100.0))),
            ("101%", None),
            ("-1%", None),
            ("NaN%", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("%", None),
        ];
        for (text, limit) in cases {
            assert_eq!(text.parse().ok(), limit, "{text:?}");
        }
        assert_eq!(MaxRejects::Percent(0.5).to_string(), "0.5%");
        assert_eq!(MaxRejects::Rows(7).to_string(), "7");
    }

    #[test]
    fn a_number_is_exceeded_at_once_and_a_share_at_the_end() {
        let cases = [
            (MaxRejects::Rows(2), 2, 10, true, false),
            (MaxRejects::Rows(2), 3, 10, false, true),
            (MaxRejects::Percent(10.0), 1, 10, true, false),
            (MaxRejects::Percent(10.0), 2, 10, false, false),
            (MaxRejects::Percent(10.0), 2, 10, true, true),
            (MaxRejects::Percent(0.0), 0, 0, true, false),
            (MaxRejects::Percent(0.0), 1, 1_000_000, true, true),
        ];
        for (limit, rejected, rows, is_end, exceeded) in cases {
            let found = limit.is_exceeded(rejected, rows, is_end);
            assert_eq!(found, exceeded, "{limit} {rejected} {rows} {is_end}");
        }
    }
}
