//! From invoice lines to tables: DataFusion plans, one file a table.
//!
//! Each block of lines is read once, becomes facts of a star schema ([`star`]), and is given to three
//! plans that run while reading goes on ([`lines`]); they give one row per invoice, per product and
//! description, and per product. All tables follow from these small results and the dimensions, by
//! plans that read like the question they answer. So memory grows with the number of invoices and of
//! the different products in each, not with the number of lines.

mod customer_cohorts;
mod customer_months;
mod distinct;
mod facts;
mod feed;
mod lines;
mod monthly_customers;
mod monthly_sales;
mod new_and_returning;
mod star;
mod top_countries;
mod top_products;
mod totals;

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::Error;
use crate::invoice_lines::InvoiceLines;
use crate::tables::{SHAPES, TableShape, Tables};
use distinct::distinct_numbers;
use feed::Feeder;
use lines::{LinesPlan, Reads};
use star::Star;

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
    star: Star,
    plans: Vec<Fed>,
}

/// A plan over lines, at work.
struct Fed {
    /// The name of the table that it gives.
    gives: &'static str,
    feeder: Feeder,
    /// Which facts it is fed with.
    reads: Reads,
    result: Collected,
}

impl Transform {
    /// Starts the plans; they wait for lines.
    ///
    /// # Errors
    /// When threads or plans cannot be made.
    pub fn start(options: &TransformOptions) -> Result<Self, Error> {
        Self::with_plans(options, &lines::PLANS)
    }

    fn with_plans(options: &TransformOptions, plans: &[LinesPlan]) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("transform")
            .build()
            .map_err(Error::Threads)?;
        let star = Star::new(options.exclude_cancelled);
        let plans = plans.iter().map(|plan| {
            let schema = match plan.reads {
                Reads::Lines => star.lines_schema(),
                Reads::Parts => star.parts_schema(),
            };
            let (feeder, table) = feed::feed(schema);
            // A session of its own, which goes with the plan, and with it the table: a plan that
            // fails before it reads leaves nobody waiting for it to read.
            let context = session();
            context.register_table(plan.reads.name(), table)?;
            let result = runtime.spawn(arus_plan::collect(context, plan.sql));
            Ok(Fed { gives: plan.gives, feeder, reads: plan.reads, result })
        });
        let plans = plans.collect::<Result<_, Error>>()?;
        Ok(Self { options: options.clone(), runtime, context: session(), star, plans })
    }

    /// Gives lines to the plans, waiting while they are busy with those before. All blocks of one
    /// [`extract`](crate::extract::extract) must come, in their order.
    ///
    /// # Errors
    /// When a plan has failed: the error is its own.
    ///
    /// # Panics
    /// When a block was left out that told of new products.
    pub fn add(&mut self, lines: &InvoiceLines) -> Result<(), Error> {
        let facts = self.star.facts(lines)?;
        let sent = self.plans.iter().try_for_each(|plan| {
            plan.feeder.send(match plan.reads {
                Reads::Lines => facts.lines.clone(),
                Reads::Parts => facts.parts.clone(),
            })
        });
        sent.map_err(|()| self.failure())
    }

    /// Tells the plans that there are no more lines, and computes the tables from what they give.
    ///
    /// # Errors
    /// When a plan fails.
    pub fn finish(self) -> Result<Tables, Error> {
        let Self { options, runtime, context, star, plans } = self;
        for (name, table) in star.dimensions()? {
            context.register_batch(name, table)?;
        }
        runtime.block_on(async {
            let results: Vec<_> = plans.into_iter().map(Fed::end).collect();
            for (name, result) in results {
                context.register_batch(name, result.await.map_err(died)??)?;
            }
            tables(&context, options.top).await
        })
    }

    /// Why a plan no longer takes lines. The others are not waited for: they wait for lines.
    fn failure(&mut self) -> Error {
        self.runtime.block_on(async {
            loop {
                tokio::task::yield_now().await;
                if let Some(index) = self.plans.iter().position(|plan| plan.result.is_finished()) {
                    return match self.plans.swap_remove(index).result.await {
                        Ok(Ok(_)) => died("a plan ended before its input"),
                        Ok(Err(error)) => error.into(),
                        Err(error) => died(error),
                    };
                }
            }
        })
    }
}

impl Fed {
    /// Tells the plan that there are no more lines. What it gives, and its name.
    fn end(self) -> (&'static str, Collected) {
        drop(self.feeder);
        (self.gives, self.result)
    }
}

/// A session that knows the functions of the queries.
fn session() -> SessionContext {
    let session = arus_plan::session();
    session.register_udaf(distinct_numbers());
    session
}

fn died(reason: impl ToString) -> Error {
    DataFusionError::Execution(reason.to_string()).into()
}

/// The tables, from the results of the plans over lines, which `context` knows by name.
async fn tables(context: &SessionContext, top: u32) -> Result<Tables, Error> {
    let grounds = [
        ("customer_months", customer_months::SQL),
        ("invoices", totals::INVOICES),
        ("product_names", totals::PRODUCT_NAMES),
    ];
    let collected = grounds.map(|(_, sql)| tokio::spawn(arus_plan::collect(context.clone(), sql)));
    for (&(name, _), collected) in grounds.iter().zip(collected) {
        context.register_batch(name, collected.await.map_err(died)??)?;
    }
    let plans = [
        monthly_customers::SQL.to_owned(),
        new_and_returning::SQL.to_owned(),
        customer_cohorts::SQL.to_owned(),
        monthly_sales::SQL.to_owned(),
        top_products::sql(top),
        top_countries::sql(top),
    ];
    // Beside each other.
    let collected = plans.map(|sql| tokio::spawn(arus_plan::collect(context.clone(), sql)));
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::invoice_lines::LinesBuilder;

    const SLOW: Duration = Duration::from_secs(60);

    /// Gives lines until they are refused, and says why they are.
    fn refusal(plan: LinesPlan) -> String {
        let (tell, told) = mpsc::channel();
        // On a thread of its own: whoever waits for ever is found out.
        std::thread::spawn(move || {
            let options = TransformOptions { exclude_cancelled: false, top: 1 };
            let plans = [LinesPlan { ..lines::PLANS[0] }, plan];
            let mut transform = Transform::with_plans(&options, &plans).unwrap();
            let lines = LinesBuilder::new(0).finish();
            let error = (0..1_000).find_map(|_| transform.add(&lines).err());
            tell.send(error.expect("no plan takes lines for ever").to_string()).unwrap();
        });
        told.recv_timeout(SLOW).expect("the plan that failed is noticed")
    }

    #[test]
    fn a_plan_that_cannot_be_made_is_told() {
        let sql = "SELECT colour FROM invoice_lines";
        let refusal = refusal(LinesPlan { gives: "colours", reads: Reads::Lines, sql });
        assert!(refusal.contains("colour"), "{refusal}");
    }

    #[test]
    fn a_plan_that_fails_at_work_is_told() {
        let sql = "SELECT count(*) FROM invoice_lines a, invoice_lines b, invoice_lines c";
        let refusal = refusal(LinesPlan { gives: "pairs", reads: Reads::Lines, sql });
        assert!(refusal.contains("once only"), "{refusal}");
    }
}
