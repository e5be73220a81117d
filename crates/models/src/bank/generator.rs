//! Bank customers and their changes, made up from a seed: the same seed, options and times give the
//! same bytes, on every machine.
//!
//! First each customer's first state; then deposits, withdrawals, moves, closures, and somebody new
//! or back in the place of a closed account, so that about as many accounts stay open. A state is
//! 40 bytes, and there is one for each place: memory does not grow with the records.

mod money;
mod people;

use std::borrow::Cow;
use std::fmt::Write;

use arrow::datatypes::Date32Type;

use super::fields::Fields;
use super::{AccountType, BankCustomer, BankOptions};
use crate::BadKind;
use crate::bad::Sample;
use crate::options::Error;
use crate::random::{Random, share};
use crate::timestamp::PLAUSIBLE_MS;
use money::THOUSAND;
use people::{CITIES, GIVEN_NAMES, LAST_NAMES};

/// What a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BankRecord {
    /// A customer who was not there before.
    New,
    /// A customer whose account was closed, and is open again.
    Reopened,
    /// Somebody paid in.
    Deposit,
    /// Somebody took out what was there, or a part of it.
    Withdrawal,
    /// Somebody lives in another city now.
    Move,
    /// An account was closed: the record is a tombstone, without a value.
    Closure,
    /// An older state than what was sent before of the customer, to be ignored.
    OutOfOrder,
    /// What was sent last of the customer, once more, byte for byte; a tombstone after a closure.
    Duplicate,
    /// Made unreadable on purpose, and how. Nothing has changed.
    Bad(BadKind),
}

/// What was generated, beside the record's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BankGenerated {
    /// Whom it is about: the record's key.
    pub customer_id: i64,
    /// The record's time, ms since the Unix epoch; of a tombstone the time of the closure, of a bad
    /// record the one it would have had. Of a customer it never goes back, but for records that are
    /// out of order.
    pub updated_at: i64,
    /// What it tells.
    pub record: BankRecord,
    /// Whether the record has no value; the payload is empty then.
    pub tombstone: bool,
}

/// One place: a customer and the state of the account. Names and cities are places in the lists.
#[derive(Clone, Copy, Debug)]
struct Account {
    customer_id: i64,
    balance: i64,
    updated_at: i64,
    /// Days since the Unix epoch.
    opened_on_day: i32,
    given_name: u8,
    last_name: u8,
    city: u8,
    account_type: AccountType,
    is_open: bool,
}

/// Makes customers and their changes, one record after the other.
///
/// ```
/// use arus_models::{BankCustomer, BankGenerator, BankOptions, BankRecord, TimestampUnit};
///
/// let options = BankOptions { customers: 1, closure_fraction: 0.0, ..BankOptions::default() };
/// let mut generator = BankGenerator::new(7, options)?;
/// let mut payload = Vec::new();
/// let first = generator.next(1_700_000_000_000, &mut payload);
/// assert_eq!((first.customer_id, first.record), (1, BankRecord::New));
/// let change = generator.next(1_700_000_000_500, &mut payload);
/// assert_eq!((change.customer_id, change.updated_at), (1, 1_700_000_000_500));
///
/// let sent = BankCustomer::from_json(&payload, TimestampUnit::Milliseconds).unwrap();
/// assert_eq!(generator.customers().collect::<Vec<_>>(), [sent]);
/// # Ok::<(), arus_models::Error>(())
/// ```
#[derive(Debug)]
pub struct BankGenerator {
    random: Random,
    seed: u64,
    options: BankOptions,
    accounts: Vec<Account>,
    /// The number of the next customer who was not there before.
    next_id: i64,
    /// Room for the texts of the record that is being made.
    texts: Texts,
    /// Draws below these make a bad record, a duplicate, one out of order …
    faults: [u64; 3],
    /// … and a withdrawal, a move, a closure.
    changes: [u64; 3],
}

impl BankGenerator {
    /// A generator that starts from `seed`.
    ///
    /// # Errors
    /// When the options contradict themselves.
    pub fn new(seed: u64, options: BankOptions) -> Result<Self, Error> {
        options.check()?;
        let up_to = |fractions: [f64; 3]| {
            let [first, second, third] = fractions;
            [first, first + second, first + second + third].map(share)
        };
        let BankOptions { bad_fraction, duplicate_fraction, out_of_order_fraction, .. } = options;
        Ok(Self {
            random: Random::new(seed),
            seed,
            accounts: Vec::new(),
            next_id: 1,
            texts: Texts::default(),
            faults: up_to([bad_fraction, duplicate_fraction, out_of_order_fraction]),
            changes: up_to([
                options.withdrawal_fraction,
                options.move_fraction,
                options.closure_fraction,
            ]),
            options,
        })
    }

