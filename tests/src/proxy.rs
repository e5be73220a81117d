//! A bad network between our programs and a server: connections are cut in the middle of what they
//! carry, and bytes come late. What happens to a connection is decided by the seed, the number of
//! the connection and the bytes that it carries.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// One piece in so many is late.
const LATE_ONE_IN: u64 = 16;
/// By at most this.
const LATE_BY_MS: u64 = 150;

/// A bad network, with threads of its own. Everything passes it unharmed until it is told to
/// disturb.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

struct Shared {
    target: Mutex<Option<String>>,
    seed: u64,
    life_bytes: Range<u64>,
    disturbs: AtomicBool,
    connections: AtomicU64,
    cuts: AtomicU64,
}

impl Proxy {
    /// Listens at `address`; port 0 takes a free one. A connection carries so many bytes one way
    /// until it is cut.
    ///
    /// # Panics
    /// When it cannot.
    pub fn start(address: &str, seed: u64, life_bytes: Range<u64>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind(address)).expect("the port is free");
        let address = listener.local_addr().expect("it has an address");
        let shared = Arc::new(Shared {
            target: Mutex::default(),
            seed,
            life_bytes,
            disturbs: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
        });
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, _runtime: runtime }
    }

    /// Where it is.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Leads to the server at this address from now on; until then every connection is closed.
    pub fn lead_to(&self, target: &str) {
        *self.shared.target.lock().expect("nobody panics holding it") = Some(target.to_owned());
    }

    /// Begins to cut and to delay, or ends it.
    pub fn disturb(&self, disturbs: bool) {
        self.shared.disturbs.store(disturbs, Ordering::SeqCst);
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        let target = shared.target.lock().expect("nobody panics holding it").clone();
        tokio::spawn(carry(client, target, number, Arc::clone(&shared)));
    }
}

/// Carries both ways until one end or the seed says stop; then both ends are closed.
async fn carry(
    client: TcpStream,
    target: Option<String>,
    number: u64,
    shared: Arc<Shared>,
) -> Option<()> {
    let server = TcpStream::connect(target?).await.ok()?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let draw = |way: u64| ChaCha8Rng::seed_from_u64(shared.seed ^ (number << 8) ^ way);
    tokio::select! {
        () = one_way(&mut from_client, &mut to_server, draw(0), &shared) => {}
        () = one_way(&mut from_server, &mut to_client, draw(1), &shared) => {}
    }
    Some(())
}

async fn one_way(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut draw: ChaCha8Rng,
    shared: &Shared,
) {
    let Range { start: least, end: most } = shared.life_bytes;
    let mut left = least + draw.next_u64() % (most - least);
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        let late = draw.next_u64().is_multiple_of(LATE_ONE_IN);
        let late_ms = draw.next_u64() % LATE_BY_MS;
        let disturbs = shared.disturbs.load(Ordering::SeqCst);
        if disturbs && late {
            tokio::time::sleep(Duration::from_millis(late_ms)).await;
        }
        // Only what a disturbed connection carries wears it out.
        let passed = if disturbs { length.min(left as usize) } else { length };
        if to.write_all(&piece[..passed]).await.is_err() {
            return;
        }
        if disturbs {
            left -= passed as u64;
        }
        if left == 0 {
            shared.cuts.fetch_add(1, Ordering::SeqCst);
            return;
        }
    }
}
