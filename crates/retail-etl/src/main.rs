//! The batch job over the Online Retail CSV, as a program.

fn main() {}
