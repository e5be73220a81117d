//! What the user may type: the flags as given, then the same checked against each other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser};

/// Data go here when neither `--data` nor `--memory` says otherwise.
pub(crate) const DEFAULT_DATA: &str = ".arus/broker";

/// The engine calls ordinary refusals errors (a topic that exists already); the client is told of
/// those anyway.
const DEFAULT_LOG: &str = "warn,tansu_storage=off,tansu_service=off";

/// A Kafka-compatible broker in one process, for machines without Kafka.
#[derive(Debug, Parser)]
#[command(name = "broker", version, long_about = LONG_ABOUT, after_long_help = AFTER_HELP)]
struct Typed {
    /// Address to listen on; port 0 takes a free port and prints it
    #[arg(long, env = "BROKER_LISTEN", value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    listen: String,

    /// Address told to clients, if it is not the one listened on
    ///
    /// A Kafka client connects first to the address it was given and then to the one that the
    /// broker tells it. Needed with `--listen 0.0.0.0:9092` (every interface), as no client can
    /// connect to 0.0.0.0. Without a port, the port listened on.
    #[arg(long, env = "BROKER_ADVERTISE", value_name = "HOST[:PORT]")]
    advertise: Option<String>,

    /// Folder for topics, records, groups and offsets; created if absent [default: .arus/broker]
    #[arg(long, env = "BROKER_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// Keep nothing: all records are gone when the broker stops
    #[arg(long)]
    memory: bool,

    /// Name of the cluster, as clients see it
    ///
    /// The data in a folder belong to the cluster that wrote them: under another name the
    /// folder looks empty.
    #[arg(long, env = "BROKER_CLUSTER_ID", value_name = "NAME", default_value = "arus")]
    cluster_id: String,

    /// Number of this broker, as clients see it
    #[arg(long, env = "BROKER_NODE_ID", value_name = "NUMBER", default_value_t = 1,
          value_parser = clap::value_parser!(i32).range(0..))]
    node_id: i32,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter as for RUST_LOG
    #[arg(long, env = "ARUS_LOG", value_name = "FILTER", default_value = DEFAULT_LOG)]
    log: String,
}

const LONG_ABOUT: &str = "\
A Kafka-compatible broker in one process, for machines without Kafka.

Any Kafka client can create topics, produce, consume, use consumer groups and commit offsets. \
When the broker can serve it prints one line on stdout, `broker ready on 127.0.0.1:9092 (data in \
.arus/broker)`. It is meant for one developer's machine and for tests; it is one process with no \
replication.";

const AFTER_HELP: &str = include_str!("after_help.txt");

/// Where the records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Storage {
    /// In this folder; they survive a restart.
    Folder(PathBuf),
    /// Nowhere: they end with the process.
    Memory,
}

/// The flags, resolved: addresses are addresses, and no two of them contradict each other.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Address to bind; port 0 means any free port.
    pub(crate) listen: SocketAddr,
    /// The name `localhost` also means ::1, and clients may try that first.
    pub(crate) also_ipv6_loopback: bool,
    /// Host told to clients, if not the bound address, and its port, if not the bound port.
    pub(crate) advertise: Option<(String, Option<u16>)>,
    pub(crate) storage: Storage,
    pub(crate) cluster_id: String,
    pub(crate) node_id: i32,
    pub(crate) log: String,
}

impl Settings {
    /// Reads the command line and the environment; on wrong use, on `--help` and on `--version`
    /// it prints and ends the process (2, 0, 0).
    pub(crate) fn from_command_line() -> Self {
        let matches = Typed::command().get_matches();
        // A folder from the environment gives way to a flag; two flags contradict each other.
        let folder_typed = matches.value_source("data") == Some(ValueSource::CommandLine);
        let typed = Typed::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        resolve(typed, folder_typed)
            .unwrap_or_else(|(kind, text)| Typed::command().error(kind, text).exit())
    }
}

fn resolve(typed: Typed, folder_typed: bool) -> Result<Settings, (ErrorKind, String)> {
    if typed.memory && folder_typed {
        return Err((
            ErrorKind::ArgumentConflict,
            "--memory keeps nothing and --data keeps everything: give one of them".to_owned(),
        ));
    }
    let invalid = |text| (ErrorKind::InvalidValue, text);
    let listen = parse_listen(&typed.listen).map_err(invalid)?;
    let advertise = typed.advertise.as_deref().map(parse_advertise).transpose().map_err(invalid)?;
    if listen.ip().is_unspecified() && advertise.is_none() {
        return Err((
            ErrorKind::MissingRequiredArgument,
            format!(
                "--listen {} is every interface, and no client can connect to that: \
                 add --advertise HOST with the name that clients use for this machine",
                typed.listen
            ),
        ));
    }
    let storage = match (typed.memory, typed.data) {
        (true, _) => Storage::Memory,
        (false, folder) => Storage::Folder(folder.unwrap_or_else(|| DEFAULT_DATA.into())),
    };
    Ok(Settings {
        listen,
        also_ipv6_loopback: typed.listen.starts_with("localhost:"),
        advertise,
        storage,
        cluster_id: typed.cluster_id,
        node_id: typed.node_id,
        log: typed.log,
    })
}

