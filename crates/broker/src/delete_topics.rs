//! DeleteTopics requests: the engine forgets the topic, then its records go.

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::delete_topics_response::DeletableTopicResult;
use tansu_sans_io::{DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode};
use tansu_storage::{Storage as _, StorageContainer, TopicId};

use crate::records::Records;

/// Answers DeleteTopics requests.
#[derive(Debug, Clone)]
pub(crate) struct DeleteTopics {
    pub(crate) engine: StorageContainer,
    pub(crate) records: Records,
}

impl Service<(), DeleteTopicsRequest> for DeleteTopics {
    type Response = DeleteTopicsResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        request: DeleteTopicsRequest,
    ) -> Result<DeleteTopicsResponse, Error> {
        // Newer clients name topics one way, older ones the other.
        let by_state =
            request.topics.unwrap_or_default().into_iter().map(|topic| {
                topic.name.map_or_else(|| TopicId::from(topic.topic_id), TopicId::Name)
            });
        let by_name = request.topic_names.unwrap_or_default().into_iter().map(TopicId::Name);
        let mut responses = Vec::new();
        for wanted in by_state.chain(by_name) {
            responses.push(self.delete(&wanted).await?);
        }
        Ok(DeleteTopicsResponse::default().throttle_time_ms(Some(0)).responses(Some(responses)))
    }
}

impl DeleteTopics {
    async fn delete(&self, wanted: &TopicId) -> Result<DeletableTopicResult, Error> {
        let topic = self.records.topic(wanted).await?;
        let code = self.engine.delete_topic(wanted).await?;
        if let (ErrorCode::None, Some(topic)) = (code, &topic)
            && let Err(error) = self.records.forget(topic)
        {
            // The topic is gone all the same; the next start of the broker removes the rest.
            tracing::warn!(topic = topic.name, %error, "records of a deleted topic remain");
        }
        let name = match wanted {
            TopicId::Name(name) => Some(name.clone()),
            TopicId::Id(_) => topic.as_ref().map(|topic| topic.name.clone()),
        };
        let message = (code != ErrorCode::None).then(|| code.to_string());
        Ok(DeletableTopicResult::default()
            .name(name)
            .topic_id(Some(topic.map_or([0; 16], |topic| topic.id.into_bytes())))
            .error_code(code.into())
            .error_message(message))
    }
}
