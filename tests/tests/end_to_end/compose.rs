//! `docker-compose.yml`: our services are started with the commands and variables that it gives
//! them, in its order, and asked for their health as it asks. Names of hosts, paths in containers,
//! topics and tables become those of the test's world; everything else is as it stands there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use arus_kafka::KafkaArgs;
use arus_kafka::inspect::read_topic;
use arus_tests::bank::ledger;
use arus_tests::compose::{Compose, Service, bytes, example, time};
use arus_tests::etl::{customers_by_month, invoices};
use arus_tests::judge::Question;
use arus_tests::process::{Finished, Program, Running};
use arus_tests::tool::{Guarded, kafka_class};
use arus_tests::{LIMIT, World, project, rows, wait_until};
use rustix::process::Signal;

use crate::metrics::{figure, scrape};

/// In an order that they can start in.
const OURS: [&str; 5] =
    ["purchase-producer", "purchase-streaming", "bank-producer", "bank-consumer", "retail-etl"];
const OTHERS: [&str; 4] = ["kafka", "postgres", "ksqldb", "kafka-ui"];

/// The folder that our programs work in, in their containers.
const HOME: &str = "/var/lib/arus";
/// Where they listen there.
const METRICS: &str = "0.0.0.0:9464";

/// What a user could write into `.env` to see results within seconds.
fn quick() -> BTreeMap<String, String> {
    let pairs = [
        ("PURCHASE_RATE", "2000"),
        ("PURCHASE_BAD_FRACTION", "0.01"),
        ("WINDOW", "1s"),
        ("WATERMARK", "500ms"),
        ("BANK_RATE", "2000"),
        ("BANK_CUSTOMERS", "200"),
        // The run at its start is the one that is seen.
        ("ETL_CRON", "30 2 29 2 *"),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// A service of ours in a test's world.
struct Container<'a> {
    name: &'static str,
    service: &'a Service,
    world: &'a World,
    metrics: String,
    /// Where its volumes and folders are here, by their places in the container.
    mounts: Vec<(String, PathBuf)>,
    /// What it works in. Without a volume there it must stay empty: the container could not write.
    home: PathBuf,
}

impl<'a> Container<'a> {
    fn new(world: &'a World, file: &'a Compose, name: &'static str) -> Self {
        let service = &file.services[name];
        let mount = |text: &String| {
            let (here, there) = text.split_once(':').expect("HERE:THERE");
            let here = match file.volumes.contains_key(here) {
                true => world.path("volumes").join(here),
                false => project().join(here),
            };
            (there.trim_end_matches(":ro").to_owned(), here)
        };
        let mounts: Vec<(String, PathBuf)> = service.volumes.iter().map(mount).collect();
        let volume = mounts.iter().find(|(there, _)| there == HOME);
        let home = volume.map_or(world.path("home").join(name), |(_, here)| here.clone());
        fs::create_dir_all(&home).expect("the world's folder is writable");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
        Self { name, service, world, metrics: free.to_string(), mounts, home }
    }

    /// A text that may be a path, as it is here.
    fn path(&self, text: &str) -> String {
        let inside = |(there, here): &(String, PathBuf)| {
            let rest = Path::new(text).strip_prefix(there).ok()?;
            Some(here.join(rest).display().to_string())
        };
        match self.mounts.iter().find_map(inside) {
            Some(here) => here,
            None if text.starts_with('/') => panic!("{}: {text} is in no volume", self.name),
            None => text.to_owned(),
        }
    }

    /// The value of a variable, as it is here.
    fn value(&self, name: &str, value: &str) -> String {
        match (name, value) {
            ("KAFKA_BROKERS", "kafka:19092") => self.world.brokers().to_owned(),
            ("DATABASE_URL", "postgres://arus@postgres:5432/arus") => {
                self.world.database_url().to_owned()
            }
            ("METRICS_ADDR", METRICS) => self.metrics.clone(),
            ("ARUS_TOPIC", "purchases") => self.world.topic().to_owned(),
            ("ARUS_TOPIC", "nasabah_bank") => format!("{}.bank", self.world.topic()),
            ("KAFKA_BROKERS" | "DATABASE_URL" | "METRICS_ADDR" | "ARUS_TOPIC", other) => {
                panic!("{}: nothing here stands for {name}={other}", self.name)
            }
            _ => self.path(value),
        }
    }

    /// The program with the service's variables, and these arguments.
    fn program<'t>(&self, arguments: impl IntoIterator<Item = &'t String>) -> Program {
        let mut program = self.world.program(self.name).working_in(&self.home);
        for (name, value) in &self.service.environment {
            program = program.env(name, &self.value(name, value));
        }
        // Names that no other test has, for what the file leaves at its default.
        let job = format!("{}{}", self.world.prefix(), self.name);
        program = program.env("ARUS_JOB", &job);
        program = program.env("ARUS_TABLE", self.world.table());
        program = program.env("ARUS_TABLE_PREFIX", self.world.prefix());
        // The container has no place for temporary files.
        program = program.env("TMPDIR", "/nonexistent");
        arguments
            .into_iter()
            .fold(program, |program, argument| program.switch(&self.path(argument)))
    }

    /// What the service's own health check says.
    fn is_healthy(&self) -> bool {
        let check = &self.service.healthcheck;
        let [kind, name, arguments @ ..] = &check.test[..] else { panic!("{:?}", check.test) };
        assert_eq!((kind.as_str(), name.as_str()), ("CMD", self.name));
        self.program(arguments).start().finished(time(&check.timeout)).code == Some(0)
    }

    /// Starts it and waits until it is healthy, as whoever depends on it does.
    fn up(&self) -> Running {
        assert!(!self.is_healthy(), "{} is healthy before it is there", self.name);
        let mut running = self.program(&self.service.command).start();
        wait_until(self.name, time(&self.service.healthcheck.start_period), || {
            assert!(running.is_running(), "{}: {}", self.name, running.stderr());
            self.is_healthy().then_some(())
        });
        running
    }

    /// Stops it as Docker does, within its period of grace.
    fn stop(&self, running: Running) -> Finished {
        assert!(self.is_healthy(), "{}: {}", self.name, running.stderr());
        self.check_limits(&running);
        running.signal(Signal::TERM);
        let grace = self.service.stop_grace_period.as_deref().expect("a period of grace");
        running.finished(time(grace)).well()
    }

    /// What it took at the most must be within its limits. Linux tells.
    fn check_limits(&self, running: &Running) {
        let status = fs::read_to_string(format!("/proc/{}/status", running.pid()));
        let status = status.expect("a process at work has a status");
        let figure = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
            line.split_whitespace().next().and_then(|it| it.parse().ok()).expect(name)
        };
        let limits = &self.service.deploy.resources.limits;
        let (memory, threads) = (figure("VmHWM:") * 1024, figure("Threads:"));
        println!("{}: {} MiB of {}, {threads} threads", self.name, memory >> 20, limits.memory);
        assert!(memory < bytes(&limits.memory), "{}: {memory} bytes", self.name);
        // Some programs have a thread for each processor, of which the container has one.
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        assert!(threads < limits.pids + cores, "{}: {threads} threads", self.name);
    }

    /// The figure of that name among its metrics.
    fn figure(&self, name: &str) -> Option<f64> {
        figure(&scrape(&self.metrics)?, name)
    }

    /// Every variable must be one that the program knows: it would ignore others.
    fn check_variables(&self) {
        let help = || self.world.program(self.name);
        let mut said = help().switch("--help").run().well().stdout;
        if let Some(subcommand) = self.service.command.first() {
            said += &help().switch(subcommand).switch("--help").run().well().stdout;
        }
        let words: Vec<&str> = said.split_whitespace().collect();
        let text = words.join(" ");
        for name in self.service.environment.keys() {
            let flag = name.strip_prefix("ARUS_").map(|rest| rest.to_lowercase().replace('_', "-"));
            let has_flag = flag.is_some_and(|flag| words.contains(&format!("--{flag}").as_str()));
            // The database's client knows that one.
            let is_password =
                name == "PGPASSWORD" && self.service.environment.contains_key("DATABASE_URL");
            let is_known = has_flag || text.contains(&format!("[env: {name}")) || is_password;
            assert!(is_known, "{} does not know {name}", self.name);
        }
    }

    /// What it has left in its home, by commas.
    fn left(&self) -> String {
        let entries = fs::read_dir(&self.home).expect("it is there").flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.collect::<Vec<_>>().join(",")
    }
}

