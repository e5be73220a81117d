//! The stop signal: asked for once, seen by every task and thread.
//!
//! The first Ctrl-C or SIGTERM asks the program to flush, commit and leave; a second one ends it at
//! once. While there is nothing yet to flush or commit, so does the first: see [`Shutdown::at_once`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::Error;

/// A stop that can be asked for and waited for, from async tasks and from plain threads. Clones are
/// one and the same.
///
/// ```
/// use arus_runtime::shutdown::Shutdown;
/// use std::time::Duration;
///
/// let shutdown = Shutdown::new();
/// assert!(!shutdown.wait_timeout(Duration::from_millis(1)));
/// shutdown.clone().request();
/// assert!(shutdown.is_requested());
/// assert!(shutdown.wait_timeout(Duration::MAX));
/// ```
#[derive(Clone, Debug)]
pub struct Shutdown {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tasks: watch::Sender<bool>,
    requested: Mutex<bool>,
    threads: Condvar,
    /// How many [`AtOnce`] there are.
    at_once: AtomicUsize,
}

/// See [`Shutdown::at_once`].
#[derive(Debug)]
#[must_use = "a signal ends the process at once for as long as this value lives"]
pub struct AtOnce {
    shared: Arc<Shared>,
}

impl Drop for AtOnce {
    fn drop(&mut self) {
        self.shared.at_once.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Shutdown {
    /// A stop nobody has asked for yet.
    pub fn new() -> Self {
        let (tasks, _) = watch::channel(false);
        Self {
            shared: Arc::new(Shared {
                tasks,
                requested: Mutex::new(false),
                threads: Condvar::new(),
                at_once: AtomicUsize::new(0),
            }),
        }
    }

    /// For as long as the value lives, the first signal ends the process, with code 0. For the time
    /// before the work begins, in which a program waits for servers that are not there yet, deep in
    /// calls that cannot be called off.
    pub fn at_once(&self) -> AtOnce {
        self.shared.at_once.fetch_add(1, Ordering::AcqRel);
        AtOnce { shared: Arc::clone(&self.shared) }
    }

    /// Asks for the stop; asking again changes nothing.
    pub fn request(&self) {
        *self.lock() = true;
        self.shared.threads.notify_all();
        self.shared.tasks.send_replace(true);
    }

    /// Whether the stop was asked for.
    pub fn is_requested(&self) -> bool {
        *self.lock()
    }

    /// Waits until the stop is asked for.
    pub async fn requested(&self) {
        let mut tasks = self.shared.tasks.subscribe();
        // The sender lives in `self`, so the channel cannot close under us.
        tasks.wait_for(|requested| *requested).await.expect("the sender is alive");
    }

    /// Blocks until the stop is asked for, at most `timeout`; tells whether it was. A worker's
    /// sleep between triggers.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        let guard = self.lock();
        let waited =
            self.shared.threads.wait_timeout_while(guard, timeout, |requested| !*requested);
        *waited.expect("nobody panics while holding the flag").0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.shared.requested.lock().expect("nobody panics while holding the flag")
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

/// What must be put right before the process is ended by a signal, such as a terminal in its second
/// screen.
static BEFORE_FORCED_EXIT: Mutex<Vec<fn()>> = Mutex::new(Vec::new());

/// Registers something quick to do just before a signal ends the process.
pub fn before_forced_exit(action: fn()) {
    BEFORE_FORCED_EXIT.lock().expect("actions are run on a copy").push(action);
}

/// A stop that Ctrl-C (SIGINT) or SIGTERM asks for. A second signal ends the process at once with
/// code 130. Must be called inside a tokio runtime that has its I/O driver on.
///
/// # Errors
/// When the process cannot listen for signals.
pub fn on_signals() -> Result<Shutdown, Error> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let shutdown = Shutdown::new();
    let asked = shutdown.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        tracing::info!(signal = name, "stopping");
        if asked.shared.at_once.load(Ordering::Acquire) > 0 {
            exit("stopped before it began", 0);
        }
        asked.request();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        exit("stopped at once by a second signal", 130);
    });
    Ok(shutdown)
}

/// Ends the process with code 1, for what is left to wait for may never come, deep in a call that
/// cannot be called off: as a kill does, and so only where the next start can go on after one.
pub fn give_up(reason: &str) -> ! {
    exit(&format!("error: {reason}"), 1)
}

/// Ends the process from beside its work.
fn exit(reason: &str, code: i32) -> ! {
    let actions = BEFORE_FORCED_EXIT.lock().expect("actions are run on a copy").clone();
    actions.iter().for_each(|action| action());
    eprintln!("{reason}");
    std::process::exit(code);
}

/// The same for a program without async work: a thread of its own listens for the signals.
///
/// # Errors
/// When the thread cannot be started or the process cannot listen for signals.
pub fn on_signals_in_a_thread() -> Result<Shutdown, Error> {
    let failed = |source| Error::Thread { name: "signals", source };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let entered = runtime.enter();
    let shutdown = on_signals()?;
    drop(entered);
    let listen = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name("signals".to_owned()).spawn(listen).map_err(failed)?;
    Ok(shutdown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_wake_up_when_asked() {
        let shutdown = Shutdown::new();
        let waiter = {
            let shutdown = shutdown.clone();
            std::thread::spawn(move || shutdown.wait_timeout(Duration::from_secs(60)))
        };
        shutdown.request();
        assert!(waiter.join().unwrap());
    }

    #[tokio::test]
    async fn tasks_wake_up_whether_they_ask_before_or_after() {
        let shutdown = Shutdown::new();
        let early = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        tokio::task::yield_now().await;
        assert!(!early.is_finished());
        shutdown.request();
        early.await.unwrap();
        shutdown.requested().await;
    }

    #[test]
    fn a_wait_without_a_request_ends_by_itself() {
        assert!(!Shutdown::new().wait_timeout(Duration::from_millis(5)));
    }
}
