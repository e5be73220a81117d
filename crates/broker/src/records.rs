//! All records of the broker: which topics there are, and the log of each of their partitions.
//!
//! What topics exist is asked of the engine of `tansu-broker` (it keeps topics, groups, offsets
//! and producer ids); only the records themselves are kept here. A log belongs to the id of its
//! topic, not to its name: a topic that is deleted and created again starts empty.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use tansu_storage::{Storage as _, StorageContainer, TopicId};
use tokio::sync::watch;
use uuid::Uuid;

use crate::partition::PartitionLog;

/// A topic that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) partitions: i32,
}

/// A log that several connections use in turns.
pub(crate) type SharedLog = Arc<Mutex<PartitionLog>>;

/// Topics that exist for sure; of others the engine is asked each time.
#[derive(Debug, Default)]
struct Known {
    topics: HashMap<TopicId, Topic>,
    /// An answer of the engine from before a deletion must not be noted after it.
    deletions: u64,
}

/// Shared by all connections; clones are the same records.
#[derive(Debug, Clone)]
pub(crate) struct Records(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: StorageContainer,
    /// Holds `<topic id>/<partition>.log`; none in memory.
    folder: Option<PathBuf>,
    logs: Mutex<HashMap<(Uuid, i32), SharedLog>>,
    known: Mutex<Known>,
    /// Told after each append, so that waiting consumers look again.
    appended: watch::Sender<()>,
}

impl Records {
    /// Records in this folder, or in memory without one. Logs of topics that were deleted while
    /// the broker could not tidy up are removed.
    pub(crate) async fn open(
        engine: StorageContainer,
        folder: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        if let Some(folder) = &folder {
            fs::create_dir_all(folder)?;
            let metadata = engine.metadata(None).await?;
            let alive: BTreeSet<Uuid> = metadata
                .topics()
                .iter()
                .filter_map(|topic| topic.topic_id.map(Uuid::from_bytes))
                .collect();
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let id = entry.file_name().to_str().and_then(|name| name.parse::<Uuid>().ok());
                if id.is_some_and(|id| !alive.contains(&id)) {
                    fs::remove_dir_all(entry.path())?;
                }
            }
        }
        Ok(Self(Arc::new(Inner {
            engine,
            folder,
            logs: Mutex::default(),
            known: Mutex::default(),
            appended: watch::Sender::new(()),
        })))
    }

    /// The topic of that name or id, if it exists.
    pub(crate) async fn topic(&self, wanted: &TopicId) -> tansu_storage::Result<Option<Topic>> {
        let deletions = {
            let known = lock(&self.0.known);
            if let Some(topic) = known.topics.get(wanted) {
                return Ok(Some(topic.clone()));
            }
            known.deletions
        };
        let metadata = self.0.engine.metadata(Some(std::slice::from_ref(wanted))).await?;
        let found = metadata.topics().iter().find(|topic| topic.error_code == 0);
        let topic = found.and_then(|found| {
            Some(Topic {
                id: Uuid::from_bytes(found.topic_id?),
                name: found.name.clone()?,
                partitions: i32::try_from(found.partitions.as_ref()?.len()).ok()?,
            })
        });
        let mut known = lock(&self.0.known);
        if let (Some(topic), true) = (&topic, known.deletions == deletions) {
            known.topics.insert(wanted.clone(), topic.clone());
        }
        Ok(topic)
    }

    /// The log of a partition of a topic; `None` if the topic has no such partition.
    pub(crate) fn log(&self, topic: &Topic, partition: i32) -> io::Result<Option<SharedLog>> {
        if !(0..topic.partitions).contains(&partition) {
            return Ok(None);
        }
        let mut logs = lock(&self.0.logs);
        if let Some(log) = logs.get(&(topic.id, partition)) {
            return Ok(Some(log.clone()));
        }
        let log = match &self.0.folder {
            None => PartitionLog::in_memory(),
            Some(folder) => {
                let folder = folder.join(topic.id.to_string());
                fs::create_dir_all(&folder)?;
                PartitionLog::open(&folder.join(format!("{partition}.log")))?
            }
        };
        let log = Arc::new(Mutex::new(log));
        logs.insert((topic.id, partition), log.clone());
        Ok(Some(log))
    }

    /// Tells waiting consumers that there is something new.
    pub(crate) fn announce(&self) {
        self.0.appended.send_replace(());
    }

    /// Notices every append from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.0.appended.subscribe()
    }

    /// Removes the records of a topic that the engine has just deleted.
    pub(crate) fn forget(&self, topic: &Topic) -> io::Result<()> {
        {
            let mut known = lock(&self.0.known);
            known.topics.retain(|_, known| known.id != topic.id);
            known.deletions += 1;
        }
        lock(&self.0.logs).retain(|(id, _), _| *id != topic.id);
        let Some(folder) = &self.0.folder else {
            return Ok(());
        };
        match fs::remove_dir_all(folder.join(topic.id.to_string())) {
            // Nothing was ever produced to it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Hands everything to the disk; what a kill cannot harm, a power cut then cannot either.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let logs: Vec<SharedLog> = lock(&self.0.logs).values().cloned().collect();
        logs.iter().try_for_each(|log| lock(log).flush())
    }
}

/// A panic while a lock was held is a bug that has been reported; the data stay usable, as every
/// change is made in one piece.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
