//! Lines as rows of all that they say, to look at in tests.

use super::{DateTime, Header, InvoiceLines, Item, LinesBuilder, is_cancelled};

/// A line with all that it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) invoice_no: String,
    pub(crate) stock_code: String,
    pub(crate) description: String,
    pub(crate) quantity: i64,
    pub(crate) date_ms: i64,
    pub(crate) month: i32,
    pub(crate) unit_price: i64,
    pub(crate) customer_id: Option<i64>,
    pub(crate) country: String,
    pub(crate) cancelled: bool,
}

/// Builds one block of these.
pub(crate) fn build(builder: &mut LinesBuilder, rows: &[Row]) -> InvoiceLines {
    let said = |row: &Row| {
        (row.invoice_no.clone(), row.date_ms, row.month, row.customer_id, row.country.clone())
    };
    let mut before = None;
    for row in rows {
        let header = Header {
            invoice_no: row.invoice_no.as_str().into(),
            date: DateTime { ms: row.date_ms, month: row.month },
            customer_id: row.customer_id,
            country: row.country.as_str().into(),
        };
        let item = Item {
            stock_code: row.stock_code.as_str().into(),
            description: row.description.as_str().into(),
            quantity: row.quantity,
            unit_price: row.unit_price,
        };
        let is_new = before.replace(said(row)) != Some(said(row));
        builder.add(is_new.then_some(&header), &item);
    }
    builder.finish()
}

/// Blocks of lines, as they come one after the other, as rows.
pub(crate) fn rows(blocks: &[InvoiceLines]) -> Vec<Row> {
    let mut labels: Vec<Vec<(String, String)>> = Vec::new();
    let mut rows = Vec::new();
    for lines in blocks {
        let InvoiceLines { builder, headers, new_labels, .. } = lines;
        labels.resize(labels.len().max(builder + 1), Vec::new());
        let labels = &mut labels[*builder];
        labels.truncate(new_labels.first);
        assert_eq!(labels.len(), new_labels.first, "labels between were never told");
        let new = new_labels.stock_code.iter().zip(&new_labels.description);
        labels.extend(new.map(|(code, name)| (code.unwrap().into(), name.unwrap().into())));
        let counts = headers.lines.iter().enumerate();
        let header_of: Vec<usize> =
            counts.flat_map(|(header, &count)| std::iter::repeat_n(header, count)).collect();
        assert_eq!(header_of.len(), lines.len());
        assert_eq!(headers.len(), headers.lines.len());
        rows.extend(header_of.into_iter().enumerate().map(|(line, header)| {
            let (stock_code, description) = labels[lines.label[line] as usize].clone();
            let invoice_no = headers.invoice_no.value(header).to_owned();
            Row {
                cancelled: is_cancelled(&invoice_no),
                invoice_no,
                stock_code,
                description,
                quantity: lines.quantity[line],
                date_ms: headers.date_ms[header],
                month: headers.month[header],
                unit_price: lines.unit_price[line],
                customer_id: headers.customer_id[header],
                country: headers.country.value(header).to_owned(),
            }
        }));
    }
    rows
}