#[test]
fn our_services_do_their_work_as_the_file_starts_them() {
    let world = World::named("compose").start();
    let values = quick();
    let file = Compose::read(&values);
    let ours = OURS.map(|name| Container::new(&world, &file, name));
    let mut running: BTreeMap<&str, Running> = BTreeMap::new();
    for container in &ours {
        container.check_variables();
        check_order(container, &running);
        running.insert(container.name, container.up());
    }
    let [purchases, streaming, customers, bank, etl] = &ours;

    // Its console is its log.
    wait_until("windows", LIMIT, || {
        let said = running[streaming.name].stdout();
        (said.matches("Bed").count() >= 5).then_some(())
    });
    wait_until("the batch job's files", LIMIT, || {
        etl.home.join("etl/report.html").exists().then_some(())
    });

    let mut stop = |container: &Container<'_>| {
        container.stop(running.remove(container.name).expect("it runs"))
    };
    for producer in [purchases, customers] {
        let ended = stop(producer);
        assert!(ended.last_line().contains("· failed 0 ·"), "{}", ended.stdout);
    }
    let sent = [world.records(), world.records_of(".bank")];
    for (job, records) in [streaming, bank].into_iter().zip(&sent) {
        wait_until("all to be read", LIMIT, || {
            let read = job.figure("arus_rows_read_total")?;
            (read == records.len() as f64).then_some(())
        });
    }
    for job in [streaming, bank] {
        let _ = stop(job);
    }
    let ended = stop(etl);
    assert!(ended.stderr.contains("-02-29 02:30:00 WIB"), "{}", ended.stderr);

    let ms = |name: &str| time(&values[name]).as_millis() as i64;
    check_windows(&world, &Question::tumbling(ms("WINDOW"), ms("WATERMARK")));
    let expected = ledger(&sent[1]);
    assert!(expected.closures > 0 && expected.customers.len() > 150);
    world.check_bank_tables(&expected);
    check_months(&world, &etl.home.join("etl"));
    let left = ours.each_ref().map(Container::left);
    assert_eq!(left, ["", "checkpoint", "", "checkpoint", "etl"]);
}

