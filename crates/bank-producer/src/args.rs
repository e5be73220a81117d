//! The flags, as typed; [`Args::options`] is what they mean.

use std::time::Duration;

use arus_kafka::load::ProgramArgs;
use arus_models::{BankCustomer, BankOptions};
use arus_runtime::duration;

/// Sends bank customers and their changes to Kafka
///
/// First the state of each of --customers N; then changes of theirs, for ever: deposits,
/// withdrawals (never more than there is), moves to another city, closures. In the place of a
/// closed account comes the same customer again, or a new one, so that about N stay.
///
/// Each record is a customer's whole new state, a JSON object: customer_id, name, account_number,
/// account_type (savings, current or deposit), city, balance (whole rupiah), opened_on (YYYY-MM-DD)
/// and updated_at (event time, milliseconds since 1970). The record's key is the customer's number
/// as text, its timestamp is updated_at; a closure has the key and no value (a tombstone). The
/// topic is created if it is not there.
///
/// The producer is idempotent: a retry never doubles a record. When the broker takes nothing for a
/// while the program waits; nothing is dropped. The closing line says how many records were sent,
/// acknowledged and failed, and what they told.
#[derive(Debug, clap::Parser)]
#[command(version, after_long_help = include_str!("after_help.txt"), max_term_width = 100)]
pub(crate) struct Args {
    /// The topic to send to
    #[arg(long, default_value = "nasabah_bank", value_name = "NAME")]
    pub(crate) topic: String,

    /// Let the broker keep the last record of each customer only (cleanup.policy=compact), if the
    /// topic has to be created
    #[arg(long)]
    pub(crate) compact: bool,

    /// How many customers there are
    #[arg(long, default_value_t = 1_000, value_name = "N", help_heading = "Customers")]
    pub(crate) customers: u32,

    /// How many of the changes are withdrawals, 0 to 1; what is left are deposits
    #[arg(long, default_value_t = 0.45, value_name = "FRACTION", help_heading = "Customers")]
    pub(crate) withdrawal_fraction: f64,

    /// How many of the changes are moves to another city, 0 to 1
    #[arg(long, default_value_t = 0.04, value_name = "FRACTION", help_heading = "Customers")]
    pub(crate) move_fraction: f64,

    /// How many of the changes are closures, 0 to 1; as many accounts are opened again
    #[arg(long, default_value_t = 0.01, value_name = "FRACTION", help_heading = "Customers")]
    pub(crate) closure_fraction: f64,

    /// How many records are out of order, 0 to 1: with an older updated_at than what was sent
    /// before of the customer, and a balance that is not true any more. This and the next three
    /// are for practice, and begin after the first states
    #[arg(long, default_value_t = 0.0, value_name = "FRACTION", help_heading = "Practice")]
    pub(crate) out_of_order_fraction: f64,

    /// By how much the updated_at of an out-of-order record may be too old
    #[arg(
        long,
        default_value = "2m",
        value_name = "TIME",
        value_parser = duration::parse,
        help_heading = "Practice"
    )]
    pub(crate) max_lateness: Duration,

    /// How many records are what was sent last of a customer, once more, 0 to 1
    #[arg(long, default_value_t = 0.0, value_name = "FRACTION", help_heading = "Practice")]
    pub(crate) duplicate_fraction: f64,

    /// How many records are unreadable, 0 to 1, in eighteen ways
    #[arg(long, default_value_t = 0.0, value_name = "FRACTION", help_heading = "Practice")]
    pub(crate) bad_fraction: f64,

    #[command(flatten)]
    pub(crate) common: ProgramArgs,
}

