//! DataFusion as this job uses it: one partition a plan, for the plans run beside each other.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};

/// A session without tables.
pub(super) fn new() -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(1).with_information_schema(false);
    SessionContext::new_with_config(config)
}

/// The rows that a query gives, as one batch.
pub(super) async fn collect(
    context: &SessionContext,
    sql: &str,
) -> Result<RecordBatch, DataFusionError> {
    let rows = context.sql(sql).await?;
    let schema = Arc::clone(rows.schema().inner());
    super::as_one(&schema, &rows.collect().await?)
}
