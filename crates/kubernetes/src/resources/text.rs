//! Texts that stay within the limits of a schema.

/// Cuts texts for fields with a largest length.
pub trait Bounded {
    /// At most `most` bytes, cut between characters, the cut marked by `…`.
    fn bounded(&self, most: usize) -> String;
}

impl Bounded for str {
    fn bounded(&self, most: usize) -> String {
        const MARK: &str = "…";
        if self.len() <= most {
            return self.to_owned();
        }
        let mark = if most >= MARK.len() { MARK } else { "" };
        let mut end = most - mark.len();
        while !self.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}{mark}", self.get(..end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!("abc".bounded(3), "abc");
        assert_eq!("abcdef".bounded(5), "ab…");
        assert_eq!("éééé".bounded(6), "é…");
        assert_eq!("ééé".bounded(2), "é");
        assert_eq!("é".bounded(1), "");
    }
}
