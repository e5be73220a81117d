//! What the numbers say, as sentences.

use super::figures::{Customers, Figures, Pounds, ratio};
use super::text;
use crate::quality::Quality;

/// How many customers bought: the answer to the first half of the question.
pub(super) fn customers(figures: &Figures) -> String {
    let Some(best) = best_month(figures) else {
        return "The input holds no purchase of a known customer.".to_owned();
    };
    let (month, unique) = (text::month(best.month), text::count(best.unique));
    let different = if best.unique == 1 { "customer" } else { "different customers" };
    let all = figures.customers.len();
    if all == 1 {
        return format!("In {month}, {unique} {different} bought.");
    }
    let best = format!("In {month}, {unique} {different} bought, the most of {all} months");
    let whole = figures.whole_months().count();
    if whole == 0 {
        return format!("{best}.");
    }
    let mean = figures.whole_months().map(|row| row.unique).sum::<i64>() as f64 / whole as f64;
    format!("{best}; in an average month it was {}.", text::count(mean.round() as i64))
}

/// Whether they come back: the answer to the second half.
pub(super) fn retention(figures: &Figures) -> String {
    let Some(next) = figures.share_back(1) else {
        return "It is too early to tell whether customers come back: that takes two whole months."
            .to_owned();
    };
    let next = text::percent(next);
    let first = format!("Of those who buy for the first time, {next} buy again in the next month");
    let later = [12, 6, 3].into_iter().find_map(|later| Some((later, figures.share_back(later)?)));
    match later {
        Some((later, share)) => {
            let share = text::percent(share);
            format!("{first}, and {share} do so {later} months after their first.")
        }
        None => format!("{first}."),
    }
}

/// How much of the last whole month's custom was old.
pub(super) fn returning(figures: &Figures) -> Option<String> {
    let last = figures.whole_months().next_back()?;
    if figures.customers.first()?.month == last.month || last.unique == 0 {
        return None;
    }
    let share = text::percent(ratio(last.returning, last.unique));
    Some(format!("{share} of the customers of {} had bought before.", text::month(last.month)))
}

/// What was sold; `None` if nothing was.
pub(super) fn sales(figures: &Figures) -> Option<String> {
    let best = figures.sales.iter().rev().max_by_key(|row| row.revenue)?;
    let (month, amount) = (text::month(best.month), text::pounds(best.revenue));
    Some(match figures.sales.len() {
        1 => format!("Sales of {month} came to {amount}."),
        months => format!("Sales were best in {month}, {amount}, the most of {months} months."),
    })
}

/// What became of the rows.
pub(super) fn quality(quality: &Quality) -> String {
    let rows = text::rows(quality.rows);
    match (quality.rows, quality.rejected) {
        (0, _) => "The input has no rows.".to_owned(),
        (_, 0) => format!("All {rows} rows could be read."),
        (_, rejected) => {
            let share = rejected as f64 / quality.rows as f64;
            let rejected = text::rows(rejected);
            format!("Of {rows} rows, {rejected} were rejected ({}).", text::exact_percent(share))
        }
    }
}

/// All customers, each once.
pub(super) fn all_customers(figures: &Figures) -> i64 {
    figures.customers.iter().map(|row| row.new).sum()
}

/// All sales.
pub(super) fn all_sales(figures: &Figures) -> Pounds {
    figures.sales.iter().map(|row| row.revenue).sum()
}

/// The first of those with the most customers.
fn best_month(figures: &Figures) -> Option<&Customers> {
    figures.customers.iter().rev().max_by_key(|row| row.unique)
}
