//! Numbers as people read them.

/// Writes a number with thousands separators.
///
/// ```
/// use arus_runtime::number::group_digits;
///
/// assert_eq!(group_digits(1_234_567), "1,234,567");
/// assert_eq!(group_digits(999), "999");
/// ```
pub fn group_digits(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups() {
        let cases = [
            (0, "0"),
            (12, "12"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (123_456, "123,456"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ];
        for (number, text) in cases {
            assert_eq!(group_digits(number), text);
        }
    }
}