impl Args {
    /// What the flags say of the customers.
    ///
    /// # Errors
    /// A sentence for the user, when they do not fit together.
    pub(crate) fn options(&self) -> Result<BankOptions, String> {
        let max_lateness_ms = duration::whole_ms(self.max_lateness)?;
        self.common.load.check_event_times(
            if self.out_of_order_fraction > 0.0 { max_lateness_ms } else { 0 },
            BankCustomer::UPDATED_AT_MIN..=BankCustomer::UPDATED_AT_MAX,
        )?;
        let options = BankOptions {
            customers: self.customers,
            withdrawal_fraction: self.withdrawal_fraction,
            move_fraction: self.move_fraction,
            closure_fraction: self.closure_fraction,
            out_of_order_fraction: self.out_of_order_fraction,
            max_lateness_ms,
            duplicate_fraction: self.duplicate_fraction,
            bad_fraction: self.bad_fraction,
        };
        options.check().map_err(|error| error.to_string())?;
        Ok(options)
    }

    /// The topic's own settings, if it has to be created.
    pub(crate) fn topic_configs(&self) -> Vec<(String, String)> {
        let policy = ("cleanup.policy".to_owned(), "compact".to_owned());
        self.compact.then_some(policy).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    fn parse(flags: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(["bank-producer"].iter().chain(flags))
    }

    #[test]
    fn the_flags_fit_together() {
        Args::command().debug_assert();
        let help = Args::command().render_long_help().to_string();
        for word in ["Examples", "Exit codes", "--customers", "--compact", "KAFKA_BROKERS"] {
            assert!(help.contains(word), "{word}");
        }
        assert_eq!(parse(&[]).unwrap().options().unwrap(), BankOptions::default());
    }

    #[test]
    fn the_flags_mean_what_they_say() {
        let args = parse(&[
            "--customers=5",
            "--withdrawal-fraction=0.5",
            "--move-fraction=0.25",
            "--closure-fraction=0.125",
            "--out-of-order-fraction=0.1",
            "--max-lateness=1m30s",
            "--duplicate-fraction=0.2",
            "--bad-fraction=0.01",
            "--compact",
            "--rate=0",
            "--count=7",
        ])
        .unwrap();
        let expected = BankOptions {
            customers: 5,
            withdrawal_fraction: 0.5,
            move_fraction: 0.25,
            closure_fraction: 0.125,
            out_of_order_fraction: 0.1,
            max_lateness_ms: 90_000,
            duplicate_fraction: 0.2,
            bad_fraction: 0.01,
        };
        assert_eq!(args.options().unwrap(), expected);
        assert_eq!((args.topic.as_str(), args.common.load.count), ("nasabah_bank", Some(7)));
        let compact = [("cleanup.policy".to_owned(), "compact".to_owned())];
        assert_eq!(args.topic_configs(), compact);
        assert_eq!(parse(&[]).unwrap().topic_configs(), []);
    }

    #[test]
    fn options_that_make_no_sense_are_told() {
        for (flags, expected) in [
            (&["--closure-fraction=2"][..], "the closure fraction must be from 0 to 1, not 2"),
            (
                &["--withdrawal-fraction=0.75", "--move-fraction=0.5"],
                "the withdrawal, move and closure fractions are more than 1 together: 1.26",
            ),
            (
                &["--bad-fraction=0.75", "--duplicate-fraction=0.5"],
                "the out-of-order, duplicate and bad fractions are more than 1 together: 1.25",
            ),
            (
                &["--out-of-order-fraction=0.5", "--max-lateness=0s"],
                "late records need a maximum lateness of 1 ms or more",
            ),
            (&["--customers=0"], "there must be 1 customer or more"),
            (
                &["--start-time=1999-12-31T00:00:00Z"],
                "event times must lie in the years 2000 to 9999, the first, the last and the late \
                 ones: choose another --start-time",
            ),
            (
                &["--start-time=9999-12-31T23:59:59Z", "--count=5000"],
                "event times must lie in the years 2000 to 9999, the first, the last and the late \
                 ones: choose another --start-time",
            ),
            (
                &["--out-of-order-fraction=0.1", "--max-lateness=30000y"],
                "--max-lateness is 20 years at the most",
            ),
        ] {
            assert_eq!(parse(flags).unwrap().options().unwrap_err(), expected);
        }
    }
}
