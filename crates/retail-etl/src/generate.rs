//! A sample of made-up invoices in a file: what `retail-etl generate` writes.
//!
//! `data/online-retail-dataset.csv` is the sample of the defaults.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use arus_models::{INVOICE_CSV_HEADER, InvoiceGenerator, InvoiceOptions};
use arus_runtime::files;

use crate::Error;

/// The seed of the sample that the project ships.
const SEED: u64 = 2010;
/// Where that is.
const SAMPLE: &str = "data/online-retail-dataset.csv";
/// Bytes written at a time.
const CHUNK: usize = 64 << 10;

/// The flags of the generator.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Sample")]
pub struct GenerateArgs {
    /// Rows, without the header.
    #[arg(long, value_name = "N", default_value_t = InvoiceOptions::default().rows)]
    pub rows: u64,

    /// Customers; each comes at least once if there are rows enough.
    #[arg(long, value_name = "N", default_value_t = InvoiceOptions::default().customers,
          value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub customers: u32,

    /// Start of the random numbers: the same seed, rows and customers give the same file, byte for
    /// byte.
    #[arg(long, value_name = "N", default_value_t = SEED)]
    pub seed: u64,

    /// The file to write; - for standard output.
    #[arg(long, value_name = "FILE", default_value = SAMPLE)]
    pub out: PathBuf,

    /// Replaces the file if it is there; without this it is left alone.
    #[arg(long)]
    pub replace: bool,
}

impl Default for GenerateArgs {
    fn default() -> Self {
        let InvoiceOptions { rows, customers } = InvoiceOptions::default();
        Self { rows, customers, seed: SEED, out: SAMPLE.into(), replace: false }
    }
}

/// Writes the sample where the flags say; a file takes its name when it is whole.
///
/// # Errors
/// [`Error::Usage`] when the options make no sense or the file is there already, [`Error::File`]
/// when it cannot be written.
pub fn generate(args: &GenerateArgs) -> Result<(), Error> {
    if args.out.as_os_str() == "-" {
        return write_to(args, &mut std::io::stdout().lock());
    }
    if args.out.exists() && !args.replace {
        return Err(Error::Usage(format!(
            "{} is there already, and might be real: name another file by --out, or say --replace",
            args.out.display()
        )));
    }
    if let Some(folder) = args.out.parent() {
        fs::create_dir_all(folder)
            .map_err(|source| Error::file("create the folder", folder, source))?;
    }
    let temporary = files::hidden(&args.out, ".tmp");
    let write = || -> Result<(), Error> {
        let failed = |source| Error::file("write", &temporary, source);
        let mut file = File::create(&temporary).map_err(failed)?;
        write_to(args, &mut file)?;
        file.sync_all().map_err(failed)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })?;
    fs::rename(&temporary, &args.out)
        .and_then(|()| files::sync_folder_of(&args.out))
        .map_err(|source| Error::file("rename a new file to", &args.out, source))
}

/// Writes the header and the rows to `out`.
///
/// # Errors
/// As [`generate`].
pub fn write_to(args: &GenerateArgs, out: &mut dyn Write) -> Result<(), Error> {
    let options = InvoiceOptions { rows: args.rows, customers: args.customers };
    let mut generator = InvoiceGenerator::new(args.seed, options)
        .map_err(|error| Error::Usage(error.to_string()))?;
    let mut chunk = Vec::with_capacity(2 * CHUNK);
    chunk.extend_from_slice(INVOICE_CSV_HEADER.as_bytes());
    let mut write = |chunk: &mut Vec<u8>| {
        out.write_all(chunk).map_err(|source| Error::file("write", &args.out, source))?;
        chunk.clear();
        Ok::<(), Error>(())
    };
    while generator.next_row(&mut chunk) {
        if chunk.len() >= CHUNK {
            write(&mut chunk)?;
        }
    }
    write(&mut chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_replaced_only_if_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("new/a.csv");
        let mut args = GenerateArgs { rows: 10, out: out.clone(), ..GenerateArgs::default() };
        let mut expected = Vec::new();
        write_to(&args, &mut expected).unwrap();
        assert_eq!(expected.iter().filter(|&&byte| byte == b'\n').count(), 11);

        generate(&args).unwrap();
        assert_eq!(fs::read(&out).unwrap(), expected);
        fs::write(&out, "real data").unwrap();
        let error = generate(&args).unwrap_err().to_string();
        assert!(error.ends_with("name another file by --out, or say --replace"), "{error}");
        assert_eq!(fs::read(&out).unwrap(), b"real data");
        args.replace = true;
        generate(&args).unwrap();
        assert_eq!(fs::read(&out).unwrap(), expected);
        assert_eq!(fs::read_dir(out.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told() {
        let args = GenerateArgs { out: "/dev/null/a.csv".into(), ..GenerateArgs::default() };
        let error = generate(&args).unwrap_err().to_string();
        assert!(error.starts_with("cannot create the folder /dev/null: "), "{error}");
        let full = fs::OpenOptions::new().write(true).open("/dev/full");
        let error = write_to(&args, &mut full.unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("cannot write /dev/null/a.csv: No space left"), "{error}");
    }
}
