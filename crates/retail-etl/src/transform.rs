//! From invoice lines to tables: DataFusion plans, one file a table.
//!
//! Each batch of lines is read once and given to three plans that run while reading goes on
//! ([`lines`]); they keep one row per invoice, per product and description, and per product. All
//! tables follow from these small results by plans that read like the question they answer. So
//! memory grows with the number of invoices and products, not with the number of lines.

mod customer_cohorts;
mod customer_months;
mod feed;
mod lines;
mod monthly_customers;
mod monthly_sales;
mod new_and_returning;
mod session;
mod top_countries;
mod top_products;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::kernels::boolean::not;
use arrow::compute::{CastOptions, cast_with_options, concat_batches, filter_record_batch};
use arus_models::invoice_schema;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::Error;
use crate::tables::{SHAPES, TableShape, Tables};
use feed::Feeder;

/// What is asked of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformOptions {
    /// Whether cancelled invoices are left out everywhere.
    pub exclude_cancelled: bool,
    /// Rows of the tables of the best products and countries, at the most.
    pub top: u32,
}

/// The plans over invoice lines, at work.
///
/// Dropped before [`Transform::finish`], it ends them.
pub struct Transform {
    options: TransformOptions,
    runtime: Runtime,
    /// One per plan over lines, in the order of [`lines::PLANS`].
    feeders: Vec<Feeder>,
    results: Vec<JoinHandle<Result<RecordBatch, DataFusionError>>>,
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
        let mut feeders = Vec::new();
        let mut results = Vec::new();
        for plan in &lines::PLANS {
            let (feeder, table) = feed::feed(invoice_schema());
            feeders.push(feeder);
            results.push(runtime.spawn(async move {
                let context = session::new();
                context.register_table(lines::INPUT, table)?;
                session::collect(&context, plan.sql).await
            }));
        }
        Ok(Self { options: options.clone(), runtime, feeders, results })
    }

    /// Gives a batch of `invoice_schema()` to the plans, waiting while they are busy with those
    /// before.
    ///
    /// # Errors
    /// When a plan has failed: the error is its own.
    pub fn add(&mut self, batch: RecordBatch) -> Result<(), Error> {
        let batch = if self.options.exclude_cancelled { without_cancelled(&batch)? } else { batch };
        for index in 0..self.feeders.len() {
            if self.feeders[index].send(batch.clone()).is_err() {
                return Err(self.failure_of(index));
            }
        }
        Ok(())
    }

    /// Tells the plans that there are no more lines, and computes the tables from what they give.
    ///
    /// # Errors
    /// When a plan fails.
    pub fn finish(mut self) -> Result<Tables, Error> {
        self.feeders.clear();
        let context = session::new();
        for (plan, result) in lines::PLANS.iter().zip(std::mem::take(&mut self.results)) {
            let batch = self.runtime.block_on(result).map_err(died)??;
            context.register_batch(plan.gives, batch)?;
        }
        self.runtime.block_on(tables(&context, self.options.top))
    }

    /// Why a plan no longer takes lines.
    fn failure_of(&mut self, index: usize) -> Error {
        match self.runtime.block_on(self.results.swap_remove(index)) {
            Ok(Ok(_)) => died("a plan ended before its input"),
            Ok(Err(error)) => error.into(),
            Err(error) => died(error),
        }
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
    let months = session::collect(context, customer_months::SQL).await?;
    context.register_batch(customer_months::GIVES, months)?;
    let top_products = top_products::sql(top);
    let top_countries = top_countries::sql(top);
    let plans = [
        monthly_customers::SQL,
        new_and_returning::SQL,
        customer_cohorts::SQL,
        monthly_sales::SQL,
        &top_products,
        &top_countries,
    ];
    let mut batches = Vec::with_capacity(plans.len());
    for (shape, sql) in SHAPES.iter().zip(plans) {
        let batch = session::collect(context, sql).await?;
        batches.push(in_shape(shape, &batch)?);
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

/// All batches as one.
fn as_one(
    schema: &arrow::datatypes::SchemaRef,
    batches: &[RecordBatch],
) -> Result<RecordBatch, DataFusionError> {
    Ok(concat_batches(schema, batches)?)
}
