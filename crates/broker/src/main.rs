//! The embedded broker: reads the flags, takes the port and the data folder, says that it is
//! ready, serves until a signal, leaves. The protocol, topics, groups and offsets are the work of
//! the crate `tansu-broker`, but for who is in a group (`group`); the records are kept by
//! `partition`, in files of Kafka's own format.

mod args;
mod create_topics;
mod delete_topics;
mod fetch;
mod folder;
mod group;
mod groups;
mod header;
mod init_producer_id;
mod list_offsets;
mod partition;
mod produce;
mod records;
mod router;
mod sequence;
mod serve;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use args::Settings;

fn main() -> ExitCode {
    let settings = Settings::from_command_line();
    match run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log)
        .with_context(|| format!("--log {} is not a filter such as info", settings.log))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    serve::until_signal(settings)
}