/// What it waits for must be at work already, and be all that it needs.
fn check_order(container: &Container<'_>, running: &BTreeMap<&str, Running>) {
    let Container { name, service, .. } = container;
    for (other, dependency) in &service.depends_on {
        assert_eq!(dependency.condition, "service_healthy", "{name}");
        let is_there = ["kafka", "postgres"].contains(&&**other) || running.contains_key(&**other);
        assert!(is_there, "{name} waits for {other}, which is not at work");
    }
    for (variable, other) in [("KAFKA_BROKERS", "kafka"), ("DATABASE_URL", "postgres")] {
        let needs = service.environment.contains_key(variable);
        assert_eq!(needs, service.depends_on.contains_key(other), "{name} and {other}");
    }
}

/// The table must hold the windows that are closed, and the topics beside it what they must.
fn check_windows(world: &World, question: &Question) {
    let verdict = world.check_aside(question);
    let found = world.rows(question.group_by);
    let last_ms = found.iter().map(|row| row.window_end_ms).max().expect("windows closed");
    let closed: Vec<_> =
        verdict.rows.into_iter().filter(|row| row.window_end_ms <= last_ms).collect();
    rows::assert_same("the table", &found, &closed);
    assert!(!verdict.late.is_empty() && !verdict.rejected.is_empty());
}

