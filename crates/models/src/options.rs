//! What the options of the generators must keep to.

/// Options that make no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A fraction that is none.
    #[error("the {name} fraction must be from 0 to 1, not {value}")]
    Fraction {
        /// Which one.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// More than all records would be special.
    #[error("the {names} fractions are more than 1 together: {sum}")]
    FractionSum {
        /// Which ones.
        names: &'static str,
        /// Their sum.
        sum: f64,
    },
    /// A time span below zero.
    #[error("the {name} must not be negative, but is {value_ms} ms")]
    Negative {
        /// Which one.
        name: &'static str,
        /// What was given, ms.
        value_ms: i64,
    },
    /// Late by how much?
    #[error("late records need a maximum lateness of 1 ms or more")]
    NoLateness,
    /// Nobody buys, nobody has an account.
    #[error("there must be 1 customer or more")]
    NoCustomers,
}

/// Each must be a fraction, and all together too; `names` is what to call them together.
pub(crate) fn check_fractions(
    names: &'static str,
    fractions: &[(&'static str, f64)],
) -> Result<(), Error> {
    for &(name, value) in fractions {
        if !(0.0..=1.0).contains(&value) {
            return Err(Error::Fraction { name, value });
        }
    }
    let sum = fractions.iter().map(|(_, value)| value).sum();
    if sum > 1.0 { Err(Error::FractionSum { names, sum }) } else { Ok(()) }
}
