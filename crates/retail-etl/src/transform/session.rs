//! DataFusion as this job uses it: one partition a plan, for the plans run beside each other.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy;
use datafusion::prelude::{SessionConfig, SessionContext};

/// A session without tables.
pub(super) fn new() -> SessionContext {
    // Of DataFusion's thirty rules those that these queries gain from: to try all of them, three
    // times over, took longer than the queries themselves.
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        // coalesce is no function of its own, but becomes a CASE here.
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(SingleDistinctToGroupBy::new()),
        Arc::new(OptimizeProjections::new()),
    ];
    let mut config = SessionConfig::new().with_target_partitions(1);
    config.options_mut().optimizer.max_passes = 1;
    let state = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_optimizer_rules(rules)
        .build();
    SessionContext::new_with_state(state)
}

/// The rows that a query gives, as one batch.
pub(super) async fn collect(
    context: SessionContext,
    sql: impl AsRef<str>,
) -> Result<RecordBatch, DataFusionError> {
    let rows = context.sql(sql.as_ref()).await?;
    let schema = Arc::clone(rows.schema().inner());
    Ok(concat_batches(&schema, &rows.collect().await?)?)
}