/// The sample in the project's folder has been read, and is in the table and in the files.
fn check_months(world: &World, folder: &Path) {
    let months = world.months();
    assert_eq!(months, customers_by_month(&invoices()));
    let line =
        |(&(year, month), customers): (&(i32, i32), &i64)| format!("{year},{month},{customers}");
    let lines = months.iter().map(line);
    let expected: Vec<String> = lines.collect();
    let csv = fs::read_to_string(folder.join("monthly_customers.csv")).expect("the file is there");
    let found: Vec<&str> = csv.lines().skip(1).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_setting_is_as_it_should_be() {
    let file = Compose::read(&BTreeMap::new());
    assert_eq!(file.name, "arus");
    let names: BTreeSet<&str> = file.services.keys().map(String::as_str).collect();
    assert_eq!(names, OURS.into_iter().chain(OTHERS).collect::<BTreeSet<_>>());
    let (mut ports, mut volumes) = (BTreeSet::new(), BTreeSet::new());
    for (name, service) in &file.services {
        assert_eq!(service.restart, "unless-stopped", "{name}");
        assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
        assert_eq!(service.logging.driver, "json-file", "{name}");
        let options: Vec<&str> = service.logging.options.keys().map(String::as_str).collect();
        assert_eq!(options, ["max-file", "max-size"], "{name}");
        let cpus: f64 = service.deploy.resources.limits.cpus.parse().expect("a number");
        // More than a machine has would be refused there.
        assert!(cpus > 0.0 && cpus <= 1.0, "{name}");
        let asked = if OTHERS[2..].contains(&&**name) { vec![name.clone()] } else { vec![] };
        assert_eq!(service.profiles, asked, "{name}");
        for port in &service.ports {
            let parts: Vec<&str> = port.split(':').collect();
            assert_eq!((parts.len(), parts[0]), (3, "127.0.0.1"), "{name}: {port}");
            assert!(ports.insert(parts[1].to_owned()), "{name}: {port} is taken");
        }
        for volume in &service.volumes {
            let (here, _) = volume.split_once(':').expect("HERE:THERE");
            let is_folder = here.starts_with("./") && volume.ends_with(":ro");
            assert!(is_folder || volumes.insert(here.to_owned()), "{name}: {volume}");
        }
        check_health_times(name, service);
    }
    let named: BTreeSet<String> = file.volumes.into_keys().collect();
    assert_eq!(volumes, named, "named volumes, each used once");
}

fn check_health_times(name: &str, service: &Service) {
    let check = &service.healthcheck;
    let [interval, timeout, patience] =
        [&check.interval, &check.timeout, &check.start_period].map(|text| time(text));
    assert!(timeout <= interval && check.retries >= 3, "{name}");
    assert!(time(&check.start_interval) < interval && patience >= LIMIT, "{name}");
    let memory = bytes(&service.deploy.resources.limits.memory);
    let shared = service.shm_size.as_deref().map_or(0, bytes);
    assert!(shared < memory, "{name}");
    let grace = service.stop_grace_period.as_deref().map(time);
    assert!(grace.is_none_or(|grace| grace >= Duration::from_secs(30)), "{name}");
}

#[test]
fn the_example_of_env_gives_every_variable_its_default() {
    assert_eq!(example(), Compose::variables());
}

#[test]
fn our_images_hold_one_program_and_no_rights() {
    let file = Compose::read(&BTreeMap::new());
    let dockerfile = fs::read_to_string(project().join("Dockerfile")).expect("the file is there");
    for name in OURS {
        let service = &file.services[name];
        let build = service.build.as_ref().expect("it is ours");
        assert_eq!((build.context.as_str(), build.target.as_str()), (".", name));
        assert_eq!(service.image, format!("arus/{name}"));
        assert!(service.read_only, "{name}");
        assert_eq!(service.cap_drop, ["ALL"], "{name}");
        assert!(service.ports.iter().all(|port| port.ends_with(":9464")), "{name}");
        let stage = format!(
            "FROM runtime AS {name}\n\
             COPY --from=build /programs/{name} /usr/local/bin/\n\
             ENTRYPOINT [\"{name}\"]\n"
        );
        assert!(dockerfile.contains(&stage), "{name}: the Dockerfile has another stage");
        assert!(dockerfile.contains(&format!("--package {name}")), "{name} is not built");
    }
    assert!(dockerfile.contains(&format!("\nWORKDIR {HOME}\nUSER 65532:65532\n")));
    let manifest = fs::read_to_string(project().join("Cargo.toml")).expect("the file is there");
    let minor = |text: &str, before: &str| -> u32 {
        let (_, rest) = text.split_once(before).expect(before);
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).expect("a number ends");
        rest[..digits].parse().expect("a number")
    };
    let oldest = minor(&manifest, "rust-version = \"1.");
    assert!(minor(&dockerfile, "ARG RUST_VERSION=1.") >= oldest, "Rust is too old in the image");
}

#[test]
fn the_servers_are_those_that_our_services_expect() {
    let file = Compose::read(&BTreeMap::new());
    let pom = fs::read_to_string(project().join("tests/kafka/pom.xml")).expect("the file is there");
    let version = pom.split_once("<kafka.version>").and_then(|(_, rest)| rest.split_once('<'));
    let (version, _) = version.expect("it names a version");
    let kafka = &file.services["kafka"];
    assert_eq!(kafka.image, format!("apache/kafka:{version}"));
    let variable = |name: &str| kafka.environment[name].as_str();
    let advertised = variable("KAFKA_ADVERTISED_LISTENERS");
    assert_eq!(advertised, "INTERNAL://kafka:19092,HOST://localhost:9092");
    assert_eq!(kafka.ports, ["127.0.0.1:9092:9092"]);
    assert_eq!(kafka.volumes, [format!("kafka-data:{}", variable("KAFKA_LOG_DIRS"))]);
    assert!(kafka.healthcheck.test[1].contains("--bootstrap-server kafka:19092"));

    let postgres = &file.services["postgres"];
    let environment: Vec<(&str, &str)> =
        postgres.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected =
        [("POSTGRES_DB", "arus"), ("POSTGRES_PASSWORD", "arus"), ("POSTGRES_USER", "arus")];
    assert_eq!(environment, expected);
    for name in OURS {
        let Some(password) = file.services[name].environment.get("PGPASSWORD") else { continue };
        assert_eq!(password, "arus", "{name}");
    }
    assert_eq!(postgres.image, "postgres:18");
    assert_eq!(postgres.ports, ["127.0.0.1:5432:5432"]);
    assert_eq!(postgres.volumes, ["postgres-data:/var/lib/postgresql"]);
    let check = "pg_isready --quiet --host=127.0.0.1 --username=arus --dbname=arus";
    assert_eq!(postgres.healthcheck.test, ["CMD-SHELL", check]);

    let brokers =
        [("ksqldb", "KSQL_BOOTSTRAP_SERVERS"), ("kafka-ui", "KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS")];
    for (name, variable) in brokers {
        assert_eq!(file.services[name].environment[variable], "kafka:19092");
    }
}