    /// Replaces `payload` by the bytes of the next record, made as if it happened at `now_ms` (ms
    /// since the epoch).
    ///
    /// # Panics
    /// When `now_ms` is not a time of the years 2000 to 9999.
    pub fn next(&mut self, now_ms: i64, payload: &mut Vec<u8>) -> BankGenerated {
        assert!(PLAUSIBLE_MS.contains(&now_ms), "{now_ms} ms is no time that a reader believes");
        payload.clear();
        if self.accounts.len() < self.options.customers as usize {
            // Not all at once: they were there before the log begins.
            let days = self.random.below(3_650) as i32;
            let account = self.somebody_new(now_ms, days);
            self.accounts.push(account);
            return self.written(account, BankRecord::New, payload);
        }
        let fate = self.random.number();
        let place = self.random.small_below(self.options.customers.into()) as usize;
        let [bad_below, duplicate_below, out_of_order_below] = self.faults;
        if fate < bad_below {
            let mut account = self.accounts[place];
            account.updated_at = account.updated_at.max(now_ms);
            let kind = self.random.one_of(&BadKind::ALL);
            self.written(account, BankRecord::Bad(kind), payload)
        } else if fate < duplicate_below {
            self.written(self.accounts[place], BankRecord::Duplicate, payload)
        } else if fate < out_of_order_below && self.accounts[place].is_open {
            let account = self.older(self.accounts[place]);
            self.written(account, BankRecord::OutOfOrder, payload)
        } else {
            let record = self.change(place, now_ms);
            self.written(self.accounts[place], record, payload)
        }
    }

    /// The customers whose accounts are open now, in the state that was sent last.
    pub fn customers(&self) -> impl Iterator<Item = BankCustomer> {
        self.accounts.iter().filter(|account| account.is_open).map(|account| {
            let mut texts = Texts::default();
            BankCustomer::from(texts.fields(account, self.seed))
        })
    }

    /// A customer with the next number, whose account was opened so many days ago.
    fn somebody_new(&mut self, now_ms: i64, days_ago: i32) -> Account {
        let customer_id = self.next_id;
        self.next_id += 1;
        let account_type = match self.random.below(10) {
            0..7 => AccountType::Savings,
            7..9 => AccountType::Current,
            _ => AccountType::Deposit,
        };
        Account {
            customer_id,
            balance: money::usual_balance(self.seed, customer_id, account_type),
            updated_at: now_ms,
            opened_on_day: day(now_ms) - days_ago,
            given_name: self.random.below(GIVEN_NAMES.len() as u64) as u8,
            last_name: self.random.below(LAST_NAMES.len() as u64) as u8,
            city: people::city(&mut self.random),
            account_type,
            is_open: true,
        }
    }

    /// What this state might have been a moment before: to be ignored by whoever knows the state.
    fn older(&mut self, account: Account) -> Account {
        let late_ms = 1 + self.random.below(self.options.max_lateness_ms.unsigned_abs()) as i64;
        let usual = self.usual_balance(&account);
        Account {
            balance: thousands(usual, &mut self.random),
            updated_at: account.updated_at - late_ms,
            ..account
        }
    }

    /// Lets something happen at a place.
    fn change(&mut self, place: usize, now_ms: i64) -> BankRecord {
        let mut account = self.accounts[place];
        if !account.is_open {
            return self.open_again(place, now_ms);
        }
        let fate = self.random.number();
        let [withdrawal_below, move_below, closure_below] = self.changes;
        let record = if fate < withdrawal_below && account.balance > 0 {
            account.balance -= thousands(account.balance, &mut self.random);
            BankRecord::Withdrawal
        } else if (withdrawal_below..move_below).contains(&fate) {
            account.city = people::other_city(&mut self.random, account.city);
            BankRecord::Move
        } else if (move_below..closure_below).contains(&fate) {
            account.is_open = false;
            BankRecord::Closure
        } else {
            // Of the usual balance, and a withdrawal is of what is there: so balances swing around
            // the usual one, and neither grow nor shrink for ever.
            let paid_in = thousands(self.usual_balance(&account), &mut self.random);
            account.balance = (account.balance + paid_in).min(BankCustomer::BALANCE_MAX);
            BankRecord::Deposit
        };
        account.updated_at = account.updated_at.max(now_ms);
        self.accounts[place] = account;
        record
    }

