//! InitProducerId requests: idempotent producers get an id from the engine, transactional ones a
//! clear no. Without it they would be let in and fail at their first record.

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::{ErrorCode, InitProducerIdRequest, InitProducerIdResponse};
use tansu_storage::{InitProducerIdService, StorageContainer};

/// Answers InitProducerId requests.
#[derive(Debug, Clone)]
pub(crate) struct InitProducerId(pub(crate) StorageContainer);

impl Service<(), InitProducerIdRequest> for InitProducerId {
    type Response = InitProducerIdResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        request: InitProducerIdRequest,
    ) -> Result<InitProducerIdResponse, Error> {
        if request.transactional_id.is_some() {
            // A code that clients take as final instead of trying again and again, and that Kafka
            // does not give to a transactional producer: ours can tell "no transactions" from "not
            // allowed" by it.
            return Ok(InitProducerIdResponse::default()
                .throttle_time_ms(0)
                .error_code(ErrorCode::ClusterAuthorizationFailed.into())
                .producer_id(-1)
                .producer_epoch(-1));
        }
        let context = Context::with_state(self.0.clone());
        Ok(InitProducerIdService.serve(context, request).await?)
    }
}
