//! `EXPLAIN [ANALYZE] [VERBOSE] query`, also with PostgreSQL's option list.

use sqlparser::tokenizer::Token;

use super::explain_change::ExplainChange;
use super::explain_pipeline::ExplainPipeline;
use crate::cursor::Cursor;
use crate::error::{Result, SyntaxError};
use crate::{Ident, Query};
use crate::{OptionValue, Options, StatementKind};

#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    pub analyze: bool,
    pub verbose: bool,
    pub format: Option<Ident>,
    pub query: Query,
}

impl Explain {
    /// Reads what stands behind EXPLAIN, be it a query, a pipeline or a change of one.
    pub(super) fn parse_any(p: &mut Cursor<'_>) -> Result<StatementKind> {
        if p.word("PIPELINE") {
            return Ok(StatementKind::ExplainPipeline(ExplainPipeline::parse(p, None)?));
        }
        let mut behind_list = p.clone();
        let list = if p.sees_symbol(&Token::LParen) { behind_list.group().ok() } else { None };
        if ExplainChange::begins(p) {
            return ExplainChange::parse(p, None).map(StatementKind::ExplainChange);
        }
        if list.is_some() && ExplainChange::begins(&behind_list) {
            p.move_to(behind_list.index());
            return ExplainChange::parse(p, list).map(StatementKind::ExplainChange);
        }
        if list.is_some() && behind_list.word("PIPELINE") {
            p.move_to(behind_list.index());
            return Ok(StatementKind::ExplainPipeline(ExplainPipeline::parse(p, list)?));
        }
        Self::parse(p)
    }

    fn parse(p: &mut Cursor<'_>) -> Result<StatementKind> {
        let (mut analyze, mut verbose, mut format) = (false, false, None);
        // `(ANALYZE, FORMAT json)`; a bracket may also open the query.
        let first = p.nth(1).and_then(|tok| tok.word()).map(str::to_ascii_uppercase);
        let query_behind = matches!(first.as_deref(), None | Some("SELECT" | "WITH" | "VALUES" | "TABLE"));
        if p.sees_symbol(&Token::LParen) && !query_behind {
            for entry in Options::parse_loose_group(p)?.entries {
                let on = match &entry.value {
                    OptionValue::Bool(on) => *on,
                    OptionValue::Text(text) => !matches!(text.as_str(), "off" | "0"),
                    _ => true,
                };
                match (entry.key.as_str(), entry.value) {
                    ("analyze", _) => analyze = on,
                    ("verbose", _) => verbose = on,
                    ("format", OptionValue::Text(value)) => {
                        format = Some(Ident { value, position: entry.value_position });
                    }
                    ("costs" | "buffers" | "timing" | "summary" | "settings" | "wal", _) => {}
                    (key, _) => {
                        let message = format!("unrecognized EXPLAIN option \"{key}\"");
                        return Err(SyntaxError::syntax(message).at(entry.position));
                    }
                }
            }
        } else {
            analyze = p.word("ANALYZE") || p.word("ANALYSE");
            verbose = p.word("VERBOSE");
        }
        const CHANGES: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "EXECUTE"];
        if CHANGES.iter().any(|word| p.sees(&[word])) {
            let what = format!("EXPLAIN {}", p.peek_word().unwrap_or_default().to_ascii_uppercase());
            return Ok(super::not_built(p, what));
        }
        Ok(StatementKind::Explain(Self { analyze, verbose, format, query: p.query_to_end()? }))
    }
}
