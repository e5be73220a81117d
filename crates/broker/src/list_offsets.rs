//! ListOffsets requests: the start and the end of a partition, and the first record of a time.

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::list_offsets_request::ListOffsetsPartition;
use tansu_sans_io::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use tansu_sans_io::{ErrorCode, ListOffsetsRequest, ListOffsetsResponse};
use tansu_storage::TopicId;

use crate::partition::LogError;
use crate::produce::code_of;
use crate::records::{Records, Topic, lock};

/// In the place of a time: the end of the partition.
const LATEST: i64 = -1;
/// In the place of a time: its start.
const EARLIEST: i64 = -2;
/// In the place of a time: its newest record.
const NEWEST: i64 = -3;

/// Answers ListOffsets requests from the records.
#[derive(Debug, Clone)]
pub(crate) struct ListOffsets(pub(crate) Records);

impl Service<(), ListOffsetsRequest> for ListOffsets {
    type Response = ListOffsetsResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        request: ListOffsetsRequest,
    ) -> Result<ListOffsetsResponse, Error> {
        let mut topics = Vec::new();
        for wanted in request.topics.unwrap_or_default() {
            let topic = self.0.topic(&TopicId::Name(wanted.name.clone())).await?;
            let answers = wanted.partitions.unwrap_or_default().into_iter().map(|wanted| {
                let found = self.find(topic.as_ref(), &wanted);
                let (code, (offset, timestamp)) = match found {
                    Ok(found) => (ErrorCode::None, found),
                    Err(code) => (code, (-1, -1)),
                };
                ListOffsetsPartitionResponse::default()
                    .partition_index(wanted.partition_index)
                    .error_code(code.into())
                    .old_style_offsets(Some(vec![offset]))
                    .timestamp(Some(timestamp))
                    .offset(Some(offset))
                    .leader_epoch(Some(0))
            });
            topics.push(
                ListOffsetsTopicResponse::default()
                    .name(wanted.name)
                    .partitions(Some(answers.collect())),
            );
        }
        Ok(ListOffsetsResponse::default().throttle_time_ms(Some(0)).topics(Some(topics)))
    }
}

impl ListOffsets {
    /// The offset and its timestamp; -1 for what there is not.
    fn find(
        &self,
        topic: Option<&Topic>,
        wanted: &ListOffsetsPartition,
    ) -> Result<(i64, i64), ErrorCode> {
        let topic = topic.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let index = wanted.partition_index;
        let log = self
            .0
            .log(topic, index)
            .map_err(|error| code_of(&LogError::Io(error), topic, index))?
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let log = lock(&log);
        Ok(match wanted.timestamp {
            EARLIEST => (0, -1),
            LATEST => (log.end_offset(), -1),
            NEWEST => log.newest_time().unwrap_or((-1, -1)),
            timestamp => log
                .find_time(timestamp)
                .map_err(|error| code_of(&error, topic, index))?
                .unwrap_or((-1, -1)),
        })
    }
}
