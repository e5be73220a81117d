//! `docker-compose.yml` as a test reads it: every setting has a field here, and one that has none
//! is an error, so that no setting is there that no test looks at.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::{project, yaml};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compose {
    /// The project's name.
    pub name: String,
    /// By name.
    pub services: BTreeMap<String, Service>,
    /// Named volumes, none of which has settings.
    pub volumes: BTreeMap<String, ()>,
    // What services share: it is in their own settings once the file is read.
    #[serde(rename = "x-common")]
    _common: IgnoredAny,
    #[serde(rename = "x-ours")]
    _ours: IgnoredAny,
    #[serde(rename = "x-environment")]
    _environment: IgnoredAny,
    #[serde(rename = "x-database")]
    _database: IgnoredAny,
    #[serde(rename = "x-health")]
    _health: IgnoredAny,
}

/// One service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The image that it runs.
    pub image: String,
    /// How the image is made, of ours.
    pub build: Option<Build>,
    /// Arguments for the image's program.
    #[serde(default)]
    pub command: Vec<String>,
    /// Variables.
    pub environment: BTreeMap<String, String>,
    /// How it is known that it is at work.
    pub healthcheck: HealthCheck,
    /// What is started before, and waited for.
    #[serde(default)]
    pub depends_on: BTreeMap<String, Dependency>,
    /// Ports on the machine: `127.0.0.1:HERE:THERE`.
    pub ports: Vec<String>,
    /// Folders and volumes: `HERE:THERE`, `HERE:THERE:ro`.
    #[serde(default)]
    pub volumes: Vec<String>,
    /// Names that it has to be asked for by; none for what always comes up.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// When it is started again.
    pub restart: String,
    /// Whether it can write into its volumes only.
    #[serde(default)]
    pub read_only: bool,
    /// Rights that are taken from it.
    #[serde(default)]
    pub cap_drop: Vec<String>,
    /// Other limits of its rights.
    pub security_opt: Vec<String>,
    /// What becomes of its output.
    pub logging: Logging,
    /// How long it may take to end once it is asked to.
    pub stop_grace_period: Option<String>,
    /// Shared memory.
    pub shm_size: Option<String>,
    /// Limits.
    pub deploy: Deploy,
}

/// How an image is made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The folder.
    pub context: String,
    /// The stage of the Dockerfile.
    pub target: String,
}

/// How it is known that a service is at work.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// `CMD` and the program with its arguments, or `CMD-SHELL` and a line for the shell.
    pub test: Vec<String>,
    /// How often it is asked.
    pub interval: String,
    /// How long it may take to answer.
    pub timeout: String,
    /// So many failures make it ill.
    pub retries: u32,
    /// Failures before that time do not count.
    pub start_period: String,
    /// How often it is asked until then.
    pub start_interval: String,
}

/// What another service must be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// `service_healthy`.
    pub condition: String,
}

/// What becomes of a service's output.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    /// Who keeps it.
    pub driver: String,
    /// How much of it.
    pub options: BTreeMap<String, String>,
}

/// Limits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// The only kind that is used.
    pub resources: Resources,
}

/// Limits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// The only kind that is used.
    pub limits: Limits,
}

/// Limits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Processors, such as `0.5`.
    pub cpus: String,
    /// Memory: `512M`.
    pub memory: String,
    /// Threads and processes.
    pub pids: u64,
}

impl Compose {
    /// The project's file, with these values of `.env` in it.
    ///
    /// # Panics
    /// When it is not there, or has a setting that no field here is for.
    pub fn read(values: &BTreeMap<String, String>) -> Self {
        let file = yaml::parse(&text()).unwrap_or_else(|error| panic!("{error}"));
        let mut file: Self = serde_json::from_value(file).unwrap_or_else(|error| panic!("{error}"));
        for service in file.services.values_mut() {
            let lists = [&mut service.command, &mut service.ports, &mut service.volumes];
            let lists = lists.into_iter().chain([&mut service.healthcheck.test]).flatten();
            for text in lists.chain(service.environment.values_mut()) {
                *text = filled(text, values, &mut BTreeMap::new());
            }
        }
        file
    }

    /// The variables of `.env` that the file asks for, with their defaults.
    ///
    /// # Panics
    /// When one of them has two defaults.
    pub fn variables() -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for line in text().lines().filter(|line| !line.trim_start().starts_with('#')) {
            filled(line, &BTreeMap::new(), &mut found);
        }
        found
    }
}

fn text() -> String {
    fs::read_to_string(project().join("docker-compose.yml")).expect("the file is there")
}

/// The variables of `.env.example`.
///
/// # Panics
/// When it is not there, or a line of it is neither empty, nor a comment, nor `NAME=VALUE`.
pub fn example() -> BTreeMap<String, String> {
    let text = fs::read_to_string(project().join(".env.example")).expect("the file is there");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}: no NAME=VALUE"));
        (name.to_owned(), value.to_owned())
    };
    lines.map(pair).collect()
}

/// The text with values for its variables. Only `${NAME:-default}` is understood, and `$$` for `$`,
/// so that every variable has a default; the defaults go into `defaults`.
fn filled(
    text: &str,
    values: &BTreeMap<String, String>,
    defaults: &mut BTreeMap<String, String>,
) -> String {
    let (mut made, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        made.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            made.push('$');
            rest = after;
            continue;
        }
        let inside = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let (inside, after) = inside.unwrap_or_else(|| panic!("no ${{NAME:-default}}: {text}"));
        let parts = inside.split_once(":-");
        let (name, default) = parts.unwrap_or_else(|| panic!("{inside} has no default: {text}"));
        made.push_str(values.get(name).map_or(default, String::as_str));
        let earlier = defaults.insert(name.to_owned(), default.to_owned());
        assert!(earlier.is_none_or(|earlier| earlier == default), "{name} has two defaults");
        rest = after;
    }
    made + rest
}

/// A length of time as the file has it: `10s`, `1m`.
///
/// # Panics
/// When it is none.
pub fn time(text: &str) -> Duration {
    arus_runtime::duration::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Bytes as the file has them: `512M`, `1G`.
///
/// # Panics
/// When they are none.
pub fn bytes(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let number: u64 = number.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    match unit {
        "M" => number << 20,
        "G" => number << 30,
        _ => panic!("{text}: neither M nor G"),
    }
}
