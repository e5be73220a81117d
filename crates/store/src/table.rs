//! What a table is: its name, columns and key, checked, and how the databases spell them.

use std::collections::HashSet;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};

use crate::Error;

/// The table in which the store keeps each job's last epoch.
pub(crate) const EPOCHS: &str = "arus_epochs";
/// PostgreSQL cuts longer names without an error.
const LONGEST_NAME: usize = 63;

/// A table as it should be.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// Its name, 1 to 63 bytes, case kept. `schema.table` names a schema on PostgreSQL (made if it
    /// is absent); on SQLite the dot is part of the name.
    pub name: String,
    /// Its columns. Names differ by more than case; all but the key's may be null, whatever the
    /// schema says.
    pub schema: SchemaRef,
    /// The columns that identify a row: at least one; no floats, no decimals.
    pub key: Vec<String>,
}

/// One change of one table.
#[derive(Clone, Copy, Debug)]
pub enum TableWrite<'a> {
    /// Adds the rows; a row whose key is there already replaces the old one. Of two rows with one
    /// key, the last stays.
    Upsert {
        /// The table.
        table: &'a TableSpec,
        /// Rows with the table's columns, in any order.
        rows: &'a RecordBatch,
    },
    /// Removes the rows with these keys; absent ones are no error.
    Delete {
        /// The table.
        table: &'a TableSpec,
        /// The key's columns only.
        keys: &'a RecordBatch,
    },
    /// Makes the table hold these rows and no others. Quick for few rows: for a job that does it
    /// every second.
    Replace {
        /// The table.
        table: &'a TableSpec,
        /// Rows with the table's columns, in any order.
        rows: &'a RecordBatch,
    },
    /// Makes the table hold these rows and no others, for a job that does it once in a while: on
    /// PostgreSQL through a staging table, by binary COPY and an upsert, however few they are.
    /// SQLite has no use for that and does as in [`TableWrite::Replace`].
    Load {
        /// The table.
        table: &'a TableSpec,
        /// Rows with the table's columns, in any order.
        rows: &'a RecordBatch,
    },
}

/// What a column holds, as far as the databases tell types apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    Float,
    Text,
    Boolean,
    Bytes,
    Date,
    Timestamp(TimeUnit),
    Decimal { precision: u8, scale: i8 },
}

impl Kind {
    fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Kind::Integer,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
                Kind::Integer
            }
            DataType::Float32 | DataType::Float64 => Kind::Float,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
            DataType::Boolean => Kind::Boolean,
            DataType::Binary | DataType::LargeBinary => Kind::Bytes,
            DataType::Date32 => Kind::Date,
            DataType::Timestamp(unit, Some(_)) => Kind::Timestamp(*unit),
            DataType::Decimal128(precision, scale) if *scale >= 0 => {
                Kind::Decimal { precision: *precision, scale: *scale }
            }
            _ => return None,
        })
    }

    /// The type in SQLite's `CREATE TABLE`, and as `pragma_table_info` gives it back.
    pub(crate) fn sqlite(self) -> &'static str {
        match self {
            Kind::Integer | Kind::Boolean => "INTEGER",
            Kind::Float => "REAL",
            Kind::Bytes => "BLOB",
            Kind::Text | Kind::Date | Kind::Timestamp(_) | Kind::Decimal { .. } => "TEXT",
        }
    }

    /// The type in PostgreSQL, spelt as `format_type` spells it.
    pub(crate) fn postgres(self) -> String {
        match self {
            Kind::Integer => "bigint".to_string(),
            Kind::Float => "double precision".to_string(),
            Kind::Text => "text".to_string(),
            Kind::Boolean => "boolean".to_string(),
            Kind::Bytes => "bytea".to_string(),
            Kind::Date => "date".to_string(),
            Kind::Timestamp(_) => "timestamp with time zone".to_string(),
            Kind::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
        }
    }
}

/// One column of a checked table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) data_type: &'a DataType,
}

