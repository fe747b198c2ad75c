//! "Did you mean": the nearest of the words that would have been right.

/// The candidate nearest to `word`, if near enough to be a slip. Case does not count.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= limit)
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, candidate)| distance <= limit && distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_slips_only() {
        let words = ["severity", "sid", "id"];
        assert_eq!(nearest("Severty", words), Some("severity"));
        assert_eq!(nearest("sidd", words), Some("sid"));
        assert_eq!(nearest("zzzz", words), None);
        assert_eq!(nearest("q", ["a"]), None, "a word of one letter is no slip of another");
    }
}
