//! Text that people write, bounded.
//!
//! Invariant: text that was accepted is within its bound, has something visible in it and no control characters but
//! tabs and line ends where lines are allowed; it is kept exactly as sent.

/// What a piece of text may look like.
#[derive(Debug, Clone, Copy)]
pub struct TextRule {
    /// Bytes of UTF-8.
    pub max_bytes: usize,
    /// Whether tabs and line ends are allowed.
    pub lines: bool,
    /// Whether it may be empty or blank.
    pub blank: bool,
}

impl TextRule {
    /// Several lines, not blank.
    pub const fn lines(max_bytes: usize) -> Self {
        Self { max_bytes, lines: true, blank: false }
    }

    /// One line, not blank.
    pub const fn line(max_bytes: usize) -> Self {
        Self { max_bytes, lines: false, blank: false }
    }

    /// The same, and may be blank.
    pub const fn or_blank(self) -> Self {
        Self { blank: true, ..self }
    }

    /// An error says what is wrong with `text`.
    pub fn check(self, text: &str) -> Result<(), String> {
        if text.len() > self.max_bytes {
            return Err(format!("must be at most {} bytes long", self.max_bytes));
        }
        let refused = |c: char| c.is_control() && !(self.lines && matches!(c, '\n' | '\r' | '\t'));
        if text.chars().any(refused) {
            return Err("must not contain control characters".to_owned());
        }
        if !self.blank && text.trim().is_empty() {
            return Err("must not be empty".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_bounded_visible_and_free_of_control_characters() {
        let rule = TextRule::lines(8);
        for right in ["a", "a\nb\tc\r", "\u{1f980}\u{1f980}", " a "] {
            assert!(rule.check(right).is_ok(), "{right:?}");
        }
        for wrong in ["", " \n", "123456789", "a\0", "a\u{85}", "\u{1b}[31m"] {
            assert!(rule.check(wrong).is_err(), "{wrong:?}");
        }
        assert!(TextRule::line(8).check("a\nb").is_err());
        assert!(rule.or_blank().check("").is_ok());
    }
}
