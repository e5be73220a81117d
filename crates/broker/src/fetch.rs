//! Fetch requests: whole batches from the offset on, at once if there are any, and otherwise as
//! soon as some come or the client's waiting time is over. Waiting costs nothing.

use std::time::Duration;

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::fetch_request::{FetchPartition, FetchTopic};
use tansu_sans_io::fetch_response::{FetchableTopicResponse, PartitionData};
use tansu_sans_io::record::deflated::Frame;
use tansu_sans_io::{ErrorCode, FetchRequest, FetchResponse};
use tansu_storage::TopicId;
use tokio::time::timeout;

use crate::header::Header;
use crate::partition::LogError;
use crate::produce::code_of;
use crate::records::{Records, Topic, lock};

/// Answers fetch requests from the records.
#[derive(Debug, Clone)]
pub(crate) struct Fetch(pub(crate) Records);

/// One answer in the making.
struct Gathered {
    responses: Vec<FetchableTopicResponse>,
    bytes: u64,
    /// An error is told at once.
    failed: bool,
}

impl Service<(), FetchRequest> for Fetch {
    type Response = FetchResponse;
    type Error = Error;

    async fn serve(&self, _: Context<()>, request: FetchRequest) -> Result<FetchResponse, Error> {
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let wanted = u64::try_from(request.min_bytes).unwrap_or(0);
        let limit = request.max_bytes.and_then(|bytes| u64::try_from(bytes).ok());
        let limit = limit.unwrap_or(u64::MAX);
        let topics = request.topics.unwrap_or_default();
        // Watches before it looks, so that nothing comes unseen in between.
        let mut appended = self.0.watch();
        let mut gathered = self.gather(&topics, limit).await?;
        if gathered.bytes < wanted && !gathered.failed {
            // An error here is the end of the waiting time: what there is goes out as it is.
            let _ = timeout(wait, async {
                while appended.changed().await.is_ok() {
                    gathered = self.gather(&topics, limit).await?;
                    if gathered.bytes >= wanted || gathered.failed {
                        break;
                    }
                }
                Ok::<(), Error>(())
            })
            .await;
        }
        Ok(FetchResponse::default()
            .throttle_time_ms(Some(0))
            .error_code(Some(ErrorCode::None.into()))
            .session_id(Some(0))
            .node_endpoints(Some(Vec::new()))
            .responses(Some(gathered.responses)))
    }
}

impl Fetch {
    async fn gather(&self, topics: &[FetchTopic], limit: u64) -> Result<Gathered, Error> {
        let mut gathered = Gathered { responses: Vec::new(), bytes: 0, failed: false };
        for wanted in topics {
            let topic = self.0.topic(&TopicId::from(wanted)).await?;
            let mut partitions = Vec::new();
            for partition in wanted.partitions.as_deref().unwrap_or_default() {
                let left = limit.saturating_sub(gathered.bytes);
                let first = gathered.bytes == 0;
                partitions.push(match self.partition(topic.as_ref(), partition, left, first) {
                    Ok((data, bytes)) => {
                        gathered.bytes += bytes;
                        data
                    }
                    Err(code) => {
                        gathered.failed = true;
                        empty(partition.partition).error_code(code.into())
                    }
                });
            }
            gathered.responses.push(
                FetchableTopicResponse::default()
                    .topic(wanted.topic.clone())
                    .topic_id(topic.map(|topic| topic.id.into_bytes()).or(wanted.topic_id))
                    .partitions(Some(partitions)),
            );
        }
        Ok(gathered)
    }

    /// The partition's part of the answer and its size; over the limit only if it is the first.
    fn partition(
        &self,
        topic: Option<&Topic>,
        wanted: &FetchPartition,
        left: u64,
        first: bool,
    ) -> Result<(PartitionData, u64), ErrorCode> {
        let topic = topic.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let index = wanted.partition;
        let log = self
            .0
            .log(topic, index)
            .map_err(|error| code_of(&LogError::Io(error), topic, index))?
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let log = lock(&log);
        let limit = left.min(u64::try_from(wanted.partition_max_bytes).unwrap_or(0));
        let batches = log
            .read(wanted.fetch_offset, limit, first)
            .map_err(|error| code_of(&error, topic, index))?;
        let bytes = batches.iter().map(|batch| Header::of(batch).bytes).sum();
        let records = (!batches.is_empty()).then_some(Frame { batches });
        let data = empty(index)
            .high_watermark(log.end_offset())
            .last_stable_offset(Some(log.end_offset()))
            .log_start_offset(Some(0))
            .records(records);
        Ok((data, bytes))
    }
}

fn empty(index: i32) -> PartitionData {
    PartitionData::default()
        .partition_index(index)
        .error_code(ErrorCode::None.into())
        .high_watermark(-1)
        .last_stable_offset(Some(-1))
        .log_start_offset(Some(-1))
        .diverging_epoch(None)
        .current_leader(None)
        .snapshot_id(None)
        .aborted_transactions(Some(Vec::new()))
        .preferred_read_replica(Some(-1))
        .records(None)
}
