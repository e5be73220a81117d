//! Produce requests: each partition's batches go to the end of its log.

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::produce_request::PartitionProduceData;
use tansu_sans_io::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use tansu_sans_io::{ErrorCode, ProduceRequest, ProduceResponse};
use tansu_storage::TopicId;

use crate::partition::LogError;
use crate::records::{Records, Topic, lock};

/// Answers produce requests from the records.
#[derive(Debug, Clone)]
pub(crate) struct Produce(pub(crate) Records);

impl Service<(), ProduceRequest> for Produce {
    type Response = ProduceResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        request: ProduceRequest,
    ) -> Result<ProduceResponse, Error> {
        let mut responses = Vec::new();
        for data in request.topic_data.unwrap_or_default() {
            let topic = self.0.topic(&TopicId::Name(data.name.clone())).await?;
            let partitions = data.partition_data.unwrap_or_default();
            let answers = partitions.into_iter().map(|data| self.append(topic.as_ref(), data));
            responses.push(
                TopicProduceResponse::default()
                    .name(data.name)
                    .partition_responses(Some(answers.collect())),
            );
        }
        self.0.announce();
        Ok(ProduceResponse::default()
            .responses(Some(responses))
            .throttle_time_ms(Some(0))
            .node_endpoints(None))
    }
}

impl Produce {
    fn append(
        &self,
        topic: Option<&Topic>,
        data: PartitionProduceData,
    ) -> PartitionProduceResponse {
        let index = data.index;
        let (code, offset) = match self.append_all(topic, data) {
            Ok(offset) => (ErrorCode::None, offset),
            Err(code) => (code, -1),
        };
        PartitionProduceResponse::default()
            .index(index)
            .error_code(code.into())
            .base_offset(offset)
            .log_append_time_ms(Some(-1))
            .log_start_offset(Some(0))
            .record_errors(Some(Vec::new()))
            .error_message(None)
            .current_leader(None)
    }

    /// Returns the offset of the first record of the request.
    fn append_all(
        &self,
        topic: Option<&Topic>,
        data: PartitionProduceData,
    ) -> Result<i64, ErrorCode> {
        let topic = topic.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let log = self
            .0
            .log(topic, data.index)
            .map_err(|error| code_of(&LogError::Io(error), topic, data.index))?
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let mut log = lock(&log);
        let mut first = None;
        for batch in data.records.map(|frame| frame.batches).unwrap_or_default() {
            let offset = log.append(batch).map_err(|error| code_of(&error, topic, data.index))?;
            first.get_or_insert(offset);
        }
        first.ok_or(ErrorCode::InvalidRecord)
    }
}

/// What a client is told; what it cannot act on is logged here as well.
pub(crate) fn code_of(error: &LogError, topic: &Topic, partition: i32) -> ErrorCode {
    match error {
        LogError::OutOfRange => ErrorCode::OffsetOutOfRange,
        LogError::OutOfOrder => ErrorCode::OutOfOrderSequenceNumber,
        LogError::OldEpoch => ErrorCode::InvalidProducerEpoch,
        LogError::Unsupported => ErrorCode::UnsupportedForMessageFormat,
        LogError::Invalid => ErrorCode::InvalidRecord,
        LogError::Io(error) => {
            let topic = topic.name.as_str();
            tracing::error!(topic, partition, %error, "the log cannot be read or written");
            ErrorCode::KafkaStorageError
        }
    }
}
