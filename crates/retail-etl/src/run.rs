//! One run of the batch job, from files to loaded tables: extract, transform, report, load.
//!
//! Nothing that an earlier run wrote is touched before the load, and the load comes last. So a run
//! that fails on its way (too many rejected rows, a full disk, a stop signal) leaves the old tables
//! and files as they were.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arus_runtime::clock::Clock;
use arus_runtime::shutdown::Shutdown;
use chrono::{DateTime, NaiveDateTime};

use crate::Error;
use crate::extract::fingerprint::Fingerprint;
use crate::extract::{self, ExtractOptions, Extracted, Progress, input, source};
use crate::load::{self, LoadOptions, Place, Results, Sink};
use crate::quality::Quality;
use crate::report::{Report, ReportMeta};
use crate::tables::Tables;
use crate::transform::{Transform, TransformOptions};

/// Everything that a run is told.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// What is read, and how strictly.
    pub extract: ExtractOptions,
    /// What is computed.
    pub transform: TransformOptions,
    /// Where results go.
    pub load: LoadOptions,
    /// Whether input without any row is loaded, as empty tables.
    pub allow_empty: bool,
    /// A name that no other attempt has: by it is told later whose results are there.
    pub mark: String,
    /// The fingerprint of the last run that came to its end, as [`RunOutcome::fingerprint`] gave
    /// it. While the input is as it was then, and the same is asked of it, there is nothing to do.
    /// `None`: the run is made whatever the input (`--force`).
    pub last_fingerprint: Option<String>,
    /// Whether a progress bar may be drawn on standard error.
    pub progress_bar: bool,
    /// The stop signal: looked at between blocks of rows, and a last time before the load.
    pub stop: Shutdown,
}

/// What is told while a run goes on. The names are those of [`STEPS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEvent {
    /// A step begins.
    Started {
        /// Its name.
        name: &'static str,
    },
    /// A step has come to its end. A step that fails has no end: the run returns the error.
    Ended {
        /// Its name.
        name: &'static str,
        /// Rows that went into it.
        rows_in: u64,
        /// Rows that came out of it.
        rows_out: u64,
        /// Rows that it set aside.
        rows_rejected: u64,
    },
}

/// The steps of a run, in order. Extract and transform work at the same time: rows go from one to
/// the other in blocks.
pub const STEPS: [&str; 4] = ["extract", "transform", "report", "load"];

/// Who hears of steps, and may end the run with an error before a step begins.
pub type OnStep<'a> = &'a mut dyn FnMut(StepEvent) -> Result<(), Error>;

/// How a run ended that did not fail.
#[derive(Clone, Debug)]
pub enum RunOutcome {
    /// All tables are where they were asked for.
    Done(Box<RunResult>),
    /// The input is as it was at the last run, so nothing was done.
    Unchanged {
        /// The fingerprint, as it was kept.
        fingerprint: String,
    },
}

/// The dates of the first and of the last line; `None` where there is no line.
pub type Period = Option<(NaiveDateTime, NaiveDateTime)>;

/// What a run made.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// The input: files, rows read, loaded and rejected, warnings.
    pub quality: Quality,
    /// The dates of the first and of the last line that was loaded.
    pub period: Period,
    /// The tables.
    pub tables: Tables,
    /// Where the results are.
    pub places: Vec<Place>,
    /// What to keep, to tell at the next run whether there is something to do.
    pub fingerprint: String,
    /// How long it took.
    pub took: Duration,
}

impl RunOutcome {
    /// What to keep, to tell at the next run whether there is something to do.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        match self {
            RunOutcome::Done(result) => &result.fingerprint,
            RunOutcome::Unchanged { fingerprint } => fingerprint,
        }
    }
}

