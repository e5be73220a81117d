//! Invoice lines made up from a seed, as CSV: the columns, the span and the quirks of the real
//! data. The same seed and options give the same bytes, on every machine.
//!
//! Numbers are drawn from ChaCha8 and mapped to their ranges in whole numbers, so that a file that
//! was made once can be made again.

use std::fmt::Arguments;
use std::io::Write as _;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::calendar::{self, DAYS};
use super::catalogue::{self, Product, Special};
use crate::Error;

/// The first line of the file.
pub const INVOICE_CSV_HEADER: &str =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

/// Where customers live who do not live in the United Kingdom; one in ten.
const ABROAD: [&str; 9] = [
    "Germany",
    "France",
    "EIRE",
    "Spain",
    "Netherlands",
    "Belgium",
    "Switzerland",
    "Portugal",
    "Australia",
];
/// How often a customer who is looked at buys again, of a thousand times, by months since the first
/// purchase.
const COMES_BACK: [u64; 13] = [420, 330, 280, 245, 215, 190, 170, 155, 145, 135, 130, 125, 120];
/// The same of one customer in twelve, who is loyal.
const LOYAL_COMES_BACK: u64 = 750;
/// Pieces, as they are usually ordered.
const QUANTITIES: [i64; 16] = [1, 1, 1, 2, 2, 3, 4, 4, 6, 6, 8, 10, 12, 12, 24, 48];
/// The minute of the day when the shop opens, and how long it is open.
const OPENS: u32 = 8 * 60;
const OPEN_MINUTES: u64 = 10 * 60;
/// 2011-08-12: the day when bad debt was written off.
const ADJUSTMENT_DAY: usize = 254;
/// Sold lines that can still be returned.
const RETURNABLE: usize = 128;

const UNITED_KINGDOM: &str = "United Kingdom";
const POSTAGE: Special = Special { code: "POST", name: "POSTAGE", price: 18_000 };
const DISCOUNT: Special = Special { code: "D", name: "Discount", price: 12_500 };
const BAD_DEBT: Special = Special { code: "B", name: "Adjust bad debt", price: 11_062_060 };
/// What stock takers write, if anything.
const STOCK_NOTES: [&str; 5] = ["", "damaged", "check", "lost", "wet/rusty, thrown away"];

/// What may be set about the invoices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvoiceOptions {
    /// Rows, without the header.
    pub rows: u64,
    /// Customers who come at least once, if there are rows enough.
    pub customers: u32,
}

impl Default for InvoiceOptions {
    fn default() -> Self {
        Self { rows: 5_000, customers: 320 }
    }
}

/// Makes invoice lines, one after the other, in the order of their dates.
///
/// Sales rise towards Christmas. Customers come back less and less often after their first
/// purchase, but for a loyal few. There are cancelled invoices (`C536379`) with negative
/// quantities, rows without a customer, corrections of the stock at price zero, bad debt at a
/// negative price (invoice `A…`), quotes, commas and letters beyond ASCII in descriptions, rows
/// that are there twice, and dates like `12/1/2010 8:26`.
///
/// ```
/// use arus_models::{InvoiceGenerator, InvoiceOptions};
///
/// let mut generator = InvoiceGenerator::new(7, InvoiceOptions { rows: 3, customers: 2 })?;
/// let mut csv = Vec::new();
/// while generator.next_row(&mut csv) {}
/// let csv = String::from_utf8(csv).unwrap();
/// assert_eq!(csv.lines().count(), 3);
/// assert!(csv.starts_with("5363"));
/// # Ok::<(), arus_models::Error>(())
/// ```
#[derive(Debug)]
pub struct InvoiceGenerator {
    rng: ChaCha8Rng,
    options: InvoiceOptions,
    /// Shares of all rows and of all first visits up to and with each day.
    busy: Vec<u64>,
    first_visits: Vec<u64>,
    day: usize,
    minute: u32,
    number: u64,
    made: u64,
    /// Of each customer who has come, the day of the first visit.
    first_days: Vec<u16>,
    /// Lines of the invoice at hand that were not written yet, the last first.
    pending: Vec<Line>,
    /// The latest sold lines, in a ring.
    sold: Vec<Line>,
    next_sold: usize,
    adjusted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    /// What stands before the number: nothing, `C` or `A`.
    letter: &'static str,
    number: u64,
    product: Product,
    /// A description instead of the product's own.
    note: Option<&'static str>,
    quantity: i64,
    day: usize,
    minute: u32,
    /// 1/1000 pound.
    price: i64,
    customer: Option<u32>,
    country: &'static str,
}

