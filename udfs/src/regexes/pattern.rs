//! PostgreSQL's regular expressions in the words of Rust's.
//!
//! Both mean the same by most of what is written; this changes what they do not: the escapes `\y \m \M \Y \Z \b \B`, a point that matches the end
//! of a line, a brace or a bracket that is only itself, options at the beginning. Not here: back references and look-around, which are errors, and
//! the longest of several alternatives, where Rust takes the first.

use std::iter::Peekable;
use std::str::Chars;

use datafusion_common::Result;
use regex::Regex;

use crate::failure::{Kind, failed};

/// What the letters behind a pattern, or before it, say.
#[derive(Debug, Clone, Copy, Default)]
struct Options {
    everywhere: bool,
    any_case: bool,
    /// `^` and `$` match at lines.
    lines: bool,
    /// A point and `[^ ]` do not match the end of a line.
    within_line: bool,
    spaced: bool,
    literal: bool,
}

impl Options {
    fn with(mut self, letter: char) -> Result<Self> {
        match letter {
            'g' => self.everywhere = true,
            'i' => self.any_case = true,
            'c' => self.any_case = false,
            'n' | 'm' => (self.lines, self.within_line) = (true, true),
            's' => (self.lines, self.within_line) = (false, false),
            'p' => (self.lines, self.within_line) = (false, true),
            'w' => (self.lines, self.within_line) = (true, false),
            'x' => self.spaced = true,
            't' => self.spaced = false,
            'q' => self.literal = true,
            'b' | 'e' => {}
            other => return Err(failed(Kind::InvalidParameter, format!("invalid regular expression option: \"{other}\""))),
        }
        Ok(self)
    }
}

/// A pattern that is ready to be used.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    /// Whether it is to be found everywhere: the option `g`.
    pub(super) everywhere: bool,
}

impl Pattern {
    pub(super) fn new(written: &str, options: &str) -> Result<Self> {
        let options = options.chars().try_fold(Options::default(), Options::with)?;
        let text = translated_with(written, options)?;
        let regex = Regex::new(&text).map_err(|error| {
            let text = error.to_string();
            let reason = text.rsplit("error: ").next().unwrap_or(&text).trim().to_owned();
            failed(Kind::InvalidRegex, format!("invalid regular expression: {reason}"))
        })?;
        Ok(Self { regex, everywhere: options.everywhere })
    }
}

/// The same pattern for Rust.
///
/// # Errors
/// `NotSupported` for what Rust does not have. A pattern that is wrong is left to whoever compiles it.
pub fn translated(written: &str) -> Result<String> {
    translated_with(written, Options::default())
}

fn translated_with(written: &str, mut options: Options) -> Result<String> {
    let mut rest = written;
    if let Some(plain) = rest.strip_prefix("***=") {
        (rest, options.literal) = (plain, true);
    } else if let Some(advanced) = rest.strip_prefix("***:") {
        rest = advanced;
    }
    if let Some((letters, behind)) = rest.strip_prefix("(?").and_then(|inner| inner.split_once(')'))
        && !options.literal
        && !letters.is_empty()
        && letters.chars().all(|letter| letter.is_ascii_lowercase())
    {
        options = letters.chars().try_fold(options, Options::with)?;
        rest = behind;
    }
    let mut out = String::from("(?");
    for (letter, is_set) in [('s', !options.within_line), ('m', options.lines), ('i', options.any_case), ('x', options.spaced)] {
        if is_set {
            out.push(letter);
        }
    }
    match out.as_str() {
        "(?" => out.clear(),
        _ => out.push(')'),
    }
    if options.literal {
        out.push_str(&regex::escape(rest));
        return Ok(out);
    }
    let begin = out.len();
    Walk { chars: rest.chars().peekable(), out: &mut out, within_line: options.within_line }.all()?;
    // The planner would make LIKE of it, in which a backslash is something else.
    if out.get(begin..).is_some_and(|pattern| pattern.contains("\\\\")) {
        out.insert(begin, '(');
        out.push(')');
    }
    Ok(out)
}

struct Walk<'a> {
    chars: Peekable<Chars<'a>>,
    out: &'a mut String,
    within_line: bool,
}

