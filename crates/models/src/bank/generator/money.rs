//! How much customers have: log-normal, as money is spread among people.
//!
//! Made of additions and multiplications only, which give the same bits on every machine; the
//! system's `exp` does not.

use super::super::AccountType;

/// The least that an account is opened with, rupiah.
const OPENED_WITH_MIN: i64 = 50_000;
/// Balances are whole thousands.
pub(super) const THOUSAND: i64 = 1_000;

/// What half of the accounts of that kind have less than, rupiah, and the standard deviation of its
/// natural logarithm.
pub(super) const fn spread(account_type: AccountType) -> (f64, f64) {
    match account_type {
        AccountType::Savings => (3_000_000.0, 1.2),
        AccountType::Current => (8_000_000.0, 1.4),
        AccountType::Deposit => (25_000_000.0, 0.9),
    }
}

/// What this customer has when nothing happens: the balance of the first day, and what later ones
/// swing around. Always the same for a customer, so that it need not be kept; `seed` tells one
/// generator's customers from another's.
pub(super) fn usual_balance(seed: u64, customer_id: i64, account_type: AccountType) -> i64 {
    let (median, deviation) = spread(account_type);
    let mut state = mixed(seed) ^ customer_id.unsigned_abs();
    let words = [(); 3].map(|()| {
        state = state.wrapping_add(GOLDEN);
        mixed(state)
    });
    let rupiah = median * exp(deviation * normal(words));
    (rupiah as i64 / THOUSAND * THOUSAND).max(OPENED_WITH_MIN)
}

/// 2^64 divided by the golden ratio: the step of SplitMix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The mixing function of SplitMix64: neighbours become strangers.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A number from the normal distribution, nearly: twelve random numbers between 0 and 1, added up,
/// less six. Never further out than six standard deviations.
fn normal(words: [u64; 3]) -> f64 {
    let parts = |word: u64| (0..4).map(move |part| (word >> (16 * part)) & 0xffff);
    let sum: u64 = words.into_iter().flat_map(parts).sum();
    // Each part stands for the middle of its step.
    (sum as f64 + 6.0) / 65_536.0 - 6.0
}

/// e to the power of `x`, for `x` from -20 to 20, exact to seven digits.
fn exp(x: f64) -> f64 {
    // e^x = (e^(x/1024))^1024: a short series, then ten squarings.
    let small = x / 1024.0;
    let series = 1.0 + small * (1.0 + small / 2.0 * (1.0 + small / 3.0 * (1.0 + small / 4.0)));
    (0..10).fold(series, |power, _| power * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_mathematics() {
        for tenth in -200..=200 {
            let x = f64::from(tenth) / 10.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-6, "{x}: {} {}", exp(x), x.exp());
        }
    }

    #[test]
    fn balances_are_log_normal() {
        const CUSTOMERS: usize = 100_000;
        for kind in AccountType::ALL {
            let (median, deviation) = spread(kind);
            let mut logs: Vec<f64> = (1..=CUSTOMERS as i64)
                .map(|id| (usual_balance(42, id, kind) as f64 / median).ln() / deviation)
                .collect();
            logs.sort_by(f64::total_cmp);
            // The quantiles of the standard normal distribution.
            for (share, expected) in [
                (0.01, -2.326),
                (0.1, -1.282),
                (0.25, -0.674),
                (0.5, 0.0),
                (0.75, 0.674),
                (0.9, 1.282),
                (0.99, 2.326),
            ] {
                let found = logs[(share * CUSTOMERS as f64) as usize];
                assert!((found - expected).abs() < 0.05, "{kind:?} {share}: {found} {expected}");
            }
        }
    }
}
