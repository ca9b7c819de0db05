//! Prints rows as an aligned grid, as psql does.

/// Columns wider than this are cut; the tour is read, not parsed.
const WIDEST: usize = 60;

pub(super) fn grid(columns: &[String], rows: &[Vec<Option<String>>]) -> String {
    let cell = |value: &Option<String>| cut(value.as_deref().unwrap_or(""));
    let mut widths: Vec<usize> = columns.iter().map(|name| name.chars().count()).collect();
    let mut numeric = vec![!rows.is_empty(); columns.len()];
    for row in rows {
        for ((value, width), numeric) in row.iter().zip(&mut widths).zip(&mut numeric) {
            let text = cell(value);
            *width = (*width).max(text.chars().count());
            *numeric &= text.is_empty() || text.parse::<f64>().is_ok();
        }
    }
    let mut out = String::new();
    let head: Vec<String> = columns.iter().zip(&widths).map(|(name, width)| format!(" {name:^width$} ")).collect();
    out.push_str(&format!("  {}\n", head.join("|").trim_end()));
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    out.push_str(&format!("  {}\n", rule.join("+")));
    for row in rows {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .zip(&numeric)
            .map(
                |((value, width), numeric)| {
                    if *numeric { format!(" {:>width$} ", cell(value)) } else { format!(" {:<width$} ", cell(value)) }
                },
            )
            .collect();
        out.push_str(&format!("  {}\n", line.join("|").trim_end()));
    }
    out
}

fn cut(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= WIDEST {
        return line;
    }
    let mut short: String = line.chars().take(WIDEST - 2).collect();
    short.push_str("..");
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_long_text_is_cut() {
        let rows = vec![vec![Some("1".to_owned()), Some("a\nb".to_owned())], vec![Some("20".to_owned()), Some("x".repeat(100))]];
        let text = grid(&["n".to_owned(), "t".to_owned()], &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].starts_with("    1 | a b"), "{text}");
        assert!(lines[3].ends_with("xx.."), "{text}");
        assert!(lines[3].len() < 80);
    }
}