impl InvoiceGenerator {
    /// A generator that starts from `seed`.
    ///
    /// # Errors
    /// [`Error::NoCustomers`].
    pub fn new(seed: u64, options: InvoiceOptions) -> Result<Self, Error> {
        if options.customers == 0 {
            return Err(Error::NoCustomers);
        }
        Ok(Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            options,
            busy: summed(calendar::busy),
            first_visits: summed(calendar::first_visits),
            day: 0,
            minute: OPENS,
            number: 536_365,
            made: 0,
            first_days: Vec::new(),
            pending: Vec::new(),
            sold: Vec::new(),
            next_sold: 0,
            adjusted: false,
        })
    }

    /// Appends the next row to `out`, with its line break; `false`: all were made.
    pub fn next_row(&mut self, out: &mut Vec<u8>) -> bool {
        if self.made == self.options.rows {
            return false;
        }
        while self.pending.is_empty() {
            self.next_invoice();
        }
        let line = self.pending.pop().expect("there is one");
        line.write(out);
        self.made += 1;
        true
    }

    /// Makes the lines of one more invoice.
    fn next_invoice(&mut self) {
        self.next_time();
        self.number += 1 + self.below(3);
        if self.day >= ADJUSTMENT_DAY && !self.adjusted {
            self.adjusted = true;
            self.write_off_bad_debt();
            return;
        }
        match self.below(1_000) {
            0..20 if !self.sold.is_empty() => self.take_back(),
            0..32 => self.correct_stock(),
            32..212 => self.sell(None),
            _ => {
                let customer = self.customer();
                self.sell(Some(customer));
            }
        }
    }

    /// Goes on to the time of the next invoice: days get the share of the rows that they are worth.
    fn next_time(&mut self) {
        while self.made >= share(self.options.rows, &self.busy, self.day) && self.day < DAYS - 1 {
            self.day += 1;
            self.minute = OPENS;
        }
        let until = |day| share(self.options.rows, &self.busy, day);
        let before = self.day.checked_sub(1).map_or(0, until);
        let today = (until(self.day) - before).max(1);
        let made_today = self.made.saturating_sub(before).min(today);
        let passed = u128::from(made_today) * u128::from(OPEN_MINUTES) / u128::from(today);
        let minute = OPENS + passed as u32 + self.below(12) as u32;
        self.minute = self.minute.max(minute);
    }

    /// Somebody new while more are to come by this day, else one who came before.
    fn customer(&mut self) -> u32 {
        let customers = u64::from(self.options.customers);
        let come = self.first_days.len() as u64;
        if come < share(customers, &self.first_visits, self.day).max(1) {
            self.first_days.push(self.day as u16);
            return come as u32;
        }
        let mut customer = 0;
        for _ in 0..24 {
            customer = self.below(come);
            let months = (self.day - usize::from(self.first_days[customer as usize])) / 30;
            let chance = if customer.is_multiple_of(12) {
                LOYAL_COMES_BACK
            } else {
                COMES_BACK[months.min(COMES_BACK.len() - 1)]
            };
            if self.below(1_000) < chance {
                break;
            }
        }
        customer as u32
    }

    fn sell(&mut self, customer: Option<u32>) {
        let country = match customer {
            Some(customer) if customer % 10 == 7 => ABROAD[customer as usize / 10 % ABROAD.len()],
            _ => UNITED_KINGDOM,
        };
        let lines = 1 + self.below(4) * self.below(4);
        for _ in 0..lines {
            let choice = Product::count(calendar::is_before_christmas(self.day));
            // The product of two draws: some sell much better than others.
            let (one, other) = (self.below(choice), self.below(choice));
            let product = Product::numbered(one.min(other));
            let quantity = QUANTITIES[self.below(QUANTITIES.len() as u64) as usize];
            let is_gift = self.below(500) == 0;
            let price = if is_gift { 0 } else { i64::from(product.price()) };
            let line = Line { country, customer, quantity, price, ..self.line(product) };
            self.keep(line);
            self.pending.push(line);
            if self.below(100) == 0 {
                self.pending.push(line);
            }
        }
        if country != UNITED_KINGDOM && self.below(3) == 0 {
            let postage = Line { country, customer, ..self.line(Product::Special(POSTAGE)) };
            self.pending.insert(0, postage);
        }
    }

    /// A cancelled invoice: something that was sold comes back, or a discount is given.
    fn take_back(&mut self) {
        let chosen = self.below(self.sold.len() as u64) as usize;
        let sold = self.sold[chosen];
        let line = if self.below(8) == 0 {
            let discount = self.line(Product::Special(DISCOUNT));
            Line { customer: sold.customer, country: sold.country, ..discount }
        } else {
            Line { number: self.number, day: self.day, minute: self.minute, ..sold }
        };
        self.pending.push(Line { letter: "C", quantity: -line.quantity, ..line });
    }

    /// Somebody counted the stock: no customer, no price, often no word.
    fn correct_stock(&mut self) {
        let product = Product::numbered(self.below(Product::count(false)));
        let note = STOCK_NOTES[self.below(STOCK_NOTES.len() as u64) as usize];
        let quantity = -1 - self.below(40) as i64;
        let line = self.line(product);
        self.pending.push(Line { note: Some(note), quantity, price: 0, ..line });
    }

    fn write_off_bad_debt(&mut self) {
        let line = Line { letter: "A", ..self.line(Product::Special(BAD_DEBT)) };
        self.pending.push(Line { number: self.number + 1, price: -line.price, ..line });
        self.pending.push(line);
        self.number += 1;
    }

    /// One piece for nobody in particular, now.
    fn line(&self, product: Product) -> Line {
        Line {
            letter: "",
            number: self.number,
            product,
            note: None,
            quantity: 1,
            day: self.day,
            minute: self.minute,
            price: i64::from(product.price()),
            customer: None,
            country: UNITED_KINGDOM,
        }
    }

    fn keep(&mut self, line: Line) {
        if self.sold.len() < RETURNABLE {
            self.sold.push(line);
        } else {
            self.sold[self.next_sold] = line;
            self.next_sold = (self.next_sold + 1) % RETURNABLE;
        }
    }

    /// A number from 0 to below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.rng.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

