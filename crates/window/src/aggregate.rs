//! Aggregates as users write them, planned by DataFusion: `sum(price)`, `count(*) as purchases`,
//! `approx_percentile_cont(price, 0.95) filter (where color = 'red')`, …
//!
//! The functions, their argument types and their arithmetic are DataFusion's own; nothing is summed
//! by hand here. Public for other kinds of state over rows, such as the tables of `arus-table`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, GroupsAccumulator};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::aggregate::{AggregateFunctionExpr, LoweredAggregateBuilder};
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};

use crate::Error;

/// One aggregate as a user writes it, a SQL expression with or without a name.
///
/// Without `as name` the column gets a plain name: `sum(price)` is `sum_price`, `count(*)` is
/// `count`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateText(pub String);

impl<T: Into<String>> From<T> for AggregateText {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

/// A planned aggregate.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// What the user wrote.
    pub text: String,
    /// The name of its column in the output.
    pub name: String,
    function: Arc<AggregateFunctionExpr>,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    /// The columns of its intermediate state.
    pub state_fields: Vec<FieldRef>,
    /// Its column in the output.
    pub output_field: FieldRef,
}

/// An aggregate's arguments and filter, computed for a batch of rows.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// One value per argument and row.
    pub arguments: Vec<ArrayRef>,
    /// Which rows count; `None` for all.
    pub filter: Option<BooleanArray>,
}

impl Aggregate {
    /// Plans `text` over rows of `schema`.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use arrow::datatypes::{DataType, Field, Schema};
    /// use arus_window::aggregate::Aggregate;
    /// use datafusion::prelude::SessionContext;
    ///
    /// let rows = Arc::new(Schema::new(vec![Field::new("price", DataType::Int64, false)]));
    /// let session = SessionContext::new().state();
    /// let sum = Aggregate::plan(&session, &rows, &"sum(price) as total".into())?;
    /// assert_eq!(sum.name, "total");
    /// assert_eq!(sum.columns().collect::<Vec<_>>(), [0]);
    /// # Ok::<(), arus_window::Error>(())
    /// ```
    ///
    /// # Errors
    /// When it is no aggregate, or cannot be computed over a stream; the sentence says why.
    pub fn plan(
        session: &SessionState,
        schema: &SchemaRef,
        text: &AggregateText,
    ) -> Result<Self, Error> {
        let text = text.0.trim();
        let refuse = |reason: String| Error::Aggregate { text: text.to_owned(), reason };
        let planned = |error: DataFusionError| refuse(first_line(&error) + &hint(text, schema));
        let columns = DFSchema::try_from(Arc::clone(schema)).map_err(planned)?;
        let expression = session.create_logical_expr(text, &columns).map_err(planned)?;
        let (name, expression) = named(expression);
        let Expr::AggregateFunction(_) = expression else {
            return Err(refuse(
                "it is no call of an aggregate function, such as sum(price)".into(),
            ));
        };
        if expression.is_volatile() {
            return Err(refuse(
                "it gives another value each time, so no result could be checked".into(),
            ));
        }
        let simplifier = ExprSimplifier::new(
            SimplifyContext::builder()
                .with_schema(Arc::new(columns.clone()))
                .with_config_options(Arc::new(ConfigOptions::new()))
                .build(),
        );
        let expression = simplifier.coerce(expression, &columns).map_err(planned)?;
        let lowered = LoweredAggregateBuilder::new(
            &expression,
            &columns,
            schema,
            session.execution_props(),
            &Default::default(),
        )
        .with_name(&name)
        .build()
        .map_err(planned)?;
        if !lowered.order_bys.is_empty() {
            return Err(refuse(
                "an order inside an aggregate is not supported over a stream".into(),
            ));
        }
        let function = lowered.aggregate;
        Ok(Self {
            text: text.to_owned(),
            arguments: function
                .expressions()
                .into_iter()
                .map(checked)
                .collect::<Result<_, _>>()
                .map_err(planned)?,
            filter: lowered.filter.map(checked).transpose().map_err(planned)?,
            state_fields: function.state_fields().map_err(planned)?,
            output_field: Arc::new(function.field().as_ref().clone().with_name(&name)),
            name,
            function,
        })
    }

    /// What the user wrote, with the name of its column.
    pub fn described(&self) -> String {
        let unnamed = self.text.trim_end_matches('"').strip_suffix(&self.name);
        let unnamed =
            unnamed.map(|text| text.trim_end_matches('"').trim_end().to_ascii_lowercase());
        let is_named = unnamed.is_some_and(|text| text.ends_with(" as"));
        match is_named {
            true => self.text.clone(),
            false => format!("{} as {}", self.text, self.name),
        }
    }

    /// DataFusion's name of the function, such as `sum`.
    pub fn function_name(&self) -> &str {
        self.function.fun().name()
    }