/// Makes one run. For synchronous code: it blocks, and drives futures of its own.
///
/// # Errors
/// One sentence: what is wrong, where, what to do. Then all that earlier runs wrote is as it was.
pub fn run(
    options: &RunOptions,
    clock: &dyn Clock,
    on_step: OnStep<'_>,
) -> Result<RunOutcome, Error> {
    let began = clock.monotonic();
    if let Some(fingerprint) = unchanged(options)? {
        return Ok(RunOutcome::Unchanged { fingerprint });
    }
    let (Extracted { quality, rejects }, period, tables) = compute(options, clock, on_step)?;
    if quality.rows == 0 && !options.allow_empty {
        return Err(Error::NoRows { files: named(&quality) });
    }
    let report = if options.load.has(Sink::Report) {
        on_step(StepEvent::Started { name: "report" })?;
        let meta = ReportMeta {
            made_at: DateTime::from_timestamp_millis(clock.wall_ms()).unwrap_or_default(),
            exclude_cancelled: options.transform.exclude_cancelled,
            period,
        };
        let report = Report::new(&tables, &quality, &meta)?;
        on_step(ended("report", tables.rows(), tables.rows()))?;
        Some(report)
    } else {
        None
    };
    if options.stop.is_requested() {
        return Err(Error::Stopped);
    }
    on_step(StepEvent::Started { name: "load" })?;
    let rejects_hash = rejects.hash();
    let results =
        Results { tables: &tables, report: report.as_ref(), rejects, mark: &options.mark };
    let mut places = load::load(&options.load, results, &options.stop)?;
    on_step(ended("load", tables.rows(), tables.rows()))?;
    if quality.rejected > 0 {
        let place = options.extract.rejects.display().to_string();
        places.push(Place { what: "rejects", place });
    }
    let fingerprint = kept(options, rejects_hash, &quality);
    let took = clock.monotonic().saturating_sub(began);
    let result = RunResult { quality, period, tables, places, fingerprint, took };
    Ok(RunOutcome::Done(Box::new(result)))
}

/// What is kept of a run: in the first line what was asked for, in the second the hash of the reject file
/// and the mark of the load, then the input's fingerprint.
fn kept(options: &RunOptions, rejects: Option<u128>, quality: &Quality) -> String {
    let (asked, input) = (asked(options), Fingerprint::of(quality));
    format!("{asked}\n{} {}\n{input}", hash_text(rejects), options.mark)
}

/// Of a reject file; `none` where there is none.
fn hash_text(rejects: Option<u128>) -> String {
    rejects.map_or_else(|| "none".to_owned(), |hash| format!("{hash:032x}"))
}

/// Whether the reject file is that one, or absent as it was.
fn rejects_are(options: &RunOptions, hash: &str) -> Result<bool, Error> {
    let path = &options.extract.rejects;
    let found = if path.is_file() { Some(source::hash(path)?) } else { None };
    Ok(hash_text(found) == hash)
}

/// Everything that results depend on beside the input, and where they go, in one line.
fn asked(options: &RunOptions) -> String {
    let RunOptions { extract, transform, load, .. } = options;
    let mut text = format!(
        "version={} encoding={:?} date_format={:?} max_rejects={:?} allow_empty={} rejects={:?} \
         exclude_cancelled={} top={} output={:?}",
        env!("CARGO_PKG_VERSION"),
        extract.encoding,
        extract.date_format,
        extract.max_rejects,
        options.allow_empty,
        extract.rejects,
        transform.exclude_cancelled,
        transform.top,
        load.output,
    );
    // Writing to a string does not fail. The database is written without its password.
    if load.has(Sink::Database) {
        let _ = write!(text, " database={} prefix={:?}", load.database, load.table_prefix);
    }
    let _ = write!(text, " sinks={:?}", load.sinks);
    text
}

/// The fingerprint that was kept, if there is nothing to do: the same was asked of the same input, and
/// what came of it is still there, all of it. A load that came later, or was cut off, left another mark,
/// be it another job's or of a run that failed.
fn unchanged(options: &RunOptions) -> Result<Option<String>, Error> {
    let Some(last) = &options.last_fingerprint else { return Ok(None) };
    let mut parts = last.splitn(3, '\n');
    let (Some(asked_then), Some(loaded), Some(input)) = (parts.next(), parts.next(), parts.next())
    else {
        return Ok(None);
    };
    // One of another version of this program cannot be read: then the run is made.
    let Some((rejects, mark)) = loaded.split_once(' ') else { return Ok(None) };
    let Ok(input) = input.parse::<Fingerprint>() else { return Ok(None) };
    if asked_then != asked(options)
        || !rejects_are(options, rejects)?
        || !load::is_there(&options.load, mark)?
    {
        return Ok(None);
    }
    Ok(input.is_still(&options.extract.inputs)?.then(|| last.clone()))
}

/// Refuses to write results over what is read, or to read results of an earlier run as invoices.
///
/// # Errors
/// [`Error::OwnInput`].
pub fn refuse_own_input(options: &RunOptions) -> Result<(), Error> {
    let real = |path: &Path| path.canonicalize().ok();
    let written = options.load.files().into_iter().chain([options.extract.rejects.clone()]);
    let written: Vec<PathBuf> = written.filter_map(|path| real(&path)).collect();
    if written.is_empty() {
        return Ok(());
    }
    // That there is none is for the run to tell.
    let inputs = input::find(&options.extract.inputs).unwrap_or_default();
    match inputs.into_iter().find(|file| real(file).is_some_and(|it| written.contains(&it))) {
        Some(file) => Err(Error::OwnInput { file }),
        None => Ok(()),
    }
}

