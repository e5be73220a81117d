//! How a program ends: 0 done or stopped by a signal, 1 failed, 2 wrong use (clap's own), 130
//! forced by a second signal.

use std::process::ExitCode;

/// Prints a failure once to standard error, as `error: ` and the chain of causes joined by `: `,
/// and gives the exit code: 0 for `Ok`, 1 for `Err`.
pub fn report(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// The causes joined by `: `. A cause that the message before it tells already is not told twice:
/// many errors write their source into their own sentence.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read a.csv: {source}")]
    struct Tells {
        source: io::Error,
    }

    #[test]
    fn every_cause_is_told_once() {
        let inner = anyhow::Error::new(io::Error::other("disk on fire"));
        let outer = inner.context("cannot write the checkpoint").context("the job ended");
        assert_eq!(chain(&outer), "the job ended: cannot write the checkpoint: disk on fire");

        let telling = anyhow::Error::new(Tells { source: io::Error::other("disk on fire") });
        assert_eq!(
            chain(&telling.context("retail-etl")),
            "retail-etl: cannot read a.csv: disk on fire"
        );
    }

    #[test]
    fn codes() {
        assert_eq!(format!("{:?}", report(Ok(()))), format!("{:?}", ExitCode::SUCCESS));
        let failed = report(Err(anyhow::anyhow!("expected in this test's output")));
        assert_eq!(format!("{failed:?}"), format!("{:?}", ExitCode::FAILURE));
    }
}