/// Resolves `HOST:PORT`; of several addresses of a name the first IPv4 one, as that is what
/// clients of `localhost` mostly mean.
fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let shape = || format!("--listen {text} is not HOST:PORT, for instance 127.0.0.1:9092");
    let (host, port) = text.rsplit_once(':').ok_or_else(shape)?;
    let port: u16 = port.parse().map_err(|_| shape())?;
    if host.is_empty() {
        return Err(shape());
    }
    if host == "localhost" {
        return Ok((IpAddr::V4(Ipv4Addr::LOCALHOST), port).into());
    }
    let found: Vec<SocketAddr> = text
        .to_socket_addrs()
        .map_err(|error| format!("--listen {text}: the host has no address here: {error}"))?
        .collect();
    let first_v4 = found.iter().find(|address| address.is_ipv4());
    first_v4.or(found.first()).copied().ok_or_else(shape)
}

fn parse_advertise(text: &str) -> Result<(String, Option<u16>), String> {
    let shape =
        || format!("--advertise {text} is not HOST or HOST:PORT, for instance broker.local:9092");
    // An IPv6 address has colons of its own and therefore stands in brackets.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, Some(port.parse::<u16>().map_err(|_| shape())?))
        }
        _ => (text, None),
    };
    let plain = !host.is_empty() && !host.contains(['/', '@', ' ', '?', '#']);
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if !plain || (host.contains(':') && !bracketed) {
        return Err(shape());
    }
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &[&str]) -> Result<Settings, (ErrorKind, String)> {
        let matches = Typed::command()
            .try_get_matches_from([&["broker"], arguments].concat())
            .expect("flags are known");
        let folder_typed = matches.value_source("data") == Some(ValueSource::CommandLine);
        resolve(Typed::from_arg_matches(&matches).expect("types are right"), folder_typed)
    }

    #[test]
    fn the_command_is_well_formed() {
        Typed::command().debug_assert();
    }

    #[test]
    fn without_flags_it_is_local_and_durable() {
        let settings = settings(&[]).expect("defaults are valid");
        assert_eq!(settings.listen, "127.0.0.1:9092".parse().unwrap());
        assert_eq!(settings.advertise, None);
        assert_eq!(settings.storage, Storage::Folder(DEFAULT_DATA.into()));
    }

    #[test]
    fn listen_addresses() {
        let cases = [
            ("127.0.0.1:9092", Some("127.0.0.1:9092")),
            ("localhost:0", Some("127.0.0.1:0")),
            ("[::1]:9092", Some("[::1]:9092")),
            ("127.0.0.1", None),
            (":9092", None),
            ("127.0.0.1:port", None),
            ("127.0.0.1:70000", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let found = parse_listen(text).ok().map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "--listen {text}");
        }
    }

    #[test]
    fn advertised_addresses() {
        let cases = [
            ("broker", Some(("broker", None))),
            ("broker.local:19092", Some(("broker.local", Some(19092)))),
            ("10.0.0.7", Some(("10.0.0.7", None))),
            ("[::1]", Some(("[::1]", None))),
            ("[::1]:9092", Some(("[::1]", Some(9092)))),
            ("::1", None),
            ("broker:", None),
            (":9092", None),
            ("tcp://broker:9092", None),
        ];
        for (text, expected) in cases {
            let found = parse_advertise(text).ok();
            let expected = expected.map(|(host, port): (&str, _)| (host.to_owned(), port));
            assert_eq!(found, expected, "--advertise {text}");
        }
    }

    #[test]
    fn contradictions_are_wrong_use() {
        let both = settings(&["--memory", "--data", "x"]).unwrap_err();
        assert_eq!(both.0, ErrorKind::ArgumentConflict);
        let everywhere = settings(&["--listen", "0.0.0.0:9092"]).unwrap_err();
        assert_eq!(everywhere.0, ErrorKind::MissingRequiredArgument);
        let told = settings(&["--listen", "0.0.0.0:9092", "--advertise", "me"]).unwrap();
        assert_eq!(told.advertise, Some(("me".to_owned(), None)));
    }
}