impl Walk<'_> {
    fn all(mut self) -> Result<()> {
        let mut is_bound = false;
        while let Some(next) = self.chars.next() {
            match next {
                '\\' => self.escape(false)?,
                '[' => self.bracket()?,
                '{' if self.chars.peek().is_some_and(char::is_ascii_digit) => {
                    is_bound = true;
                    self.out.push('{');
                }
                '}' if is_bound => {
                    is_bound = false;
                    self.out.push('}');
                }
                '{' | '}' => self.plain(next),
                other => self.out.push(other),
            }
        }
        Ok(())
    }

    fn plain(&mut self, character: char) {
        self.out.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
    }

    fn escape(&mut self, in_bracket: bool) -> Result<()> {
        let Some(next) = self.chars.next() else {
            self.out.push('\\');
            return Ok(());
        };
        let written = match next {
            'y' if !in_bracket => "\\b",
            'Y' if !in_bracket => "\\B",
            'm' if !in_bracket => "\\b{start}",
            'M' if !in_bracket => "\\b{end}",
            'Z' if !in_bracket => "\\z",
            'b' => "\\x08",
            'B' => "\\\\",
            'e' => "\\x1B",
            '0' => "\\x00",
            '1'..='9' if !in_bracket => {
                return Err(failed(Kind::NotSupported, "back references in a regular expression are not supported"));
            }
            'c' => {
                let code = self.chars.next().map_or(0, |character| u32::from(character) & 0x1F);
                self.out.push_str(&format!("\\x{{{code:X}}}"));
                return Ok(());
            }
            'x' => {
                let mut digits = String::new();
                while let Some(digit) = self.chars.next_if(char::is_ascii_hexdigit) {
                    digits.push(digit);
                }
                self.out.push_str(&format!("\\x{{{digits}}}"));
                return Ok(());
            }
            other if other.is_alphanumeric() => {
                self.out.push('\\');
                self.out.push(other);
                return Ok(());
            }
            other => {
                if in_bracket && other != '_' {
                    self.out.push('\\');
                    self.out.push(other);
                } else {
                    self.plain(other);
                }
                return Ok(());
            }
        };
        self.out.push_str(written);
        Ok(())
    }

    fn bracket(&mut self) -> Result<()> {
        let rest: String = self.chars.clone().take(6).collect();
        let bound = if rest == "[:<:]]" { Some("\\b{start}") } else { Some("\\b{end}").filter(|_| rest == "[:>:]]") };
        if let Some(bound) = bound {
            self.chars.by_ref().take(6).for_each(drop);
            self.out.push_str(bound);
            return Ok(());
        }
        self.out.push('[');
        if self.chars.next_if_eq(&'^').is_some() {
            self.out.push('^');
            if self.within_line {
                self.out.push_str("\\n");
            }
        }
        let mut is_first = true;
        while let Some(next) = self.chars.next() {
            match next {
                ']' if !is_first => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' if self.chars.peek() == Some(&':') => {
                    self.out.push('[');
                    for inner in self.chars.by_ref() {
                        self.out.push(inner);
                        if inner == ']' {
                            break;
                        }
                    }
                }
                '[' if matches!(self.chars.peek(), Some('.' | '=')) => {
                    self.chars.next();
                    if let Some(element) = self.chars.next() {
                        self.out.push('\\');
                        self.out.push(element);
                    }
                    self.chars.by_ref().take(2).for_each(drop);
                }
                '\\' => self.escape(true)?,
                '-' if is_first || self.chars.peek() == Some(&']') => self.out.push_str("\\-"),
                '[' | ']' | '&' | '~' | '^' => {
                    self.out.push('\\');
                    self.out.push(next);
                }
                other => self.out.push(other),
            }
            is_first = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_in_the_words_of_rust() {
        for (written, expected) in [
            ("a.b", "(?s)a.b"),
            ("(?i)a", "(?si)a"),
            ("(?n)^a", "(?m)^a"),
            (r"\yfoo\Y\m\M\Z", r"(?s)\bfoo\B\b{start}\b{end}\z"),
            (r"a\\b", r"(?s)(a\\b)"),
            ("a{2}{x", r"(?s)a{2}\{x"),
            ("[][^-]", r"(?s)[\]\[\^\-]"),
            ("[^a[:alpha:]&&]", r"(?s)[^a[:alpha:]\&\&]"),
            ("[[:<:]]a[[:>:]]", r"(?s)\b{start}a\b{end}"),
            ("***=a.b", r"(?s)a\.b"),
        ] {
            assert_eq!(translated(written).unwrap(), expected, "{written}");
            Pattern::new(written, "").unwrap();
        }
        assert!(translated(r"(a)\1").is_err());
    }
}
