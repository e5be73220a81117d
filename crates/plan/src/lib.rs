//! SQL text to rows on DataFusion, for small plans that run beside each other in one partition
//! each.
//!
//! A crate of its own because DataFusion's SQL planner is generic: whoever polls a plan's future
//! compiles the planner, and all of the parser's syntax tree with it, anew. Here that is done once,
//! behind a boxed future, and not in every crate that has a query.
//!
//! ```
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let rows = arus_plan::collect(arus_plan::session(), "SELECT 6 * 7 AS answer").await?;
//! assert_eq!(rows.num_rows(), 1);
//! # Ok::<_, datafusion::error::DataFusionError>(()) }).unwrap();
//! ```

use std::pin::Pin;
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
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::combine_partial_final_agg::CombinePartialFinalAggregate;
use datafusion::physical_optimizer::ensure_requirements::EnsureRequirements;
use datafusion::physical_optimizer::output_requirements::OutputRequirements;
use datafusion::physical_optimizer::sanity_checker::SanityCheckPlan;
use datafusion::physical_optimizer::update_aggr_exprs::OptimizeAggregateOrder;
use datafusion::prelude::{SessionConfig, SessionContext};

/// The rows that a query gives, once they are there.
pub type Collecting = Pin<Box<dyn Future<Output = Result<RecordBatch, DataFusionError>> + Send>>;

/// A session without tables.
#[must_use]
pub fn session() -> SessionContext {
    // Of DataFusion's thirty rules those that small queries gain from: to try all of them, three
    // times over, takes longer than such queries themselves.
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        // coalesce is no function of its own, but becomes a CASE here.
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(SingleDistinctToGroupBy::new()),
        Arc::new(OptimizeProjections::new()),
    ];
    // The same of its twenty over physical plans: in one partition there is nothing to spread or
    // to merge, and nothing is pushed down to tables in memory.
    let physical_rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = vec![
        Arc::new(OutputRequirements::new_add_mode()),
        Arc::new(EnsureRequirements::new()),
        // The planner aggregates in two steps, for many partitions; in one, the second is work twice.
        Arc::new(CombinePartialFinalAggregate::new()),
        Arc::new(OptimizeAggregateOrder::new()),
        Arc::new(OutputRequirements::new_remove_mode()),
        Arc::new(SanityCheckPlan::new()),
    ];
    let mut config = SessionConfig::new().with_target_partitions(1);
    config.options_mut().optimizer.max_passes = 1;
    let state = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_optimizer_rules(rules)
        .with_physical_optimizer_rules(physical_rules)
        .build();
    SessionContext::new_with_state(state)
}

/// The rows that a query gives, as one batch. The session, and with it its tables, goes when the
/// query ends, however it ends, unless there are other clones of it.
pub fn collect(session: SessionContext, sql: impl Into<String>) -> Collecting {
    boxed(session, sql.into())
}

fn boxed(session: SessionContext, sql: String) -> Collecting {
    Box::pin(async move {
        let rows = session.sql(&sql).await?;
        let schema = Arc::clone(rows.schema().inner());
        Ok(concat_batches(&schema, &rows.collect().await?)?)
    })
}
