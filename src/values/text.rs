//! Text that people write, bounded.
//!
//! Invariant: text that was accepted is within its bound, has something visible in it and no control characters but
//! tabs and line ends where lines are allowed; it is kept exactly as sent.

use icu_normalizer::DecomposingNormalizerBorrowed;

/// A name as names are compared, sorted and found: without regard to case, to how its accents are encoded, to widths,
/// ligatures and kinds of spaces (NFKD, Unicode's UAX 15). Letter by letter, unlike [`str::to_lowercase`], which looks at
/// what follows a letter: the beginning of a name has to become the beginning of the name's own form.
pub fn folded(name: &str) -> String {
    let letters = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(name.chars());
    let mut folded = String::with_capacity(name.len());
    for letter in letters.flat_map(char::to_lowercase) {
        match letter {
            // Both are a small sigma.
            '\u{3c2}' => folded.push('\u{3c3}'),
            space if space.is_whitespace() && folded.ends_with(' ') => {}
            space if space.is_whitespace() => folded.push(' '),
            letter => folded.push(letter),
        }
    }
    folded
}

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

    #[test]
    fn the_folded_beginning_of_a_name_begins_the_folded_name() {
        for name in
            ["Ada", "\u{3a3}\u{391}\u{3a3}\u{391}", "\u{130}stanbul", "\u{1e9e}en", "E\u{301}va", "a  b"]
        {
            let whole = folded(name);
            for (end, _) in name.char_indices() {
                assert!(whole.starts_with(&folded(&name[..end])), "{name} {end}");
            }
        }
    }

    #[test]
    fn names_that_look_the_same_fold_to_the_same() {
        for (one, other) in [
            ("\u{c9}va", "e\u{301}va"),
            ("a b", "A \u{2003}\u{a0} B"),
            ("\u{ff21}da", "ada"),
            ("\u{fb01}n", "fin"),
            ("\u{3a3}\u{3b1}\u{3c2}", "\u{3c3}\u{3b1}\u{3c3}"),
        ] {
            assert_eq!(folded(one), folded(other));
        }
        assert_ne!(folded("eva"), folded("\u{e9}va"));
    }
}
