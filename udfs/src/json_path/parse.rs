//! The text of a path to its steps.

use datafusion_common::{DataFusionError, Result};

use crate::document::Value;
use crate::failure::{Kind, failed};

#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) is_strict: bool,
    pub(super) expr: Expr,
}

#[derive(Debug, Clone)]
pub(super) enum Expr {
    Root,
    Current,
    Literal(Value),
    Steps(Box<Expr>, Vec<Step>),
    Compare(Box<Expr>, Op, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Exists(Box<Expr>),
    StartsWith(Box<Expr>, String),
    LikeRegex(Box<Expr>, String),
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Member(String),
    AnyMember,
    Items,
    /// From and to, both included.
    Range(Place, Place),
    Filter(Expr),
    Method(String),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    At(i64),
    /// That many before the last.
    BeforeLast(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

const OPERATORS: &[(&str, Op)] =
    &[("==", Op::Eq), ("!=", Op::Ne), ("<>", Op::Ne), ("<=", Op::Le), (">=", Op::Ge), ("<", Op::Lt), (">", Op::Gt)];

pub(super) fn path(text: &str) -> Result<Path> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let is_strict = reader.word("strict");
    if !is_strict {
        reader.word("lax");
    }
    let expr = reader.or()?;
    reader.blanks();
    match reader.at == text.len() {
        true => Ok(Path { is_strict, expr }),
        false => Err(reader.wrong()),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn wrong(&self) -> DataFusionError {
        failed(Kind::Syntax, format!("syntax error in jsonpath at or near \"{}\"", self.rest().chars().take(12).collect::<String>()))
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn takes(&mut self, token: &str) -> bool {
        self.blanks();
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    /// A word that is not the start of a longer one.
    fn word(&mut self, word: &str) -> bool {
        self.blanks();
        let found = self.rest().strip_prefix(word).is_some_and(|behind| !behind.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn or(&mut self) -> Result<Expr> {
        let mut left = self.and()?;
        while self.takes("||") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr> {
        let mut left = self.not()?;
        while self.takes("&&") {
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr> {
        self.depth += 1;
        if self.depth > 64 {
            return Err(failed(Kind::TooComplex, "a jsonpath is nested too deeply"));
        }
        self.blanks();
        let expr = if self.rest().starts_with('!') && !self.rest().starts_with("!=") {
            self.at += 1;
            Expr::Not(Box::new(self.not()?))
        } else if self.word("exists") {
            self.expect("(")?;
            let inner = self.or()?;
            self.expect(")")?;
            Expr::Exists(Box::new(inner))
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn expect(&mut self, token: &str) -> Result<()> {
        if self.takes(token) { Ok(()) } else { Err(self.wrong()) }
    }

    fn comparison(&mut self) -> Result<Expr> {
        let left = self.operand()?;
        if self.word("starts") {
            if !self.word("with") {
                return Err(self.wrong());
            }
            return Ok(Expr::StartsWith(Box::new(left), self.quoted()?));
        }
        if self.word("like_regex") {
            let mut pattern = self.quoted()?;
            if self.word("flag") {
                let flags = self.quoted()?;
                if flags.chars().any(|flag| !matches!(flag, 'i' | 's' | 'm' | 'x')) {
                    return Err(failed(Kind::NotSupported, format!("flag \"{flags}\" of like_regex is not supported")));
                }
                pattern = format!("(?{flags}){pattern}");
            }
            return Ok(Expr::LikeRegex(Box::new(left), pattern));
        }
        self.blanks();
        let found = OPERATORS.iter().find(|(token, _)| self.rest().starts_with(token));
        match found {
            Some((token, op)) => {
                self.at += token.len();
                Ok(Expr::Compare(Box::new(left), *op, Box::new(self.operand()?)))
            }
            None if self.rest().starts_with(['+', '-', '*', '/', '%']) => {
                Err(failed(Kind::NotSupported, "arithmetic in a jsonpath is not supported"))
            }
            None => Ok(left),
        }
    }

    fn operand(&mut self) -> Result<Expr> {
        self.blanks();
        let start = match self.rest().chars().next() {
            Some('$') => {
                self.at += 1;
                if self.rest().starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"') {
                    return Err(failed(Kind::NotSupported, "variables in a jsonpath are not supported"));
                }
                Expr::Root
            }
            Some('@') => {
                self.at += 1;
                Expr::Current
            }
            Some('(') => {
                self.at += 1;
                let inner = self.or()?;
                self.expect(")")?;
                inner
            }
            Some('"') => Expr::Literal(Value::String(self.quoted()?)),
            Some('-' | '0'..='9') => Expr::Literal(self.number()?),
            _ if self.word("true") => Expr::Literal(Value::Bool(true)),
            _ if self.word("false") => Expr::Literal(Value::Bool(false)),
            _ if self.word("null") => Expr::Literal(Value::Null),
            _ => return Err(self.wrong()),
        };
        let steps = self.steps()?;
        Ok(if steps.is_empty() { start } else { Expr::Steps(Box::new(start), steps) })
    }

    fn number(&mut self) -> Result<Value> {
        let end =
            self.rest().find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'))).unwrap_or(self.rest().len());
        let digits = self.rest().get(..end).unwrap_or("").to_owned();
        let value = crate::document::parse(&digits).map_err(|_| self.wrong())?;
        self.at += end;
        Ok(value)
    }

    fn quoted(&mut self) -> Result<String> {
        self.blanks();
        let mut end = None;
        let mut is_escaped = false;
        for (at, c) in self.rest().char_indices().skip(1) {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => {
                    end = Some(at + 1);
                    break;
                }
                _ => {}
            }
        }
        let written = end.and_then(|end| self.rest().get(..end)).ok_or_else(|| self.wrong())?.to_owned();
        match crate::document::parse(&written) {
            Ok(Value::String(text)) => {
                self.at += written.len();
                Ok(text)
            }
            _ => Err(self.wrong()),
        }
    }

    fn steps(&mut self) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            self.blanks();
            match self.rest().chars().next() {
                Some('.') => {
                    self.at += 1;
                    steps.push(self.member()?);
                }
                Some('[') => {
                    self.at += 1;
                    steps.push(self.places()?);
                }
                Some('?') => {
                    self.at += 1;
                    self.expect("(")?;
                    let condition = self.or()?;
                    self.expect(")")?;
                    steps.push(Step::Filter(condition));
                }
                _ => return Ok(steps),
            }
        }
    }

    fn member(&mut self) -> Result<Step> {
        self.blanks();
        if self.takes("**") {
            return Err(failed(Kind::NotSupported, "\".**\" in a jsonpath is not supported"));
        }
        if self.takes("*") {
            return Ok(Step::AnyMember);
        }
        if self.rest().starts_with('"') {
            return self.quoted().map(Step::Member);
        }
        let end = self.rest().find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest().len());
        let name = self.rest().get(..end).filter(|name| !name.is_empty()).ok_or_else(|| self.wrong())?.to_owned();
        self.at += end;
        if !self.takes("(") {
            return Ok(Step::Member(name));
        }
        self.expect(")")?;
        match name.as_str() {
            "size" | "type" | "double" | "abs" | "floor" | "ceiling" => Ok(Step::Method(name)),
            _ => Err(failed(Kind::NotSupported, format!("method {name}() of a jsonpath is not supported"))),
        }
    }

    fn places(&mut self) -> Result<Step> {
        if self.takes("*") {
            self.expect("]")?;
            return Ok(Step::Items);
        }
        let from = self.place()?;
        let to = if self.word("to") { self.place()? } else { from };
        if self.takes(",") {
            return Err(failed(Kind::NotSupported, "several places in one subscript of a jsonpath are not supported"));
        }
        self.expect("]")?;
        Ok(Step::Range(from, to))
    }

    fn place(&mut self) -> Result<Place> {
        if self.word("last") {
            self.blanks();
            return match self.takes("-") {
                true => Ok(Place::BeforeLast(self.whole()?)),
                false => Ok(Place::BeforeLast(0)),
            };
        }
        let is_negative = self.takes("-");
        let number = self.whole()?;
        Ok(Place::At(if is_negative { -number } else { number }))
    }

    fn whole(&mut self) -> Result<i64> {
        self.blanks();
        let end = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
        let number = self.rest().get(..end).and_then(|digits| digits.parse().ok()).ok_or_else(|| self.wrong())?;
        self.at += end;
        Ok(number)
    }
}
