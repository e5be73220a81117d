//! From invoice lines to tables: DataFusion plans, one file a table.
//!
//! Each batch of lines is read once and given to three plans that run while reading goes on
//! ([`lines`]); they give one row per invoice, per product and description, and per product. All
//! tables follow from these small results by plans that read like the question they answer. So
//! memory grows with the number of invoices and of the different products in each, not with the
//! number of lines.

mod customer_cohorts;
mod customer_months;
mod feed;
mod lines;
mod monthly_customers;
mod monthly_sales;
mod names;
mod new_and_returning;
mod session;
mod top_countries;
mod top_products;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::kernels::boolean::not;
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::Error;
use crate::tables::{SHAPES, TableShape, Tables};
use feed::Feeder;
use lines::LinesPlan;
use names::Names;

/// What is asked of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformOptions {
    /// Whether cancelled invoices are left out everywhere.
    pub exclude_cancelled: bool,
    /// Rows of the tables of the best products and countries, at the most.
    pub top: u32,
}

type Collected = JoinHandle<Result<RecordBatch, DataFusionError>>;

/// The plans over invoice lines, at work.
///
/// Dropped before [`Transform::finish`], it ends them.
pub struct Transform {
    options: TransformOptions,
    runtime: Runtime,
    context: SessionContext,
    names: Names,
    feeder: Feeder,
    /// In the order of [`lines::PLANS`].
    results: Vec<Collected>,
}

impl Transform {
    /// Starts the plans; they wait for lines.
    ///
    /// # Errors
    /// When threads or plans cannot be made.
    pub fn start(options: &TransformOptions) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("transform")
            .build()
            .map_err(Error::Threads)?;
        let context = session::new();
        let names = Names::new();
        let (feeder, table) = feed::feed(names.schema(), lines::PLANS.len());
        context.register_table(lines::INPUT, table)?;
        let collect = |plan: &LinesPlan| session::collect(context.clone(), plan.sql);
        let results = lines::PLANS.iter().map(|plan| runtime.spawn(collect(plan))).collect();
        Ok(Self { options: options.clone(), runtime, context, names, feeder, results })
    }

    /// Gives a batch of `invoice_schema()` to the plans, waiting while they are busy with those
    /// before.
    ///
    /// # Errors
    /// When a plan has failed: the error is its own.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let numbered = match self.options.exclude_cancelled {
            true => self.names.number(&without_cancelled(batch)?)?,
            false => self.names.number(batch)?,
        };
        self.feeder.send(&numbered).map_err(|()| self.failure())
    }

    /// Tells the plans that there are no more lines, and computes the tables from what they give.
    ///
    /// # Errors
    /// When a plan fails.
    pub fn finish(self) -> Result<Tables, Error> {
        let Self { options, runtime, context, names, feeder, results } = self;
        drop(feeder);
        for (name, table) in names.tables()? {
            context.register_batch(name, table)?;
        }
        runtime.block_on(async {
            for (plan, result) in lines::PLANS.iter().zip(results) {
                context.register_batch(plan.gives, result.await.map_err(died)??)?;
            }
            tables(&context, options.top).await
        })
    }

    /// Why a plan no longer takes lines. The others are not waited for: they wait for lines.
    fn failure(&mut self) -> Error {
        self.runtime.block_on(async {
            loop {
                tokio::task::yield_now().await;
                if let Some(index) = self.results.iter().position(Collected::is_finished) {
                    return match self.results.swap_remove(index).await {
                        Ok(Ok(_)) => died("a plan ended before its input"),
                        Ok(Err(error)) => error.into(),
                        Err(error) => died(error),
                    };
                }
            }
        })
    }
}

fn died(reason: impl ToString) -> Error {
    DataFusionError::Execution(reason.to_string()).into()
}

fn without_cancelled(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    let cancelled = batch.column_by_name("cancelled").and_then(|it| it.as_any().downcast_ref());
    let cancelled: &BooleanArray = cancelled.ok_or_else(|| died("lines lack column cancelled"))?;
    let kept = not(cancelled).and_then(|kept| filter_record_batch(batch, &kept));
    Ok(kept.map_err(DataFusionError::from)?)
}

/// The tables, from the results of the plans over lines, which `context` knows by name.
async fn tables(context: &SessionContext, top: u32) -> Result<Tables, Error> {
    let months = session::collect(context.clone(), customer_months::SQL).await?;
    context.register_batch(customer_months::GIVES, months)?;
    let plans = [
        monthly_customers::SQL.to_owned(),
        new_and_returning::SQL.to_owned(),
        customer_cohorts::SQL.to_owned(),
        monthly_sales::SQL.to_owned(),
        top_products::sql(top),
        top_countries::sql(top),
    ];
    // Beside each other.
    let collected = plans.map(|sql| tokio::spawn(session::collect(context.clone(), sql)));
    let mut batches = Vec::with_capacity(collected.len());
    for (shape, collected) in SHAPES.iter().zip(collected) {
        batches.push(in_shape(shape, &collected.await.map_err(died)??)?);
    }
    let batches = batches.try_into().map_err(|_| died("a table has no plan"))?;
    Ok(Tables::from_batches(batches))
}

/// The rows with exactly the table's columns and types. A value that does not fit is an error; a
/// decimal with more digits after the point than the table has is rounded half up.
fn in_shape(shape: &TableShape, batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let schema = shape.schema();
    let columns = schema.fields().iter().map(|field| {
        let column = batch.column_by_name(field.name()).ok_or_else(|| {
            let reason = format!("the plan of {} gives no column {}", shape.name, field.name());
            DataFusionError::Plan(reason)
        })?;
        Ok(cast_with_options(column, field.data_type(), &strict)?)
    });
    let columns = columns.collect::<Result<Vec<_>, DataFusionError>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}
