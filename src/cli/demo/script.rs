//! Reads a script of the tour: SQL that psql can run too, with comments that the tour understands.
//!
//! `-- # Title` starts a section; `-- arrives: FILE` puts a waiting file of the shop in its place; `-- expect: a = 1, b = 2` and
//! `-- expect: 3 rows` say what the statement above must answer; `-- expect within 30 s: ..` asks again until it does. Every other comment is
//! told. A statement ends with a line that ends in `;`, or in `\gset`, which keeps the columns of its row as variables. `:name` and `:'name'`
//! stand for a variable, as in psql.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Title(String),
    Told(String),
    Arrives(String),
    Statement { text: String, keep: Keep, expected: Vec<Expected>, within: Duration },
}

/// What happens to the row of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Nothing,
    Variables,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    Rows(usize),
    /// A column of the first row.
    Value {
        column: String,
        value: String,
    },
}

/// # Errors
/// What is wrong and in which line.
pub(super) fn read(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut open = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if open.is_empty() {
            if line.is_empty() {
                continue;
            }
            if let Some(comment) = line.strip_prefix("--") {
                comment_line(&mut pieces, comment.trim()).map_err(|e| format!("line {}: {e}", number + 1))?;
                continue;
            }
        }
        let (body, keep, ends) = match line.strip_suffix("\\gset") {
            Some(body) => (body.trim_end(), Keep::Variables, true),
            None => (line, Keep::Nothing, line.ends_with(';')),
        };
        if !open.is_empty() {
            open.push('\n');
        }
        open.push_str(body);
        if ends {
            let text = std::mem::take(&mut open);
            let text = text.strip_suffix(';').unwrap_or(&text).to_owned();
            pieces.push(Piece::Statement { text, keep, expected: Vec::new(), within: Duration::ZERO });
        }
    }
    if open.is_empty() { Ok(pieces) } else { Err(format!("the last statement does not end: {open}")) }
}

fn comment_line(pieces: &mut Vec<Piece>, comment: &str) -> Result<(), String> {
    if let Some(title) = comment.strip_prefix("# ") {
        pieces.push(Piece::Title(title.to_owned()));
    } else if let Some(file) = comment.strip_prefix("arrives:") {
        pieces.push(Piece::Arrives(file.trim().to_owned()));
    } else if let Some(rest) = comment.strip_prefix("expect") {
        let Some(Piece::Statement { expected, within, .. }) = pieces.last_mut() else {
            return Err("an expectation stands after no statement".to_owned());
        };
        let (how, list) = rest.split_once(':').ok_or("an expectation needs a colon")?;
        if let Some(time) = how.trim().strip_prefix("within") {
            let seconds = time.trim().trim_end_matches('s').trim().parse().map_err(|_| format!("{time:?} is no number of seconds"))?;
            *within = Duration::from_secs(seconds);
        }
        for item in list.split(',') {
            expected.push(expectation(item.trim())?);
        }
    } else {
        pieces.push(Piece::Told(comment.to_owned()));
    }
    Ok(())
}

fn expectation(item: &str) -> Result<Expected, String> {
    if let Some(rows) = item.strip_suffix("rows").or_else(|| item.strip_suffix("row")) {
        return rows.trim().parse().map(Expected::Rows).map_err(|_| format!("{rows:?} is no number of rows"));
    }
    match item.split_once('=') {
        Some((column, value)) => Ok(Expected::Value { column: column.trim().to_owned(), value: value.trim().to_owned() }),
        None => Err(format!("{item:?} is neither a number of rows nor column = value")),
    }
}

/// Puts variables in, as psql does: `:'name'` becomes a quoted literal, `:name` the text itself. Unknown names and `::casts` stay.
pub(super) fn fill(text: &str, variables: &[(String, String)]) -> String {
    let mut filled = text.to_owned();
    for (name, value) in variables {
        filled = filled.replace(&format!(":'{name}'"), &format!("'{}'", value.replace('\'', "''")));
        let mut parts = filled.split(&format!(":{name}")).map(str::to_owned).collect::<Vec<_>>().into_iter();
        let mut joined = parts.next().unwrap_or_default();
        for part in parts {
            let cast = joined.ends_with(':');
            let longer = part.starts_with(|c: char| c.is_alphanumeric() || c == '_');
            if cast || longer {
                joined.push_str(&format!(":{name}"));
            } else {
                joined.push_str(value);
            }
            joined.push_str(&part);
        }
        filled = joined;
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_into_pieces() {
        let text = "-- # One\n-- said\n-- arrives: a.csv\nSELECT 1\n  AS a;\n-- expect: 1 row, a = 1\n\nSELECT 2 AS v \\gset\n";
        let pieces = read(text).unwrap();
        assert_eq!(pieces.len(), 5);
        let expected = vec![Expected::Rows(1), Expected::Value { column: "a".into(), value: "1".into() }];
        let statement = Piece::Statement { text: "SELECT 1\n  AS a".into(), keep: Keep::Nothing, expected, within: Duration::ZERO };
        assert_eq!(pieces.get(3), Some(&statement));
        assert!(matches!(pieces.get(4), Some(Piece::Statement { keep: Keep::Variables, text, .. }) if text == "SELECT 2 AS v"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(read("SELECT 1").unwrap_err().contains("does not end"));
        assert!(read("-- expect: 1 row").unwrap_err().contains("line 1"));
        assert!(read("SELECT 1;\n-- expect: many").unwrap_err().contains("line 2"));
    }

    #[test]
    fn variables_are_filled_as_psql_does() {
        let variables = [("v".to_owned(), "it's 7".to_owned()), ("n".to_owned(), "7".to_owned())];
        assert_eq!(fill("a::n, :n, :'v', :nn", &variables), "a::n, 7, 'it''s 7', :nn");
    }

    #[test]
    fn every_script_of_the_tour_can_be_read() {
        for (name, text) in super::super::SCRIPTS {
            let pieces = read(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(matches!(pieces.first(), Some(Piece::Title(_))), "{name} starts without a title");
            for piece in pieces {
                if let Piece::Statement { text, .. } = piece {
                    let text =
                        fill(&text, &[("shop".into(), "/shop".into()), ("yesterday".into(), "1".into()), ("run".into(), "x".into())]);
                    weir_sql::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
                }
            }
        }
    }
}
