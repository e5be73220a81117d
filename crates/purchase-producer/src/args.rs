//! The flags, as typed; [`Args::options`] is what they mean.

use std::time::Duration;

use arus_kafka::load::ProgramArgs;
use arus_models::{PurchaseEvent, PurchaseOptions};
use arus_runtime::duration;

/// Sends purchase events to Kafka: at a rate, some of them late, some of them unreadable
///
/// Each event is a JSON object: order_id (a UUID), customer_id, furniture (Chair, Table, Desk, Sofa
/// or Bed), color, price (whole rupiah) and ts (event time, milliseconds since 1970). The record's
/// key is the customer's number as text, its timestamp is the event time. The topic is created if
/// it is not there.
///
/// The producer is idempotent: a retry never doubles an event. When the broker takes nothing for a
/// while the program waits; nothing is dropped. The closing line says how many events were sent,
/// acknowledged and failed.
#[derive(Debug, clap::Parser)]
#[command(version, after_long_help = include_str!("after_help.txt"), max_term_width = 100)]
pub(crate) struct Args {
    /// The topic to send to
    #[arg(long, default_value = "purchases", value_name = "NAME")]
    pub(crate) topic: String,

    /// How many of all events are late, 0 to 1: phones that come back on line
    #[arg(long, default_value_t = 0.1, value_name = "FRACTION", help_heading = "Purchases")]
    pub(crate) late_fraction: f64,

    /// How far in the past the event time of a late event may lie
    #[arg(
        long,
        default_value = "2m",
        value_name = "TIME",
        value_parser = duration::parse,
        help_heading = "Purchases"
    )]
    pub(crate) max_lateness: Duration,

    /// How far in the past the event time of every other event may lie
    #[arg(
        long,
        default_value = "0s",
        value_name = "TIME",
        value_parser = duration::parse,
        help_heading = "Purchases"
    )]
    pub(crate) out_of_order: Duration,

    /// How many of all events are unreadable, 0 to 1, in eighteen ways; for practice
    #[arg(long, default_value_t = 0.0, value_name = "FRACTION", help_heading = "Purchases")]
    pub(crate) bad_fraction: f64,

    /// How many customers there are; a few of them buy a lot
    #[arg(long, default_value_t = 10_000, value_name = "N", help_heading = "Purchases")]
    pub(crate) customers: u32,

    #[command(flatten)]
    pub(crate) common: ProgramArgs,
}

impl Args {
    /// What the flags say of the purchases.
    ///
    /// # Errors
    /// A sentence for the user, when they do not fit together.
    pub(crate) fn options(&self) -> Result<PurchaseOptions, String> {
        let max_lateness_ms = duration::whole_ms(self.max_lateness)?;
        let out_of_order_ms = duration::whole_ms(self.out_of_order)?;
        self.common.load.check_event_times(
            max_lateness_ms.max(out_of_order_ms),
            PurchaseEvent::TS_MIN..=PurchaseEvent::TS_MAX,
        )?;
        let options = PurchaseOptions {
            late_fraction: self.late_fraction,
            max_lateness_ms,
            out_of_order_ms,
            bad_fraction: self.bad_fraction,
            customers: self.customers,
        };
        options.check().map_err(|error| error.to_string())?;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    fn parse(flags: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(["purchase-producer"].iter().chain(flags))
    }

    #[test]
    fn the_flags_fit_together() {
        Args::command().debug_assert();
        let help = Args::command().render_long_help().to_string();
        for word in ["Examples", "Exit codes", "--late-fraction", "KAFKA_BROKERS"] {
            assert!(help.contains(word), "{word}");
        }
    }

    #[test]
    fn the_flags_mean_what_they_say() {
        let args = parse(&[
            "--late-fraction=0.25",
            "--max-lateness=1m30s",
            "--out-of-order=250ms",
            "--bad-fraction=0.01",
            "--customers=5",
            "--rate=0",
            "--count=7",
        ])
        .unwrap();
        let expected = PurchaseOptions {
            late_fraction: 0.25,
            max_lateness_ms: 90_000,
            out_of_order_ms: 250,
            bad_fraction: 0.01,
            customers: 5,
        };
        assert_eq!(args.options().unwrap(), expected);
        assert_eq!((args.topic.as_str(), args.common.load.count), ("purchases", Some(7)));
    }

    #[test]
    fn fractions_that_are_none_are_told() {
        for (flags, expected) in [
            (&["--late-fraction=2"][..], "the late fraction must be from 0 to 1, not 2"),
            (&["--bad-fraction=0.95"], "the late and bad fractions are more than 1 together: 1.05"),
            (&["--max-lateness=0s"], "late records need a maximum lateness of 1 ms or more"),
            (&["--customers=0"], "there must be 1 customer or more"),
        ] {
            assert_eq!(parse(flags).unwrap().options().unwrap_err(), expected);
        }
    }

    #[test]
    fn event_times_stay_in_the_calendar() {
        let cases = [
            ("2000-01-01T00:01:59Z", false),
            ("2000-01-01T00:02:00Z", true),
            ("1999-01-01T00:00:00Z", false),
            ("2024-02-29T12:00:00+07:00", true),
            ("9999-12-31T23:59:58Z", true),
            ("9999-12-31T23:59:59Z", false),
        ];
        for (start, is_good) in cases {
            let args = parse(&["--start-time", start, "--count=3000"]).unwrap();
            assert_eq!(args.options().is_ok(), is_good, "{start}");
        }
    }
}
