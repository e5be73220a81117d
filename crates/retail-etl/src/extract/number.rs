//! Numbers, read from their digits: exact, without floating point.

use arus_models::PRICE_SCALE;

/// Digits that fit into an `i64` whatever they are.
const MAX_DIGITS: usize = 18;
/// The largest quantity: nine digits. Nine thousand million rows of it are an `i64` still, and of it at the
/// largest price as many are 38 digits.
const MAX_QUANTITY: i64 = 999_999_999;
/// Digits of a price before its point; with those after it they are 18, which an `i64` holds.
const MAX_PRICE_DIGITS: usize = 14;
/// What makes a number with so many digits behind its point one of 1/10000.
const TO_PRICE_UNITS: [i64; PRICE_SCALE as usize + 1] = [10_000, 1_000, 100, 10, 1];

/// Reads `6`, `-6`, `6.0`: whole numbers, as integer columns and as exports of floating-point
/// columns write them.
pub(crate) fn whole(text: &[u8]) -> Result<i64, &'static str> {
    let (negative, digits) = sign(text);
    let value = match plain(digits) {
        // Nearly all there are.
        Some((value, 0)) if digits.len() <= MAX_DIGITS => value,
        _ => any_whole(digits)?,
    };
    Ok(if negative { -value } else { value })
}

/// The same for what is summed over all rows: so that no sum of them overflows, times the largest price
/// either.
pub(crate) fn quantity(text: &[u8]) -> Result<i64, &'static str> {
    match whole(text)? {
        value if value.abs() <= MAX_QUANTITY => Ok(value),
        _ => Err("has too many digits"),
    }
}

/// Reads `2.55`, `-11062.06`, `3`: a price in units of its last digit (1/10000 pound).
pub(crate) fn price(text: &[u8]) -> Result<i64, &'static str> {
    let (negative, digits) = sign(text);
    let value = match plain(digits) {
        // Nearly all there are: at most fourteen digits with the point, and up to four behind it.
        Some((value, behind @ 0..=4)) if digits.len() <= MAX_PRICE_DIGITS => {
            value * TO_PRICE_UNITS[behind]
        }
        _ => any_price(digits)?,
    };
    Ok(if negative { -value } else { value })
}

/// Digits, with a point between two of them or without: the number that they are without the point,
/// which may have overflowed, and how many stand behind the point.
#[inline]
fn plain(text: &[u8]) -> Option<(i64, usize)> {
    let (mut value, mut point) = (0_i64, text.len());
    for (i, &byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
        } else if byte == b'.' && point == text.len() && i > 0 && i + 1 < text.len() {
            point = i;
        } else {
            return None;
        }
    }
    (!text.is_empty()).then(|| (value, text.len().saturating_sub(point + 1)))
}

/// As [`whole`], without the sign, and with a reason where it is none.
#[cold]
fn any_whole(digits: &[u8]) -> Result<i64, &'static str> {
    let (whole, fraction) = split(digits);
    if fraction.is_some_and(|fraction| fraction.is_empty() || fraction.iter().any(|&b| b != b'0')) {
        return Err("is not a whole number");
    }
    digits_of(whole, MAX_DIGITS)
}

/// As [`price`], without the sign, and with a reason where it is none.
#[cold]
fn any_price(digits: &[u8]) -> Result<i64, &'static str> {
    let (whole, fraction) = split(digits);
    let pounds = digits_of(whole, MAX_PRICE_DIGITS)? * TO_PRICE_UNITS[0];
    let Some(mut fraction) = fraction else { return Ok(pounds) };
    let most = PRICE_SCALE as usize;
    while fraction.len() > most && fraction.ends_with(b"0") {
        fraction = &fraction[..fraction.len() - 1];
    }
    if fraction.len() > most && fraction.iter().all(u8::is_ascii_digit) {
        return Err("has more than 4 digits after the point");
    }
    Ok(pounds + digits_of(fraction, most)? * TO_PRICE_UNITS[fraction.len()])
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

/// What stands before the point and after it.
fn split(digits: &[u8]) -> (&[u8], Option<&[u8]>) {
    match digits.iter().position(|&byte| byte == b'.') {
        Some(point) => (&digits[..point], Some(&digits[point + 1..])),
        None => (digits, None),
    }
}

/// One to `most` digits and nothing else.
fn digits_of(text: &[u8], most: usize) -> Result<i64, &'static str> {
    if text.is_empty() {
        return Err("is not a number");
    }
    let mut value = 0_i64;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err("is not a number");
        }
        // Too many digits are told below, after letters among them.
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
    }
    if text.len() > most { Err("has too many digits") } else { Ok(value) }
}

#[cfg(test)]
mod tests;
