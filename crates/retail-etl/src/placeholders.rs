//! Dates in the names of input files: `sales/%Y-%m-%d.csv` is another file for each run.
//!
//! The placeholders are those of `strftime`, filled with the time that the run is for, on the
//! clock of the schedule's zone. So a backfill of last week reads last week's files.

use std::fmt::Write as _;

use chrono::DateTime;
use chrono_tz::Tz;

use crate::Error;

/// The inputs with all placeholders filled; those without a percent sign stay as they are.
///
/// ```
/// use chrono::TimeZone;
///
/// let time = chrono_tz::Asia::Jakarta.with_ymd_and_hms(2026, 11, 25, 2, 0, 0).unwrap();
/// let filled = retail_etl::placeholders::fill(&["sales/%Y-%m-%d.csv".to_owned()], time);
/// assert_eq!(filled.unwrap(), ["sales/2026-11-25.csv"]);
/// ```
///
/// # Errors
/// When what follows a percent sign is no placeholder.
pub fn fill(inputs: &[String], time: DateTime<Tz>) -> Result<Vec<String>, Error> {
    let fill_one = |input: &String| {
        if !input.contains('%') {
            return Ok(input.clone());
        }
        let mut filled = String::with_capacity(input.len() + 8);
        write!(filled, "{}", time.format(input)).map_err(|_| {
            Error::Usage(format!(
                "\"{input}\" has a % that begins no placeholder: write %Y, %m, %d, %H and the like \
                 for the time that the run is for, and %% for a percent sign"
            ))
        })?;
        Ok(filled)
    };
    inputs.iter().map(fill_one).collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn placeholders() {
        let time = chrono_tz::Europe::Berlin.with_ymd_and_hms(2026, 3, 9, 2, 30, 0).unwrap();
        let cases = [
            ("plain.csv", Some("plain.csv")),
            ("*/[ab]?.csv", Some("*/[ab]?.csv")),
            ("sales/%Y/%m/%d.csv.gz", Some("sales/2026/03/09.csv.gz")),
            ("%Y%m%dT%H%M%S%z.csv", Some("20260309T023000+0100.csv")),
            ("100%%.csv", Some("100%.csv")),
            ("100%.csv", None),
            ("at the end%", None),
        ];
        for (input, expected) in cases {
            let filled = fill(&[input.to_owned()], time);
            match expected {
                Some(expected) => assert_eq!(filled.unwrap(), [expected], "{input}"),
                None => {
                    let error = filled.unwrap_err().to_string();
                    assert!(error.contains(input) && error.contains("%%"), "{error}");
                }
            }
        }
    }
}
