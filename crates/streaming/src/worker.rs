//! The threads that read: each owns some partitions' readers and takes batches from them in turn.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::Error;
use crate::lane::{Lane, LaneShared};
use crate::operator::Partition;
use crate::source::Reader;

/// The lanes, by partition.
pub(crate) type Lanes<P> = BTreeMap<i32, Mutex<Lane<P>>>;

/// Wakes threads that have nothing to do.
#[derive(Clone, Default)]
pub(crate) struct Bell {
    inner: Arc<(Mutex<Rung>, Condvar)>,
}

#[derive(Default)]
struct Rung {
    times: u64,
    ended: bool,
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.inner.0.lock().unwrap().times += 1;
        self.inner.1.notify_all();
    }

    fn ring_end(&self) {
        self.inner.0.lock().unwrap().ended = true;
        self.ring();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.inner.0.lock().unwrap().ended
    }

    fn times(&self) -> u64 {
        self.inner.0.lock().unwrap().times
    }

    /// Waits for a ring after the `heard`th, not for long.
    fn wait(&self, heard: u64) {
        let rung = self.inner.0.lock().unwrap();
        let timeout = Duration::from_millis(100);
        drop(self.inner.1.wait_timeout_while(rung, timeout, |rung| rung.times == heard).unwrap());
    }

    /// Waits `time`, or until `stop` is set and the bell rings.
    pub(crate) fn sleep(&self, time: Duration, stop: &AtomicBool) {
        let rung = self.inner.0.lock().unwrap();
        let waiting = |_: &mut Rung| !stop.load(Ordering::Acquire);
        drop(self.inner.1.wait_timeout_while(rung, time, waiting).unwrap());
    }
}

/// Tells the others when a worker leaves, be it by a panic.
struct RingAtEnd<'a>(&'a Bell);

impl Drop for RingAtEnd<'_> {
    fn drop(&mut self) {
        self.0.ring_end();
    }
}

/// Reads until told to stop.
pub(crate) fn work<P: Partition>(
    mut readers: Vec<Box<dyn Reader>>,
    lanes: &Lanes<P>,
    shared: &LaneShared,
    bell: &Bell,
    stop: &AtomicBool,
) -> Result<(), Error> {
    let _leaving = RingAtEnd(bell);
    while !stop.load(Ordering::Acquire) {
        let heard = bell.times();
        let mut records = 0;
        for reader in &mut readers {
            let mut lane = lanes[&reader.partition()].lock().unwrap();
            if lane.is_done() {
                continue;
            }
            records += lane.step(&mut **reader, shared)?;
        }
        if records == 0 {
            bell.wait(heard);
        }
    }
    Ok(())
}