/// The files that were read, for a sentence.
fn named(quality: &Quality) -> String {
    match quality.files.as_slice() {
        [file] => file.path.display().to_string(),
        files => format!("any of the {} files", files.len()),
    }
}

/// Extract and transform, which work at the same time.
fn compute(
    options: &RunOptions,
    clock: &dyn Clock,
    on_step: OnStep<'_>,
) -> Result<(Extracted, Period, Tables), Error> {
    on_step(StepEvent::Started { name: "extract" })?;
    on_step(StepEvent::Started { name: "transform" })?;
    let mut transform = Transform::start(&options.transform)?;
    let mut period = None;
    let mut progress = Progress::new(clock, options.progress_bar);
    let extracted = extract::extract(&options.extract, &mut progress, &mut |lines| {
        if options.stop.is_requested() {
            return Err(Error::Stopped);
        }
        period = widened(period, &lines.headers.date_ms);
        transform.add(&lines)
    })?;
    drop(progress);
    let quality = &extracted.quality;
    on_step(StepEvent::Ended {
        name: "extract",
        rows_in: quality.rows,
        rows_out: quality.loaded,
        rows_rejected: quality.rejected,
    })?;
    let tables = transform.finish()?;
    on_step(ended("transform", quality.loaded, tables.rows()))?;
    Ok((extracted, period, tables))
}

fn ended(name: &'static str, rows_in: u64, rows_out: u64) -> StepEvent {
    StepEvent::Ended { name, rows_in, rows_out, rows_rejected: 0 }
}

/// The period with these dates in it; as it was, if there are none that a calendar has.
fn widened(period: Period, dates_ms: &[i64]) -> Period {
    match (period, period_of(dates_ms)) {
        (Some((first, last)), Some((early, late))) => Some((first.min(early), last.max(late))),
        (period, None) => period,
        (None, period) => period,
    }
}

fn period_of(dates_ms: &[i64]) -> Period {
    let date = |ms: Option<&i64>| Some(DateTime::from_timestamp_millis(*ms?)?.naive_utc());
    Some((date(dates_ms.iter().min())?, date(dates_ms.iter().max())?))
}

#[cfg(test)]
mod tests {
    use arus_models::{INVOICE_CSV_HEADER, InvoiceGenerator, InvoiceOptions};
    use arus_runtime::clock::ManualClock;

    use super::*;

    #[test]
    fn a_period_goes_from_the_first_date_to_the_last() {
        let day = |day: i64| DateTime::from_timestamp(day * 86_400, 0).map(|it| it.naive_utc());
        const DAY_MS: i64 = 86_400_000;
        let mut period = None;
        // Dates that are added, and the days that the period goes from and to after them.
        let cases: [(&[i64], _); 5] = [
            (&[], None),
            (&[5 * DAY_MS, 3 * DAY_MS], Some((3, 5))),
            (&[i64::MAX], Some((3, 5))),
            (&[], Some((3, 5))),
            (&[9 * DAY_MS, DAY_MS], Some((1, 9))),
        ];
        for (dates, expected) in cases {
            period = widened(period, dates);
            let expected = expected.map(|(first, last)| (day(first).unwrap(), day(last).unwrap()));
            assert_eq!(period, expected, "{dates:?}");
        }
    }

    /// Each thread numbers products for itself: the tables are the same for any number of them.
    #[test]
    fn any_number_of_threads_gives_the_same_tables() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("lines.csv");
        let made = InvoiceOptions { rows: 40_000, customers: 300 };
        let mut generator = InvoiceGenerator::new(7, made).unwrap();
        let mut text = INVOICE_CSV_HEADER.as_bytes().to_vec();
        while generator.next_row(&mut text) {}
        std::fs::write(&input, text).unwrap();
        let tables = [1, 2, 3].map(|threads| {
            let inputs = vec![input.to_string_lossy().into_owned()];
            let mut options = ExtractOptions::new(inputs, folder.path().join("rejects.csv"));
            options.threads = threads;
            let asked = TransformOptions { exclude_cancelled: false, top: 50 };
            let mut transform = Transform::start(&asked).unwrap();
            let (clock, mut blocks) = (ManualClock::new(0), 0);
            let mut progress = Progress::new(&clock, false);
            extract::extract(&options, &mut progress, &mut |lines| {
                blocks += 1;
                transform.add(&lines)
            })
            .unwrap();
            assert!(blocks > 4, "{blocks}");
            format!("{:?}", transform.finish().unwrap())
        });
        assert!(tables.iter().all(|other| *other == tables[0]));
    }
}