impl Line {
    /// Appends the row.
    fn write(&self, out: &mut Vec<u8>) {
        let date = calendar::date(self.day);
        out.extend_from_slice(self.letter.as_bytes());
        write(out, format_args!("{},", self.number));
        self.product.write_code(out);
        out.push(b',');
        match self.note {
            Some(note) => catalogue::write_text(note, out),
            None => self.product.write_name(out),
        }
        write(out, format_args!(",{},", self.quantity));
        write(out, format_args!("{}/{}/{} ", date.month, date.day, date.year));
        write(out, format_args!("{}:{:02},", self.minute / 60, self.minute % 60));
        write_price(out, self.price);
        out.push(b',');
        if let Some(customer) = self.customer {
            write(out, format_args!("{}", 12_346 + customer));
        }
        write(out, format_args!(",{}\n", self.country));
    }
}

/// Appends a price in pounds, given in 1/1000 pound, without zeros at its end: `2.55`, `2.1`, `3`.
fn write_price(out: &mut Vec<u8>, price: i64) {
    let sign = if price < 0 { "-" } else { "" };
    let (pounds, rest) = (price.abs() / 1_000, price.abs() % 1_000);
    write(out, format_args!("{sign}{pounds}"));
    if rest != 0 {
        write(out, format_args!(".{rest:03}"));
        while out.ends_with(b"0") {
            out.pop();
        }
    }
}

fn write(out: &mut Vec<u8>, text: Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes all");
}

/// Each day's number and those of all days before it, added up.
fn summed(of_day: impl Fn(usize) -> u64) -> Vec<u64> {
    let mut sum = 0;
    let add = |day| {
        sum += of_day(day);
        sum
    };
    (0..DAYS).map(add).collect()
}

/// How many of `total` are due by the end of `day`.
fn share(total: u64, sums: &[u64], day: usize) -> u64 {
    let all = sums.last().copied().unwrap_or(1).max(1);
    (u128::from(total) * u128::from(sums[day]) / u128::from(all)) as u64
}

#[cfg(test)]
mod tests;
