//! How a program ends: 0 done or stopped by a signal, 1 failed, 2 wrong use (clap's own), 130
//! forced by a second signal.

use std::process::ExitCode;

const WRONG_USE: u8 = 2;

/// A choice of flags that cannot work, in the words of a library that clap knows nothing of.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct WrongUse(anyhow::Error);

impl WrongUse {
    /// The error as it is, or as one of wrong use if `is_wrong_use` says so.
    pub fn if_so<E>(is_wrong_use: impl FnOnce(&E) -> bool) -> impl FnOnce(E) -> anyhow::Error
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |error| match is_wrong_use(&error) {
            true => Self(error.into()).into(),
            false => error.into(),
        }
    }
}

/// Prints a failure once to standard error, as `error: ` and the chain of causes joined by `: `,
/// and gives the exit code: 0 for `Ok`, 2 for [`WrongUse`], 1 for all else.
pub fn report(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            match error.is::<WrongUse>() {
                true => WRONG_USE.into(),
                false => ExitCode::FAILURE,
            }
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

    fn tells() -> Tells {
        Tells { source: io::Error::other("disk on fire") }
    }

    #[test]
    fn every_cause_is_told_once() {
        let inner = anyhow::Error::new(io::Error::other("disk on fire"));
        let outer = inner.context("cannot write the checkpoint").context("the job ended");
        assert_eq!(chain(&outer), "the job ended: cannot write the checkpoint: disk on fire");

        let telling = anyhow::Error::new(tells());
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
        let wrong_use = || WrongUse::if_so(|_: &Tells| true)(tells());
        assert_eq!(chain(&wrong_use()), "cannot read a.csv: disk on fire");
        assert_eq!(format!("{:?}", report(Err(wrong_use()))), format!("{:?}", ExitCode::from(2)));
        let other = report(Err(WrongUse::if_so(|_: &Tells| false)(tells())));
        assert_eq!(format!("{other:?}"), format!("{:?}", ExitCode::FAILURE));
    }
}
