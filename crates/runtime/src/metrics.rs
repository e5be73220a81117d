//! Metrics as Prometheus text over HTTP. Any crate counts with the `metrics` macros; without
//! `--metrics-addr` that costs nothing.
//!
//! The server is a few lines on a plain thread: one short answer per scrape needs no web framework,
//! and binding ourselves lets port 0 tell which port it became.
//!
//! `/health` at the same address is for whoever starts programs in order: it says 503 until the
//! program is [`at_work`]. `--health` asks it, so that an image needs no program for that.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::Error;
use crate::clock::{Clock, SystemClock};

/// Upper bounds of every histogram's buckets, in seconds: 1 ms to 60 s. Name histograms
/// `…_seconds`.
pub const BUCKETS_SECONDS: [f64; 15] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// A scraper that dawdles must not keep the next one waiting for longer than this.
const PATIENCE: Duration = Duration::from_secs(2);
const LARGEST_REQUEST_BYTES: usize = 16 * 1024;

/// One per process, as the recorder of the metrics is.
static AT_WORK: AtomicBool = AtomicBool::new(false);

/// Says, for `/health`, that what the program needs is there and its work has begun.
pub fn at_work() {
    AT_WORK.store(true, Ordering::Relaxed);
}

/// Metrics flags, flattened into every long-running program.
#[derive(Clone, Debug, clap::Args)]
pub struct MetricsArgs {
    /// Serve Prometheus metrics at this address, e.g. 127.0.0.1:9464 (port 0: any free one)
    /// [default: off]
    #[arg(long, env = "METRICS_ADDR", value_name = "HOST:PORT", help_heading = "Logs and metrics")]
    pub metrics_addr: Option<SocketAddr>,

    /// Ask the program that serves --metrics-addr whether it is at work, and end: code 0 if it is,
    /// 1 if not. For the health checks of containers
    #[arg(long, help_heading = "Logs and metrics")]
    pub health: bool,
}

impl MetricsArgs {
    /// What `--health` asks; without that flag there is nothing to ask, and `None` to tell.
    ///
    /// # Errors
    /// [`Error::NotAtWork`] when the program is not, or does not answer within two seconds;
    /// [`Error::NoHealthAddress`] without `--metrics-addr`.
    pub fn ask_health(&self) -> Result<Option<SocketAddr>, Error> {
        if !self.health {
            return Ok(None);
        }
        let address = reachable(self.metrics_addr.ok_or(Error::NoHealthAddress)?);
        match ask(address) {
            Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => Ok(Some(address)),
            Ok(answer) => {
                let reason = answer.lines().last().unwrap_or("it answers nothing").to_owned();
                Err(Error::NotAtWork { address, reason })
            }
            Err(error) => Err(Error::NotAtWork { address, reason: error.to_string() }),
        }
    }

    /// Serves `/metrics` and `/health` from now on if an address was given, and returns the address
    /// bound.
    ///
    /// # Errors
    /// When the address cannot be listened on, or metrics are set up already.
    pub fn serve(&self) -> Result<Option<SocketAddr>, Error> {
        let Some(address) = self.metrics_addr else {
            return Ok(None);
        };
        let failed = |source| Error::MetricsAddress { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS_SECONDS);
        let handle = recorder
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|error| Error::Metrics(error.to_string()))?;
        let upkeep = handle.clone();
        spawn("metrics-upkeep", move || {
            loop {
                // Histograms keep raw samples until somebody drains them: without scrapes that must
                // be us.
                thread::sleep(Duration::from_secs(5));
                upkeep.run_upkeep();
            }
        })?;
        spawn("metrics-http", move || serve_forever(&listener, &handle))?;
        Ok(Some(bound))
    }
}

/// Where to connect to what listens here: all addresses of a machine are no place to go to.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// The whole answer of `/health`.
fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LARGEST_REQUEST_BYTES as u64).read_to_string(&mut answer)?;
    Ok(answer)
}

fn spawn(name: &'static str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(body);
    started.map(drop).map_err(|source| Error::Thread { name, source })
}

fn serve_forever(listener: &TcpListener, handle: &PrometheusHandle) {
    loop {
        let answered = listener.accept().and_then(|(stream, _)| answer(stream, handle));
        if let Err(error) = answered {
            // Out of file descriptors, or a scraper that hung up: neither may stop the job, nor
            // spin.
            tracing::debug!(%error, "metrics request failed");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// One request, one answer, connection closed.
fn answer(mut stream: TcpStream, handle: &PrometheusHandle) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = read_head(&mut stream)?;
    let mut words = request.split(|byte| byte.is_ascii_whitespace());
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let (status, body) = match (method, path) {
        (b"GET" | b"HEAD", b"/" | b"/metrics") => ("200 OK", handle.render()),
        (b"GET" | b"HEAD", b"/health") => match AT_WORK.load(Ordering::Relaxed) {
            true => ("200 OK", "at work\n".to_owned()),
            false => ("503 Service Unavailable", "starting\n".to_owned()),
        },
        (b"GET" | b"HEAD", _) => ("404 Not Found", "metrics are at /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "use GET\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    if method != b"HEAD" {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()
}

/// Reads up to the empty line that ends a request's head.
fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let clock = SystemClock::new();
    let mut request = Vec::new();
    let mut part = [0; 1024];
    while !request.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let left = PATIENCE.saturating_sub(clock.monotonic());
        if left.is_zero() || request.len() > LARGEST_REQUEST_BYTES {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "request too slow or too large"));
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => request.extend_from_slice(&part[..length]),
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(address: &str, health: bool) -> MetricsArgs {
        MetricsArgs { metrics_addr: Some(address.parse().unwrap()), health }
    }

    fn request(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    // One test: the recorder is one per process.
    #[test]
    fn serves_text_at_a_free_port() {
        assert_eq!(args("127.0.0.1:0", false).ask_health().unwrap(), None);
        assert_eq!(MetricsArgs { metrics_addr: None, health: false }.serve().unwrap(), None);
        let address = args("127.0.0.1:0", false).serve().unwrap().unwrap();
        assert_ne!(address.port(), 0);

        metrics::counter!("rows_total", "kind" => "late").increment(3);
        metrics::histogram!("epoch_duration_seconds").record(0.003);
        // A scraper that connects and hangs up at once must not end the service.
        drop(TcpStream::connect(address).unwrap());
        let text = request(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.contains("rows_total{kind=\"late\"} 3"), "{text}");
        assert!(text.contains("epoch_duration_seconds_bucket{le=\"0.002\"} 0"), "{text}");
        assert!(text.contains("epoch_duration_seconds_bucket{le=\"0.005\"} 1"), "{text}");
        assert!(text.contains("epoch_duration_seconds_bucket{le=\"60\"} 1"), "{text}");

        let told = |address: String| args(&address, true).ask_health();
        let error = told(address.to_string()).unwrap_err().to_string();
        assert_eq!(error, format!("the program at {address} is not at work: starting"));
        at_work();
        assert_eq!(told(address.to_string()).unwrap(), Some(address));
        // As in a container, where a program listens at all addresses.
        assert_eq!(told(format!("0.0.0.0:{}", address.port())).unwrap(), Some(address));
        assert!(request(address, "GET /health HTTP/1.0\r\n\r\n").ends_with("at work\n"));
        assert!(request(address, "GET /x HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(request(address, "POST /metrics HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 405"));

        let taken = MetricsArgs { metrics_addr: Some(address), health: false }.serve().unwrap_err();
        assert!(
            taken.to_string().starts_with(&format!("cannot serve metrics at {address}")),
            "{taken}"
        );
    }
}
