//! "Did you mean": the candidate that a word was most likely meant to be.

/// The candidate closest to `word`, if one is close enough to be a slip: at most a third of the letters differ.
///
/// Upper and lower case do not count. Among equals the first wins.
#[must_use]
pub fn nearest<'a, I, S>(word: &str, candidates: I) -> Option<&'a str>
where
    I: IntoIterator<Item = &'a S>,
    S: AsRef<str> + ?Sized + 'a,
{
    let word = fold(word);
    let limit = (word.len().max(3) / 3).min(3);
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        let candidate = candidate.as_ref();
        let folded = fold(candidate);
        if folded.len().abs_diff(word.len()) > limit {
            continue;
        }
        let distance = distance(&word, &folded);
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Long words are compared by their beginnings: nobody types a hundred letters by hand.
fn fold(word: &str) -> Vec<char> {
    word.chars().take(100).flat_map(char::to_lowercase).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        let mut left = i + 1;
        for (j, b) in to.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&above, j) + usize::from(a != b);
            let mut least = replaced.min(at(&above, j + 1) + 1).min(left + 1);
            let swapped = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
            left = least;
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(from.len())
}
