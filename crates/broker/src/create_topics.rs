//! CreateTopics requests: names that Kafka would refuse are refused here too, so that what works
//! with this broker works with a real one; the engine makes the others.

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::create_topics_response::CreatableTopicResult;
use tansu_sans_io::{CreateTopicsRequest, CreateTopicsResponse, ErrorCode, NULL_TOPIC_ID};
use tansu_storage::{CreateTopicsService, StorageContainer};

/// Kafka's longest name of a topic, bytes.
const LONGEST_NAME: usize = 249;

/// Answers CreateTopics requests.
#[derive(Debug, Clone)]
pub(crate) struct CreateTopics(pub(crate) StorageContainer);

impl Service<(), CreateTopicsRequest> for CreateTopics {
    type Response = CreateTopicsResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        mut request: CreateTopicsRequest,
    ) -> Result<CreateTopicsResponse, Error> {
        let mut refused = Vec::new();
        if let Some(topics) = &mut request.topics {
            topics.retain(|topic| match refusal(&topic.name) {
                None => true,
                Some(reason) => {
                    refused.push(
                        CreatableTopicResult::default()
                            .name(topic.name.clone())
                            .topic_id(Some(NULL_TOPIC_ID))
                            .error_code(ErrorCode::InvalidTopicException.into())
                            .error_message(Some(reason.to_owned()))
                            .topic_config_error_code(Some(ErrorCode::None.into()))
                            .num_partitions(Some(-1))
                            .replication_factor(Some(-1))
                            .configs(Some(Vec::new())),
                    );
                    false
                }
            });
        }
        let context = Context::with_state(self.0.clone());
        let mut response = CreateTopicsService.serve(context, request).await?;
        response.topics.get_or_insert_default().append(&mut refused);
        Ok(response)
    }
}

/// Why Kafka takes no such name (`org.apache.kafka.common.internals.Topic`); `None` if it does.
fn refusal(name: &str) -> Option<&'static str> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name {
        "" => Some("the name is empty"),
        "." | ".." => Some("the name cannot be . or .."),
        _ if name.len() > LONGEST_NAME => Some("the name has more than 249 characters"),
        _ if !name.chars().all(is_legal) => {
            Some("the name has other characters than a-z, A-Z, 0-9, '.', '_' and '-'")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kafka() {
        for good in ["purchases", "nasabah_bank", "a.b-c_9", &"x".repeat(249)] {
            assert_eq!(refusal(good), None, "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "größe", "a:b", &"x".repeat(250)] {
            assert!(refusal(bad).is_some(), "{bad}");
        }
    }
}