/// A table whose name, columns and key have been checked.
#[derive(Clone, Debug)]
pub(crate) struct Layout<'a> {
    pub(crate) name: &'a str,
    pub(crate) columns: Vec<Column<'a>>,
    pub(crate) key: Vec<Column<'a>>,
}

/// A table's shape as found in a database: columns with the database's type names, and the key's
/// columns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FoundTable {
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) key: Vec<String>,
}

impl<'a> Layout<'a> {
    pub(crate) fn of(table: &'a TableSpec) -> Result<Self, Error> {
        let invalid = |reason: String| Error::InvalidTable { table: table.name.clone(), reason };
        check_table_name(&table.name).map_err(invalid)?;
        let mut columns = Vec::with_capacity(table.schema.fields().len());
        let mut lower_names = HashSet::new();
        for field in table.schema.fields() {
            check_name("column name", field.name()).map_err(invalid)?;
            if !lower_names.insert(field.name().to_lowercase()) {
                return Err(invalid(format!(
                    "two columns are named {:?} (SQLite does not tell case apart)",
                    field.name()
                )));
            }
            let kind = Kind::of(field.data_type()).ok_or_else(|| Error::UnsupportedType {
                table: table.name.clone(),
                column: field.name().clone(),
                data_type: field.data_type().clone(),
            })?;
            columns.push(Column { name: field.name(), kind, data_type: field.data_type() });
        }
        if table.key.is_empty() {
            return Err(invalid("it has no key; name at least one key column".to_string()));
        }
        let mut key: Vec<Column<'_>> = Vec::with_capacity(table.key.len());
        for name in &table.key {
            let column = columns.iter().find(|column| column.name == name);
            let column = column.ok_or_else(|| {
                invalid(format!("its key column {name:?} is not one of its columns"))
            })?;
            if key.iter().any(|seen| seen.name == name) {
                return Err(invalid(format!("its key names {name:?} twice")));
            }
            if matches!(column.kind, Kind::Float | Kind::Decimal { .. }) {
                return Err(invalid(format!(
                    "its key column {name:?} is a fraction; use integers, text or times"
                )));
            }
            key.push(*column);
        }
        Ok(Self { name: &table.name, columns, key })
    }

    /// The columns that are not in the key.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Column<'a>> {
        self.columns.iter().filter(|column| !self.key.iter().any(|key| key.name == column.name))
    }

    /// `"a", "b"` over all columns.
    pub(crate) fn column_list(&self) -> String {
        list(&self.columns, |column| quote(column.name))
    }

    /// `"a", "b"` over the key.
    pub(crate) fn key_list(&self) -> String {
        list(&self.key, |column| quote(column.name))
    }

    /// What an insert does about a key that is there already. The same words in both databases.
    pub(crate) fn on_conflict(&self) -> String {
        let values: Vec<Column<'_>> = self.values().copied().collect();
        if values.is_empty() {
            return format!("ON CONFLICT ({}) DO NOTHING", self.key_list());
        }
        let set =
            list(&values, |column| format!("{name} = excluded.{name}", name = quote(column.name)));
        format!("ON CONFLICT ({}) DO UPDATE SET {set}", self.key_list())
    }

    /// What differs between this table and the one found, if anything; the order of columns does
    /// not matter.
    pub(crate) fn difference(
        &self,
        found: &FoundTable,
        type_name: impl Fn(Kind) -> String,
    ) -> Option<String> {
        for column in &self.columns {
            let expected = type_name(column.kind);
            match found.columns.iter().find(|(name, _)| name == column.name) {
                None => return Some(format!("column {:?} is missing", column.name)),
                Some((_, there)) if !there.eq_ignore_ascii_case(&expected) => {
                    let name = column.name;
                    return Some(format!("column {name:?} is {there}, not {expected}"));
                }
                Some(_) => {}
            }
        }
        let ours = |name: &String| self.columns.iter().any(|column| column.name == name);
        if let Some((extra, _)) = found.columns.iter().find(|(name, _)| !ours(name)) {
            return Some(format!("column {extra:?} is not expected"));
        }
        let mut key: Vec<&str> = self.key.iter().map(|column| column.name).collect();
        let mut found_key: Vec<&str> = found.key.iter().map(String::as_str).collect();
        let (spelt, found_spelt) = (key.join(", "), found_key.join(", "));
        key.sort_unstable();
        found_key.sort_unstable();
        (key != found_key).then(|| format!("its key is ({found_spelt}), not ({spelt})"))
    }
}

