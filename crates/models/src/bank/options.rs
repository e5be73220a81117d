//! What may be set about a made-up bank.

use crate::options::{Error, check_fractions};

/// What may be set about the customers.
#[derive(Clone, Debug, PartialEq)]
pub struct BankOptions {
    /// How many customers there are at first, and about how many later.
    pub customers: u32,
    /// How many of the changes are withdrawals, 0 to 1. What is neither this nor one of the next
    /// two is a deposit.
    pub withdrawal_fraction: f64,
    /// How many of the changes are moves to another city, 0 to 1.
    pub move_fraction: f64,
    /// How many of the changes are closures, 0 to 1.
    pub closure_fraction: f64,
    /// How many of the records after the first states are out of order, 0 to 1: older than what was
    /// sent before of the same customer, by 1 to `max_lateness_ms`, and not true any more.
    pub out_of_order_fraction: f64,
    /// By how much an out-of-order record may be too old, ms.
    pub max_lateness_ms: i64,
    /// How many of the records after the first states are what was sent last of the same customer,
    /// once more, 0 to 1.
    pub duplicate_fraction: f64,
    /// How many of the records after the first states are unreadable, 0 to 1.
    pub bad_fraction: f64,
}

impl Default for BankOptions {
    fn default() -> Self {
        Self {
            customers: 1_000,
            withdrawal_fraction: 0.45,
            move_fraction: 0.04,
            closure_fraction: 0.01,
            out_of_order_fraction: 0.0,
            max_lateness_ms: 120_000,
            duplicate_fraction: 0.0,
            bad_fraction: 0.0,
        }
    }
}

impl BankOptions {
    /// Whether the options fit together.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn check(&self) -> Result<(), Error> {
        let changes = [
            ("withdrawal", self.withdrawal_fraction),
            ("move", self.move_fraction),
            ("closure", self.closure_fraction),
        ];
        check_fractions("withdrawal, move and closure", &changes)?;
        let faults = [
            ("out-of-order", self.out_of_order_fraction),
            ("duplicate", self.duplicate_fraction),
            ("bad", self.bad_fraction),
        ];
        check_fractions("out-of-order, duplicate and bad", &faults)?;
        if self.max_lateness_ms < 0 {
            let value_ms = self.max_lateness_ms;
            return Err(Error::Negative { name: "maximum lateness", value_ms });
        }
        if self.out_of_order_fraction > 0.0 && self.max_lateness_ms == 0 {
            return Err(Error::NoLateness);
        }
        if self.customers == 0 {
            return Err(Error::NoCustomers);
        }
        Ok(())
    }
}
