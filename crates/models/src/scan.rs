//! The quick way through a record in the form that our own producers write: all fields, in the
//! schema's order, plain ASCII without escapes, at most one space after a colon or comma. Whatever
//! else comes is left to the general parser ([`crate::json`]), which has the last word on what is
//! valid: a property test for each kind of record holds the two together.

/// What is still to be read.
pub(crate) struct Rest<'a>(pub(crate) &'a [u8]);

impl<'a> Rest<'a> {
    #[inline(always)]
    pub(crate) fn key(&mut self, separator: &[u8; 1], name: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(separator)?;
        self.space();
        self.0 = self.0.strip_prefix(name)?;
        self.space();
        Some(())
    }

    #[inline(always)]
    fn space(&mut self) {
        if let [b' ', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    /// What stands between quotes, if it is printable ASCII without escapes.
    #[inline(always)]
    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        let inside = self.0.strip_prefix(b"\"")?;
        let end =
            inside.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..0x20 | 0x80..))?;
        self.0 = inside[end..].strip_prefix(b"\"")?;
        Some(&inside[..end])
    }

    /// A whole number of 1 to 18 digits, which fits without a check, and no leading zero.
    #[inline(always)]
    pub(crate) fn number(&mut self) -> Option<i64> {
        let mut value = 0_i64;
        let mut digits = 0;
        while let Some(digit) = self.0.get(digits).map(|byte| byte.wrapping_sub(b'0'))
            && digit <= 9
        {
            if digits == 18 {
                return None;
            }
            value = value * 10 + i64::from(digit);
            digits += 1;
        }
        if digits == 0 || (digits > 1 && self.0[0] == b'0') {
            return None;
        }
        self.0 = &self.0[digits..];
        Some(value)
    }
}
