//! Which part answers which request: ours those about records and members of groups, the engine of
//! `tansu-broker` all others. Clients learn from ApiVersions what there is. Not among it: transactions, and the
//! description of groups (state, members), which the engine cannot read back from its file; the
//! offsets of groups, from which tools compute the lag, are there.

use rama::{Layer as _, Service as _};
use tansu_broker::Error;
use tansu_broker::coordinator::group::administrator::Controller;
use tansu_broker::service::{coordinator, storage};
use tansu_sans_io::{
    ApiKey as _, CreateTopicsRequest, DeleteTopicsRequest, FetchRequest, InitProducerIdRequest,
    ListOffsetsRequest, ProduceRequest,
};
use tansu_service::{FrameRequestLayer, FrameRouteService};
use tansu_storage::StorageContainer;

use crate::create_topics::CreateTopics;
use crate::delete_topics::DeleteTopics;
use crate::fetch::Fetch;
use crate::groups::Groups;
use crate::init_producer_id::InitProducerId;
use crate::list_offsets::ListOffsets;
use crate::produce::Produce;
use crate::records::Records;

/// Answers every request of every connection.
pub(crate) type Router = FrameRouteService<(), Error>;

/// Puts the parts together.
pub(crate) fn router(engine: StorageContainer, records: Records) -> Result<Router, Error> {
    let builder = [
        storage::delete_groups,
        storage::describe_cluster,
        storage::describe_configs,
        storage::describe_topic_partitions,
        storage::find_coordinator,
        storage::incremental_alter_configs,
        storage::list_groups,
        storage::metadata,
    ]
    .iter()
    .try_fold(FrameRouteService::builder(), |builder, add| add(builder, engine.clone()))?;
    let groups = Groups::new(Controller::with_storage(engine.clone())?);
    let builder = coordinator::services(builder, groups)?;
    let produce = FrameRequestLayer::<ProduceRequest>::new();
    let fetch = FrameRequestLayer::<FetchRequest>::new();
    let init_producer_id = FrameRequestLayer::<InitProducerIdRequest>::new();
    let list_offsets = FrameRequestLayer::<ListOffsetsRequest>::new();
    let create_topics = FrameRequestLayer::<CreateTopicsRequest>::new();
    let delete_topics = FrameRequestLayer::<DeleteTopicsRequest>::new();
    let router = builder
        .with_route(ProduceRequest::KEY, produce.into_layer(Produce(records.clone())).boxed())?
        .with_route(FetchRequest::KEY, fetch.into_layer(Fetch(records.clone())).boxed())?
        .with_route(
            InitProducerIdRequest::KEY,
            init_producer_id.into_layer(InitProducerId(engine.clone())).boxed(),
        )?
        .with_route(
            ListOffsetsRequest::KEY,
            list_offsets.into_layer(ListOffsets(records.clone())).boxed(),
        )?
        .with_route(
            CreateTopicsRequest::KEY,
            create_topics.into_layer(CreateTopics(engine.clone())).boxed(),
        )?
        .with_route(
            DeleteTopicsRequest::KEY,
            delete_topics.into_layer(DeleteTopics { engine, records }).boxed(),
        )?
        .build()?;
    Ok(router)
}