/// Addresses and folders of the Kafka service that this machine can have, for those of its container.
fn kafka_here(
    environment: &BTreeMap<String, String>,
    ports: [u16; 3],
    data: &Path,
) -> Vec<(String, String)> {
    let [controller, internal, host] = ports;
    let places = [
        ("kafka:29093", format!("127.0.0.1:{controller}")),
        ("kafka:19092", format!("127.0.0.1:{internal}")),
        ("://:29093", format!("://127.0.0.1:{controller}")),
        ("://:19092", format!("://127.0.0.1:{internal}")),
        ("://:9092", format!("://127.0.0.1:{host}")),
        ("/var/lib/kafka/data", data.display().to_string()),
    ];
    let here = |(name, value): (&String, &String)| {
        let value =
            places.iter().fold(value.clone(), |text, (there, here)| text.replace(there, here));
        (name.clone(), value)
    };
    environment.iter().map(here).collect()
}

#[test]
#[ignore = "needs Apache Kafka: make test-real"]
fn kafka_starts_as_the_file_starts_it() {
    let world = World::named("compose_kafka").without_broker().start();
    let taken = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let ports = taken.each_ref().map(|it| it.local_addr().expect("it is bound").port());
    drop(taken);
    let file = Compose::read(&[("KAFKA_PORT".to_owned(), ports[2].to_string())].into());
    let kafka = &file.services["kafka"];
    let variables = kafka_here(&kafka.environment, ports, &world.path("data"));

    // What the image does at its start: Kafka's own program for images makes a configuration of the
    // variables and formats the storage, and the server starts with it.
    for (folder, files) in [
        ("default", &["server.properties", "log4j2.yaml", "tools-log4j2.yaml"][..]),
        ("mounted", &[]),
        ("final", &[]),
    ] {
        fs::create_dir(world.path(folder)).expect("the world's folder is writable");
        for file in files {
            fs::write(world.path(folder).join(file), "").expect("the world's folder is writable");
        }
    }
    let mut setup = kafka_class("kafka.docker.KafkaDockerWrapper");
    setup.arg("setup");
    for (flag, folder) in [("-D", "default"), ("-M", "mounted"), ("-F", "final")] {
        setup.arg(flag).arg(world.path(folder));
    }
    let said = world.ask(setup.envs(variables), "");
    assert!(said.contains("Formatting"), "{said}");
    let log = |name: &str| fs::File::create(world.path(name)).expect("the folder is writable");
    let mut server = kafka_class("kafka.Kafka");
    server.arg(world.path("final/server.properties"));
    let server = server.stdout(log("kafka.out.log")).stderr(log("kafka.err.log")).spawn();
    let _server = Guarded(server.expect("scripts/kafka.sh is there"));

    // Its health check is a script of Kafka's that starts this class with the same arguments.
    let script = "/opt/kafka/bin/kafka-broker-api-versions.sh --bootstrap-server kafka:19092";
    assert!(kafka.healthcheck.test[1].contains(script), "{:?}", kafka.healthcheck.test);
    let inside = format!("127.0.0.1:{}", ports[1]);
    wait_until("Kafka to listen", LIMIT, || TcpStream::connect(&inside).ok());
    let mut check = kafka_class("org.apache.kafka.tools.BrokerApiVersionsCommand");
    let _ = world.ask(check.args(["--bootstrap-server", &inside]), "");

    // By either address a client finds the broker again under the same address.
    let outside = format!("localhost:{}", ports[2]);
    for (at, address) in [inside, outside].iter().enumerate() {
        let producer = world.program("purchase-producer").with("--brokers", address);
        let topic = format!("purchases-{at}");
        let _ = producer.with("--topic", &topic).with("--count", 1_000).run().well();
        let kafka = KafkaArgs::for_brokers(address);
        let found = read_topic(&kafka, &topic).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.len(), 1_000, "{address}");
    }
}
