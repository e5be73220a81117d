//! Durations as people write them: `30s`, `5m`, `1h30m`, `250ms`.

use std::time::Duration;

/// Reads a duration; made for clap's `value_parser`.
///
/// ```
/// use arus_runtime::duration::parse;
/// use std::time::Duration;
///
/// assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5_400)));
/// assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
/// assert!(parse("30").unwrap_err().contains("30s"));
/// ```
///
/// # Errors
/// A sentence that tells the accepted forms, when the text is none of them.
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    humantime::parse_duration(text).map_err(|_| {
        let guess = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            format!("; did you mean {text}s?")
        } else {
            String::new()
        };
        format!("\"{text}\" is no duration: write 250ms, 30s, 5m or 1h30m{guess}")
    })
}

/// As [`parse`], for what cannot be no time at all.
///
/// ```
/// use arus_runtime::duration::parse_positive;
///
/// assert!(parse_positive("1ms").is_ok());
/// assert!(parse_positive("0s").unwrap_err().contains("1ms or more"));
/// ```
///
/// # Errors
/// Those of [`parse`]; a sentence, when it is shorter than a millisecond.
pub fn parse_positive(text: &str) -> Result<Duration, String> {
    let duration = parse(text)?;
    if duration < Duration::from_millis(1) {
        return Err(format!("{} is too short: write 1ms or more", text.trim()));
    }
    Ok(duration)
}

/// Writes a duration so that [`parse`] reads it back: `1h30m`, `250ms`, `0s`.
///
/// ```
/// use arus_runtime::duration::display;
/// use std::time::Duration;
///
/// assert_eq!(display(Duration::from_secs(5_400)), "1h30m");
/// assert_eq!(display(Duration::from_millis(1_250)), "1s250ms");
/// ```
pub fn display(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

/// The duration in whole milliseconds, as event times are counted.
///
/// # Errors
/// A sentence, when there are more of them than 64 bits hold.
pub fn whole_ms(duration: Duration) -> Result<i64, String> {
    i64::try_from(duration.as_millis()).map_err(|_| "that is longer than time has been".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms() {
        let cases = [
            ("30s", Some(30_000)),
            (" 5m ", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("1h 30m", Some(5_400_000)),
            ("250ms", Some(250)),
            ("2d", Some(172_800_000)),
            ("0s", Some(0)),
            ("", None),
            ("30", None),
            ("-5s", None),
            ("s", None),
            ("5 parsecs", None),
            ("99999999999999999999s", None),
            ("1e3s", None),
        ];
        for (text, ms) in cases {
            assert_eq!(parse(text).ok(), ms.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn the_error_tells_the_forms() {
        assert_eq!(
            parse("30").unwrap_err(),
            "\"30\" is no duration: write 250ms, 30s, 5m or 1h30m; did you mean 30s?"
        );
        assert_eq!(parse("").unwrap_err(), "\"\" is no duration: write 250ms, 30s, 5m or 1h30m");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in 0_u64..1 << 53) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse(&display(duration)), Ok(duration));
        }
    }
}
