//! The closing figures, and whether they add up.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use arus_runtime::number::group_digits;
use arus_runtime::output;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{BANK_TABLE, TABLE, TOPIC};

#[derive(Deserialize)]
struct Produced {
    acknowledged: u64,
}

#[derive(Deserialize)]
struct Streamed {
    run: Totals,
    closed_windows: u64,
}

#[derive(Deserialize)]
struct Banked {
    total: Totals,
    rows_kept: u64,
}

#[derive(Deserialize)]
struct Totals {
    read: u64,
    counted: u64,
    late: u64,
    rejected: u64,
}

/// Where the rows are.
pub(crate) enum Place {
    /// In the demo's own SQLite file.
    File(PathBuf),
    /// In the database that DATABASE_URL names.
    Named,
}

/// Prints what was produced and what became of it.
pub(crate) fn print(folder: &Path, brokers: Option<&str>, place: &Place) -> anyhow::Result<()> {
    let produced: Produced = read(&folder.join("producer.json"))?;
    let streamed: Streamed = read(&folder.join("streaming.json"))?;
    let Totals { read, counted, late, rejected } = streamed.run;
    let sum = counted + late + rejected;
    let adds_up = produced.acknowledged == read && read == sum;
    output::line("")?;
    output::line(format_args!(
        "produced {} {} counted {} + late {} + rejected {}",
        group_digits(produced.acknowledged),
        if adds_up { "=" } else { "≠" },
        group_digits(counted),
        group_digits(late),
        group_digits(rejected),
    ))?;
    output::line(format_args!("windows closed  {}", group_digits(streamed.closed_windows)))?;
    match place {
        Place::File(file) => {
            let file = file.display();
            output::line(format_args!("rows            sqlite3 {file} 'select * from {TABLE}'"))?;
        }
        Place::Named => output::line(format_args!(
            "rows            table {TABLE} in the database of DATABASE_URL"
        ))?,
    }
    match brokers {
        Some(brokers) => {
            output::line(format_args!(
                "late, rejected  topics {TOPIC}.late and {TOPIC}.rejected at {brokers}"
            ))?;
        }
        None => output::line(format_args!(
            "late, rejected  topics {TOPIC}.late and {TOPIC}.rejected of broker --data {}",
            folder.join("broker").display()
        ))?,
    }
    let sent = print_bank(folder, place)?;
    output::line(format_args!("logs            {}", folder.display()))?;
    if sent.0 != sent.1 {
        bail!("the bank's numbers do not add up: {} produced, {} read", sent.0, sent.1);
    }
    if !adds_up {
        bail!(
            "the numbers do not add up: {} produced, {read} read, {sum} accounted for",
            produced.acknowledged
        );
    }
    Ok(())
}

/// Prints what became of the bank's records, and gives how many were produced and read.
fn print_bank(folder: &Path, place: &Place) -> anyhow::Result<(u64, u64)> {
    let produced: Produced = read(&folder.join("bank-producer.json"))?;
    let banked: Banked = read(&folder.join("bank-consumer.json"))?;
    let Totals { read, counted, rejected, .. } = banked.total;
    output::line(format_args!(
        "bank            produced {} {} counted {} + rejected {}; {} customers",
        group_digits(produced.acknowledged),
        if produced.acknowledged == read { "=" } else { "≠" },
        group_digits(counted),
        group_digits(rejected),
        group_digits(banked.rows_kept),
    ))?;
    match place {
        Place::File(file) => {
            output::line(format_args!(
                "averages        sqlite3 {} 'select * from {BANK_TABLE}'",
                file.display()
            ))?;
        }
        Place::Named => output::line(format_args!("averages        table {BANK_TABLE} there"))?,
    }
    Ok((produced.acknowledged, read))
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("cannot understand {}", path.display()))
}