/// Each column spelt by `spell`, with commas between.
pub(crate) fn list(columns: &[Column<'_>], spell: impl Fn(&Column<'_>) -> String) -> String {
    columns.iter().map(spell).collect::<Vec<_>>().join(", ")
}

/// An identifier in double quotes.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The schema, if one is named, and the table's own name.
pub(crate) fn split_name(name: &str) -> (Option<&str>, &str) {
    match name.split_once('.') {
        Some((schema, table)) => (Some(schema), table),
        None => (None, name),
    }
}

fn check_table_name(name: &str) -> Result<(), String> {
    let (schema, table) = split_name(name);
    if let Some(schema) = schema {
        check_name("schema name", schema)?;
    }
    check_name("name", table)?;
    if table.contains('.') {
        return Err("its name has more than one dot; write schema.table".to_string());
    }
    if name.to_lowercase().starts_with("sqlite_") || table.eq_ignore_ascii_case(EPOCHS) {
        return Err("its name is reserved; choose another".to_string());
    }
    Ok(())
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    match name.len() {
        1..=LONGEST_NAME if name.chars().any(char::is_control) => {
            Err(format!("the {what} {name:?} has a control character"))
        }
        1..=LONGEST_NAME => Ok(()),
        0 => Err(format!("a {what} is empty")),
        length => Err(format!("the {what} {name:?} has {length} bytes; 63 are the most")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field, Schema};

    use super::*;

    fn table(name: &str, columns: &[(&str, DataType)], key: &[&str]) -> TableSpec {
        let fields: Vec<Field> =
            columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect();
        TableSpec {
            name: name.to_string(),
            schema: Arc::new(Schema::new(fields)),
            key: key.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn tables_that_cannot_be() {
        let int = DataType::Int64;
        let long = "x".repeat(64);
        let cases = [
            (table("", &[("a", int.clone())], &["a"]), "empty"),
            (table(&long, &[("a", int.clone())], &["a"]), "64 bytes"),
            (table("a.b.c", &[("a", int.clone())], &["a"]), "more than one dot"),
            (table("a.", &[("a", int.clone())], &["a"]), "empty"),
            (table("sqlite_x", &[("a", int.clone())], &["a"]), "reserved"),
            (table("s.arus_epochs", &[("a", int.clone())], &["a"]), "reserved"),
            (table("t\0", &[("a", int.clone())], &["a"]), "control character"),
            (table("t", &[("", int.clone())], &[""]), "column name is empty"),
            (table("t", &[("a", int.clone()), ("A", int.clone())], &["a"]), "two columns"),
            (table("t", &[("a", int.clone())], &[]), "no key"),
            (table("t", &[("a", int.clone())], &["b"]), "not one of its columns"),
            (table("t", &[("a", int.clone())], &["a", "a"]), "twice"),
            (table("t", &[("a", DataType::Float64)], &["a"]), "fraction"),
            (table("t", &[("a", int), ("b", DataType::Null)], &["a"]), "\"b\""),
        ];
        for (spec, part) in cases {
            let error = Layout::of(&spec).unwrap_err().to_string();
            assert!(error.contains(part), "{error} should say {part}");
        }
    }

    #[test]
    fn statements_quote_every_name() {
        let spec =
            table("we\"ird", &[("avg(\"x\")", DataType::Int64), ("Key", DataType::Utf8)], &["Key"]);
        let layout = Layout::of(&spec).unwrap();
        assert_eq!(layout.column_list(), r#""avg(""x"")", "Key""#);
        assert_eq!(
            layout.on_conflict(),
            r#"ON CONFLICT ("Key") DO UPDATE SET "avg(""x"")" = excluded."avg(""x"")""#
        );
    }
}
