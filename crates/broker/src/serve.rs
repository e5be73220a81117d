//! From settings to a serving broker and back: bind, open, announce, serve, leave on a signal.

use std::future::pending;
use std::io::{self, Write as _};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rama::Layer as _;
use rama::Service as _;
use tansu_broker::Error;
use tansu_service::{BytesFrameLayer, TcpBytesLayer, TcpContext, TcpContextLayer};
use tansu_storage::{BrokerRegistrationRequest, Storage as _, StorageContainer};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::sleep;
use url::Url;
use uuid::Uuid;

use crate::args::{Settings, Storage};
use crate::folder::DataFolder;
use crate::records::Records;
use crate::router::{Router, router};

/// How long requests under way may take to end after a signal.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pause after a connection could not be taken, as when the process has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until SIGTERM or Ctrl-C; fails with one sentence when it cannot start.
pub(crate) fn until_signal(settings: Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    let result = runtime.block_on(run(&settings));
    runtime.shutdown_timeout(PATIENCE);
    result
}

async fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for Ctrl-C")?;
    let listener = bind(settings.listen).await?;
    let address = listener.local_addr().context("cannot read the address listened on")?;
    let second = match settings.also_ipv6_loopback {
        // Not every machine has IPv6; then no client tries it either.
        true => TcpListener::bind((Ipv6Addr::LOCALHOST, address.port())).await.ok(),
        false => None,
    };
    let folder = match &settings.storage {
        Storage::Folder(path) => Some(DataFolder::open(path)?),
        Storage::Memory => None,
    };
    let place = match &folder {
        Some(folder) => format!("data in {}", folder.path().display()),
        None => "in memory, nothing is kept".to_owned(),
    };
    let (engine, records) = open(settings, address, folder.as_ref().map(DataFolder::path))
        .await
        .with_context(|| format!("cannot open the broker's storage ({place})"))?;
    let router = router(engine, records.clone())?;
    // A reader of stdout that went away is no reason to stop.
    let _ = writeln!(io::stdout(), "broker ready on {address} ({place})");
    tokio::select! {
        () = serve(listener, second, router, &settings.cluster_id) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    records.flush().with_context(|| format!("cannot write everything to disk ({place})"))
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| match address.port() {
        0 => format!("cannot listen on {address}"),
        port => format!(
            "cannot listen on {address}: stop what uses port {port}, or name another one with \
             --listen HOST:PORT"
        ),
    })
}

/// Opens topics, groups and offsets (the engine) and the records.
async fn open(
    settings: &Settings,
    address: SocketAddr,
    folder: Option<&Path>,
) -> anyhow::Result<(StorageContainer, Records)> {
    let storage = match folder {
        Some(folder) => {
            // The engine takes its file relative to the working folder only, and reads its name
            // from a URL; from inside the folder every name of a folder works.
            std::env::set_current_dir(folder)?;
            "sqlite:///broker.db"
        }
        None => "memory://arus/",
    };
    let engine = StorageContainer::builder()
        .cluster_id(settings.cluster_id.as_str())
        .node_id(settings.node_id)
        .advertised_listener(advertised(settings, address)?)
        .storage(Url::parse(storage)?)
        .build()
        .await
        .map_err(|error| anyhow!("{error:?}"))?;
    let registration = BrokerRegistrationRequest {
        broker_id: settings.node_id,
        cluster_id: settings.cluster_id.clone(),
        // Tells two lives of one broker apart in a cluster; here there is one broker.
        incarnation_id: Uuid::nil(),
        rack: None,
    };
    engine.register_broker(registration).await.map_err(|error| anyhow!("{error:?}"))?;
    let records = Records::open(engine.clone(), folder.map(|_| "records".into())).await?;
    Ok((engine, records))
}

/// The address that clients are told.
fn advertised(settings: &Settings, address: SocketAddr) -> anyhow::Result<Url> {
    let text = match &settings.advertise {
        Some((host, port)) => format!("tcp://{host}:{}", port.unwrap_or(address.port())),
        None => format!("tcp://{address}"),
    };
    Url::parse(&text).with_context(|| format!("{text} is no address"))
}

/// Takes connections until it is dropped; with it end all of them.
async fn serve(first: TcpListener, second: Option<TcpListener>, router: Router, cluster_id: &str) {
    let mut connections = JoinSet::new();
    let from_second = async || match &second {
        Some(listener) => listener.accept().await,
        None => pending().await,
    };
    loop {
        let accepted = tokio::select! {
            accepted = first.accept() => accepted,
            accepted = from_second() => accepted,
            // Forgets those that ended.
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(answer(stream, router.clone(), cluster_id.to_owned()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers one client until it hangs up.
async fn answer(stream: TcpStream, router: Router, cluster_id: String) {
    let context = TcpContext::default().cluster_id(Some(cluster_id));
    let layers =
        (TcpContextLayer::new(context), TcpBytesLayer::default(), BytesFrameLayer::default());
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers may be slow");
    }
    match layers.into_layer(router).serve(rama::Context::default(), stream).await {
        Ok(()) => {}
        Err(Error::Io(error)) => tracing::debug!(%error, "a client hung up"),
        Err(error) => tracing::warn!(%error, "a client was hung up on"),
    }
}