    /// The places of the input columns that the arguments and the filter read.
    pub fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        let expressions = self.arguments.iter().chain(&self.filter);
        expressions.flat_map(collect_columns).map(|column| column.index())
    }

    /// An empty accumulator for any number of groups. Functions without a vectorised one get
    /// DataFusion's adapter.
    ///
    /// # Errors
    /// When DataFusion has none for the arguments' types.
    pub fn accumulator(&self) -> Result<Box<dyn GroupsAccumulator>, Error> {
        if self.function.groups_accumulator_supported() {
            return Ok(self.function.create_groups_accumulator()?);
        }
        let function = Arc::clone(&self.function);
        let create = move || function.create_accumulator();
        Ok(Box::new(GroupsAccumulatorAdapter::new(create)))
    }

    /// Its value over no rows, as in SQL: a count is 0, a sum null. One entry.
    ///
    /// # Errors
    /// When DataFusion has no accumulator for the arguments' types.
    pub fn of_nothing(&self) -> Result<ArrayRef, Error> {
        Ok(self.function.create_accumulator()?.evaluate()?.to_array()?)
    }

    /// Computes the arguments and the filter for every row.
    ///
    /// # Errors
    /// When an expression cannot be computed, such as a division by zero.
    pub fn inputs(&self, rows: &RecordBatch) -> Result<Inputs, Error> {
        let compute = |expression: &Arc<dyn PhysicalExpr>| {
            expression.evaluate(rows)?.into_array(rows.num_rows())
        };
        let arguments = self.arguments.iter().map(compute).collect::<Result<_, _>>()?;
        let filter = match &self.filter {
            Some(filter) => Some(compute(filter)?.as_boolean().clone()),
            None => None,
        };
        Ok(Inputs { arguments, filter })
    }
}

/// The expression with arithmetic that fails where it would overflow: better no row than a wrong
/// one.
fn checked(expression: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let checked = expression.transform_up(|expression| {
        Ok(match expression.downcast_ref::<BinaryExpr>() {
            Some(binary) => {
                Transformed::yes(Arc::new(binary.clone().with_fail_on_overflow(true)) as _)
            }
            None => Transformed::no(expression),
        })
    });
    checked.data()
}

/// Takes names off (the outermost is the user's), or makes a plain one of the expression.
fn named(expression: Expr) -> (String, Expr) {
    let mut name = None;
    let mut expression = expression;
    while let Expr::Alias(alias) = expression {
        // The planner itself names count(*) so, before it makes it count(1).
        if alias.name != "count(*)" {
            name.get_or_insert(alias.name);
        }
        expression = *alias.expr;
    }
    let name = name.unwrap_or_else(|| {
        let text = expression.schema_name().to_string().replace("Int64(1)", "");
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.join("_").to_ascii_lowercase()
    });
    (name, expression)
}

/// What other engines call it, or what may be meant, for a text that cannot be planned.
fn hint(text: &str, schema: &SchemaRef) -> String {
    /// Spark's and ksqlDB's functions, and DataFusion's.
    const NAMES: [(&str, &str); 11] = [
        ("approx_count_distinct", "approx_distinct(x)"),
        ("collect_list", "array_agg(x)"),
        ("collect_set", "array_agg(distinct x)"),
        ("count_distinct", "count(distinct x)"),
        ("earliest_by_offset", "first_value(x)"),
        ("first", "first_value(x)"),
        ("last", "last_value(x)"),
        ("latest_by_offset", "last_value(x)"),
        ("percentile_approx", "approx_percentile_cont(x, 0.95)"),
        ("std", "stddev(x)"),
        ("variance", "var(x)"),
    ];
    let function = text.split('(').next().unwrap_or_default().trim().to_ascii_lowercase();
    if let Some((_, known)) = NAMES.iter().find(|(name, _)| *name == function) {
        return format!(" (it is {known} here)");
    }
    let names = schema.fields().iter().map(|field| field.name().as_str());
    format!(
        " (the rows have {}; each aggregate is an --agg of its own)",
        names.collect::<Vec<_>>().join(", ")
    )
}

/// DataFusion's errors may go on for lines; the first says what is wrong.
fn first_line(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::Int64Array;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::prelude::SessionContext;

    use super::*;

    fn schema() -> SchemaRef {
        let integer = |name: &str| Field::new(name, DataType::Int64, true);
        Arc::new(Schema::new(vec![integer("price"), integer("amount")]))
    }

    fn plan(text: &str) -> Result<Aggregate, Error> {
        Aggregate::plan(&SessionContext::new().state(), &schema(), &text.into())
    }

    #[test]
    fn what_cannot_be_planned_is_told_with_what_can() {
        let cases = [
            ("price", "it is no call of an aggregate function"),
            ("sum(nope)", "the rows have price, amount"),
            ("sum(price), count(*)", "each aggregate is an --agg of its own"),
            ("collect_list(price)", "it is array_agg(x) here"),
            ("std(price)", "it is stddev(x) here"),
            ("First(price)", "it is first_value(x) here"),
            ("array_agg(price order by amount)", "an order inside an aggregate"),
        ];
        for (text, part) in cases {
            let error = plan(text).unwrap_err();
            assert!(error.is_wrong_use() && error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn each_is_described_once() {
        let cases = [
            ("sum(price)", "sum(price) as sum_price"),
            ("count(*) AS purchases", "count(*) AS purchases"),
            ("sum(amount) as amount", "sum(amount) as amount"),
            ("min(price) as \"Least\"", "min(price) as \"Least\""),
        ];
        for (text, described) in cases {
            assert_eq!(plan(text).unwrap().described(), described);
        }
    }

    #[test]
    fn arithmetic_that_overflows_is_an_error_and_no_number() {
        let numbers = |of: [i64; 2]| -> ArrayRef { Arc::new(Int64Array::from(of.to_vec())) };
        let largest = [i64::MAX, 1];
        for text in [
            "sum(price * 2)",
            "sum(price + amount)",
            "max(-2 - price) filter (where price * 2 > 0)",
        ] {
            let planned = plan(text).unwrap();
            let rows = |price| {
                let columns = vec![numbers(price), numbers([7, 7])];
                RecordBatch::try_new(schema(), columns).unwrap()
            };
            planned.inputs(&rows([5, 1])).unwrap();
            let error = planned.inputs(&rows(largest)).unwrap_err().to_string();
            assert!(error.to_lowercase().contains("overflow"), "{text}: {error}");
        }
    }
}