    /// Fills the place of a closed account: with the same customer, or with another.
    fn open_again(&mut self, place: usize, now_ms: i64) -> BankRecord {
        let closed = self.accounts[place];
        let (account, record) = if self.random.below(2) == 0 {
            (self.somebody_new(now_ms, 0), BankRecord::New)
        } else {
            let updated_at = closed.updated_at.max(now_ms);
            let again = Account {
                balance: self.usual_balance(&closed),
                updated_at,
                opened_on_day: day(updated_at),
                is_open: true,
                ..closed
            };
            (again, BankRecord::Reopened)
        };
        self.accounts[place] = account;
        record
    }

    fn usual_balance(&self, account: &Account) -> i64 {
        money::usual_balance(self.seed, account.customer_id, account.account_type)
    }

    /// Writes the record that tells of this state.
    fn written(
        &mut self,
        account: Account,
        record: BankRecord,
        payload: &mut Vec<u8>,
    ) -> BankGenerated {
        let is_bad = matches!(record, BankRecord::Bad(_));
        let tombstone = !account.is_open && !is_bad;
        if !tombstone {
            let fields = self.texts.fields(&account, self.seed);
            fields.write_json(payload);
            if let BankRecord::Bad(kind) = record {
                kind.spoil(&sample(&fields), self.random.number(), payload);
            }
        }
        let Account { customer_id, updated_at, .. } = account;
        BankGenerated { customer_id, updated_at, record, tombstone }
    }
}

/// From a thousand rupiah to all of `of`, small amounts more often: a third on the average.
fn thousands(of: i64, random: &mut Random) -> i64 {
    (1 + random.small_below((of / THOUSAND).unsigned_abs()) as i64) * THOUSAND
}

/// The day of a time, since the Unix epoch.
fn day(ms: i64) -> i32 {
    ms.div_euclid(86_400_000) as i32
}

/// Texts that an account does not hold, made when a record is.
#[derive(Debug, Default)]
struct Texts {
    name: String,
    account_number: String,
}

impl Texts {
    fn fields(&mut self, account: &Account, seed: u64) -> Fields<'_> {
        self.name.clear();
        self.name.push_str(GIVEN_NAMES[usize::from(account.given_name)]);
        self.name.push(' ');
        self.name.push_str(LAST_NAMES[usize::from(account.last_name)]);
        self.account_number.clear();
        let number = account_number(account.customer_id, seed);
        write!(self.account_number, "{number:010}").expect("a String takes everything");
        Fields {
            customer_id: account.customer_id,
            name: Cow::Borrowed(&self.name),
            account_number: Cow::Borrowed(&self.account_number),
            account_type: account.account_type,
            city: Cow::Borrowed(CITIES[usize::from(account.city)].0),
            balance: account.balance,
            opened_on: Date32Type::to_naive_date_opt(account.opened_on_day)
                .expect("the calendar has the years of event times"),
            updated_at: account.updated_at,
        }
    }
}

/// Ten digits, other ones for each of the first ten thousand million customers.
fn account_number(customer_id: i64, seed: u64) -> u64 {
    const ALL: u128 = 10_000_000_000;
    // Has no divisor in common with 10, so that no two customers meet.
    const STEP: u128 = 1_618_033_989;
    let steps = u128::from(customer_id.unsigned_abs()) * STEP;
    ((steps + u128::from(seed)) % ALL) as u64
}

/// Where a customer's record can be spoilt.
fn sample(fields: &Fields<'_>) -> Sample {
    Sample {
        words: "please open an account for me",
        amount_field: "balance",
        amount_field_misnamed: "money",
        amount: fields.balance,
        amount_too_low: -1,
        known_name: fields.account_type.name(),
        unknown_name: "piggy bank",
        text_field: "name",
        formed: fields.opened_on.to_string(),
        unformed: "yesterday",
        time_field: "updated_at",
        time_ms: fields.updated_at,
    }
}
