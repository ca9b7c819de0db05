//! `CREATE [OR REPLACE] [TEMP] PIPELINE [IF NOT EXISTS] name [(parameters)] header.. { INTO .. AS query | AS body }`

use sqlparser::tokenizer::Token;

use super::Create;
use super::shared_with::{self, Shared};
use crate::cursor::Cursor;
use crate::error::{Result, SyntaxError};
use crate::rule::once;
use crate::statements::create_source::SchemaChange;
use crate::{Argument, Columns, Expr, Ident, Interval, Name, Options, Query, Rule, TypeName};

#[derive(Debug, Clone, PartialEq)]
pub struct CreatePipeline {
    pub name: Name,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub temporary: bool,
    pub parameters: Vec<Parameter>,
    pub header: Header,
    pub body: Body,
}

/// `name type [DEFAULT expr]`, used as `$name`.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    pub name: Ident,
    pub data_type: TypeName,
    pub default: Option<Expr>,
}

/// The clauses before the body, which may come in any order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Header {
    pub triggers: Vec<Trigger>,
    pub reject_limit: Option<RejectLimit>,
    pub options: Options,
    /// The list of options as typed, from its bracket on; empty when there is none.
    pub options_text: String,
    pub comment: Option<String>,
}

/// How many rows of a run may be refused before the run fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RejectLimit {
    Rows(u64),
    Percent(f64),
}

/// What starts a run. `text` is the user's own, for catalog views.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    pub kind: TriggerKind,
    pub text: String,
    pub position: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TriggerKind {
    Every {
        interval: Interval,
        offset: Option<Interval>,
    },
    /// The five fields as typed, and the zone's name.
    Cron {
        expression: String,
        expression_position: usize,
        time_zone: Option<String>,
    },
    /// Empty `of` means every STREAM input.
    Update {
        of: Vec<Name>,
        wait: UpdateWait,
        at_most_every: Option<Interval>,
    },
    After {
        pipelines: Vec<Name>,
        on: AfterOutcome,
    },
    Event {
        name: String,
        when: Option<Expr>,
    },
}

/// Whether one or all of the inputs must have something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateWait {
    Any,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterOutcome {
    Success,
    Failure,
    Completion,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// `INTO target .. AS query`.
    Single(Box<Output>),
    /// `AS [WITH ..] INTO .. AS (query) INTO ..`.
    Outputs(Outputs),
    /// `AS STEP a (..) STEP b (..)`.
    Steps(Vec<Step>),
    /// `FROM TEMPLATE name (..)`.
    Template { template: Name, arguments: Vec<Argument> },
}

/// Outputs that read the same input once.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    /// The shared `WITH name AS (query)` list. The query of each output has those it names before its own.
    pub shared: Vec<(Ident, Query)>,
    pub outputs: Vec<Output>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub name: Ident,
    /// `ON FAILURE CONTINUE`; the default is to stop.
    pub continue_on_failure: bool,
    pub outputs: Outputs,
}

/// One target and what lands there.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    pub target: Name,
    /// `None` when not written.
    pub mode: Option<Mode>,
    pub rules: Vec<Rule>,
    pub schema_change: Option<SchemaChange>,
    pub partitioned_by: Columns,
    pub returning_into: Option<Name>,
    pub query: Query,
    pub position: usize,
}

/// How rows meet the rows that are already there.
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    Append,
    Upsert { keyed: Keyed, ignore_null_updates: bool },
    Replace,
    ReplaceWhere(Expr),
    ReplacePartitions,
    ScdType2 { keyed: Keyed, track: Track },
}

/// `KEY (..) [SEQUENCE BY expr] [DELETE WHEN (expr)]`; of SCD TYPE 2 the last two may also stand behind TRACK HISTORY.
#[derive(Debug, Clone, PartialEq)]
pub struct Keyed {
    pub key: Columns,
    pub sequence_by: Option<Expr>,
    pub delete_when: Option<Expr>,
}

/// Which columns open a new period when they change.
#[derive(Debug, Clone, PartialEq)]
pub enum Track {
    All,
    Only(Columns),
    AllExcept(Columns),
}

/// Words that begin a clause of the header, or the body.
const CLAUSES: &[&str] = &["SCHEDULE", "TRIGGER", "REJECT LIMIT", "WITH", "COMMENT", "INTO", "AS"];

impl CreatePipeline {
    pub(super) fn parse(p: &mut Cursor<'_>, create: &Create) -> Result<Self> {
        let if_not_exists = create.if_not_exists(p)?;
        let name = p.name()?;
        let parameters = if p.sees_symbol(&Token::LParen) { Parameter::parse_list(p)? } else { Vec::new() };
        let mut header = Header::default();
        let body = if parameters.is_empty() && p.words(&["FROM", "TEMPLATE"]) {
            let template = p.name()?;
            let arguments = Argument::parse_list(p)?;
            while header.clause(p)? {}
            p.finish_or(CLAUSES)?;
            Body::Template { template, arguments }
        } else {
            while header.clause(p)? {}
            Body::parse(p)?
        };
        let (or_replace, temporary) = (create.or_replace, create.temporary);
        Ok(Self { name, or_replace, if_not_exists, temporary, parameters, header, body })
    }
}

impl Parameter {
    fn parse_list(p: &mut Cursor<'_>) -> Result<Vec<Self>> {
        let mut inner = p.group()?;
        let parameters: Vec<Self> = inner.list(|p| {
            let name = p.ident()?;
            let data_type = p.type_name()?;
            let default = if p.word("DEFAULT") { Some(p.expr()?) } else { None };
            Ok(Self { name, data_type, default })
        })?;
        inner.finish_or(&["DEFAULT"])?;
        for (index, parameter) in parameters.iter().enumerate() {
            if parameters.iter().take(index).any(|earlier| earlier.name == parameter.name) {
                let message = format!("parameter {} is written twice", parameter.name);
                return Err(SyntaxError::syntax(message).at(parameter.name.position));
            }
        }
        Ok(parameters)
    }
}

impl Header {
    /// Reads one clause; false when none comes next.
    fn clause(&mut self, p: &mut Cursor<'_>) -> Result<bool> {
        let position = p.position();
        if Trigger::begins(p) {
            self.triggers.push(Trigger::parse(p)?);
        } else if p.words(&["REJECT", "LIMIT"]) {
            once(self.reject_limit.is_none(), "REJECT LIMIT", position)?;
            self.reject_limit = Some(RejectLimit::parse(p)?);
        } else if Options::begins(p) {
            once(self.options.is_empty(), "WITH", position)?;
            let start = p.index() + 1;
            self.options = Options::parse(p)?;
            self.options_text = p.text_since(start);
        } else if p.word("COMMENT") {
            once(self.comment.is_none(), "COMMENT", position)?;
            self.comment = Some(p.string()?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

impl RejectLimit {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let position = p.position();
        let Some(number) = p.try_number() else {
            return Err(p.expected("a number"));
        };
        if p.word("PERCENT") {
            return match number.parse() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Percent(percent)),
                _ => Err(SyntaxError::syntax("a percentage lies between 0 and 100").at(position)),
            };
        }
        p.word("ROWS");
        let rows = number.parse();
        rows.map(Self::Rows).map_err(|_| SyntaxError::syntax("REJECT LIMIT takes a whole number of rows").at(position))
    }
}

impl Trigger {
    pub(super) fn begins(p: &Cursor<'_>) -> bool {
        p.sees(&["SCHEDULE"]) || p.sees(&["TRIGGER"])
    }

    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let (start, position) = (p.index(), p.position());
        let kind = if p.word("SCHEDULE") {
            TriggerKind::parse_schedule(p)?
        } else if p.word("TRIGGER") {
            TriggerKind::parse_trigger(p)?
        } else {
            return Err(p.expected_one_of(&["SCHEDULE", "TRIGGER"]));
        };
        Ok(Self { kind, text: p.text_since(start), position })
    }
}

impl TriggerKind {
    fn parse_schedule(p: &mut Cursor<'_>) -> Result<Self> {
        if p.word("EVERY") {
            let interval = positive_interval(p)?;
            let offset = if p.word("OFFSET") { Some(p.interval()?) } else { None };
            return Ok(Self::Every { interval, offset });
        }
        if !p.word("CRON") {
            return Err(p.expected_one_of(&["EVERY", "CRON"]));
        }
        let expression_position = p.position();
        let expression = p.string()?;
        let time_zone = if p.words(&["AT", "TIME", "ZONE"]) { Some(p.string()?) } else { None };
        Ok(Self::Cron { expression, expression_position, time_zone })
    }

    fn parse_trigger(p: &mut Cursor<'_>) -> Result<Self> {
        if p.words(&["AFTER", "PIPELINE"]) {
            let pipelines = p.list(Cursor::name)?;
            let outcomes =
                [("SUCCESS", AfterOutcome::Success), ("FAILURE", AfterOutcome::Failure), ("COMPLETION", AfterOutcome::Completion)];
            let on = if p.word("ON") { p.one_of(&outcomes)? } else { AfterOutcome::Success };
            return Ok(Self::After { pipelines, on });
        }
        if p.words(&["ON", "EVENT"]) {
            let name = match p.try_string() {
                Some(name) => name,
                None => p.ident()?.value,
            };
            let when = if p.word("WHEN") { Some(p.expr_in_brackets()?) } else { None };
            return Ok(Self::Event { name, when });
        }
        if !p.words(&["ON", "UPDATE"]) {
            return Err(p.expected_one_of(&["ON UPDATE", "AFTER PIPELINE", "ON EVENT"]));
        }
        let (mut of, mut wait) = (Vec::new(), UpdateWait::Any);
        if p.word("OF") {
            // A source may itself be called "all" or "any" only in quotes: both words are reserved.
            if p.word("ALL") {
                wait = UpdateWait::All;
            } else {
                p.word("ANY");
            }
            of = p.list(Cursor::name)?;
        }
        let at_most_every = if p.words(&["AT", "MOST", "EVERY"]) { Some(positive_interval(p)?) } else { None };
        Ok(Self::Update { of, wait, at_most_every })
    }
}

fn positive_interval(p: &mut Cursor<'_>) -> Result<Interval> {
    let position = p.position();
    let interval = p.interval()?;
    if interval.is_positive() {
        return Ok(interval);
    }
    Err(SyntaxError::syntax("the interval must be longer than nothing").at(position))
}

impl Body {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if p.sees(&["INTO"]) {
            return Ok(Self::Single(Box::new(Output::parse(p, true)?)));
        }
        if !p.word("AS") {
            return Err(p.expected_one_of(CLAUSES));
        }
        let mut steps = Vec::new();
        while p.sees(&["STEP"]) {
            steps.push(Step::parse(p)?);
        }
        if steps.is_empty() {
            let outputs = Outputs::parse(p)?;
            p.finish_or(&["INTO"])?;
            return Ok(Self::Outputs(outputs));
        }
        p.finish_or(&["STEP"])?;
        Ok(Self::Steps(steps))
    }
}

impl Step {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        p.expect(&["STEP"])?;
        let name = p.ident()?;
        let mut continue_on_failure = false;
        if p.words(&["ON", "FAILURE"]) {
            continue_on_failure = p.one_of(&[("STOP", false), ("CONTINUE", true)])?;
        }
        let mut inner = p.group()?;
        let outputs = Outputs::parse(&mut inner)?;
        inner.finish_or(&["INTO"])?;
        Ok(Self { name, continue_on_failure, outputs })
    }
}

impl Outputs {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let mut shared: Vec<Shared> = Vec::new();
        if p.word("WITH") {
            shared = p.list(|p| {
                let name = p.ident()?;
                p.expect(&["AS"])?;
                let start = p.index() + 1;
                Ok(Shared { name, query: p.query_in_brackets()?, start })
            })?;
        }
        for (index, member) in shared.iter().enumerate() {
            if shared.iter().take(index).any(|earlier| earlier.name == member.name) {
                let message = format!("WITH query name {} is specified more than once", member.name);
                return Err(SyntaxError::syntax(message).at(member.name.position));
            }
        }
        let mut outputs = Vec::new();
        while outputs.is_empty() || p.sees(&["INTO"]) {
            let mut output = Output::parse(p, false)?;
            if let Some((query, start)) = shared_with::before(&shared, &output.query)? {
                let text = p.text_since(start);
                output.query = Query { text: text.strip_suffix(')').unwrap_or(&text).trim_end().to_owned(), ..query };
            }
            outputs.push(output);
        }
        let shared = shared.into_iter().map(|member| (member.name, member.query)).collect();
        Ok(Self { shared, outputs })
    }
}

impl CreatePipeline {
    /// The step that fills a target.
    pub fn step_of(&self, target: &Name) -> Option<&Ident> {
        let Body::Steps(steps) = &self.body else { return None };
        steps.iter().find(|step| step.outputs.outputs.iter().any(|output| output.target == *target)).map(|step| &step.name)
    }

    /// Every output, step after step; none of a pipeline made from a template.
    pub fn outputs(&self) -> Vec<&Output> {
        match &self.body {
            Body::Single(output) => vec![output],
            Body::Outputs(outputs) => outputs.outputs.iter().collect(),
            Body::Steps(steps) => steps.iter().flat_map(|step| &step.outputs.outputs).collect(),
            Body::Template { .. } => Vec::new(),
        }
    }
}

/// Words that may stand behind the target of an output.
const OUTPUT: &[&str] = &[
    "APPEND",
    "UPSERT",
    "REPLACE",
    "SCD TYPE 2",
    "CONSTRAINT",
    "EXPECT",
    "NOT NULL",
    "UNIQUE",
    "FOREIGN KEY",
    "ON SCHEMA CHANGE",
    "PARTITIONED BY",
    "RETURNING INTO",
    "AS",
];

/// The clauses between the target and AS.
#[derive(Default)]
struct OutputClauses {
    mode: Option<Mode>,
    rules: Vec<Rule>,
    schema_change: Option<SchemaChange>,
    partitioned_by: Columns,
    returning_into: Option<Name>,
}

impl Output {
    /// The query is the rest of the statement when it is the only output, otherwise it stands in brackets.
    fn parse(p: &mut Cursor<'_>, only: bool) -> Result<Self> {
        let position = p.position();
        p.expect(&["INTO"])?;
        let target = p.name()?;
        let mut clauses = OutputClauses::default();
        while !p.word("AS") {
            clauses.clause(p)?;
        }
        let query = if only { p.query_to_end()? } else { p.query_in_brackets()? };
        let OutputClauses { mode, rules, schema_change, partitioned_by, returning_into } = clauses;
        Ok(Self { target, mode, rules, schema_change, partitioned_by, returning_into, query, position })
    }
}

impl OutputClauses {
    fn clause(&mut self, p: &mut Cursor<'_>) -> Result<()> {
        let position = p.position();
        if Rule::begins(p) {
            let rule = Rule::parse(p)?;
            rule.refuse_check()?;
            self.rules.push(rule);
        } else if SchemaChange::begins(p) {
            once(self.schema_change.is_none(), "ON SCHEMA CHANGE", position)?;
            self.schema_change = Some(SchemaChange::parse(p)?);
        } else if p.words(&["PARTITIONED", "BY"]) {
            once(self.partitioned_by.is_empty(), "PARTITIONED BY", position)?;
            self.partitioned_by = p.columns()?;
        } else if p.words(&["RETURNING", "INTO"]) {
            once(self.returning_into.is_none(), "RETURNING INTO", position)?;
            self.returning_into = Some(p.name()?);
        } else if let Some(mode) = Mode::parse(p)? {
            once(self.mode.is_none(), "the mode", position)?;
            self.mode = Some(mode);
        } else {
            return Err(p.expected_one_of(OUTPUT));
        }
        Ok(())
    }
}

impl Mode {
    fn parse(p: &mut Cursor<'_>) -> Result<Option<Self>> {
        if p.word("APPEND") {
            return Ok(Some(Self::Append));
        }
        if p.word("UPSERT") {
            let mut keyed = Keyed::parse(p)?;
            let ignore_null_updates = p.words(&["IGNORE", "NULL", "UPDATES"]);
            keyed.clauses(p)?;
            return Ok(Some(Self::Upsert { keyed, ignore_null_updates }));
        }
        if p.words(&["REPLACE", "WHERE"]) {
            return Ok(Some(Self::ReplaceWhere(p.expr_in_brackets()?)));
        }
        if p.words(&["REPLACE", "PARTITIONS"]) {
            return Ok(Some(Self::ReplacePartitions));
        }
        if p.word("REPLACE") {
            return Ok(Some(Self::Replace));
        }
        if !p.word("SCD") {
            return Ok(None);
        }
        p.expect(&["TYPE"])?;
        let position = p.position();
        if p.whole()? != 2 {
            return Err(SyntaxError::not_supported("only SCD TYPE 2 is known")
                .hint(Some("For type 1 use UPSERT.".to_owned()))
                .at(position));
        }
        let mut keyed = Keyed::parse(p)?;
        let track = Track::parse(p)?;
        keyed.clauses(p)?;
        Ok(Some(Self::ScdType2 { keyed, track }))
    }

    /// What a mode that goes by keys says of them.
    pub fn keyed(&self) -> Option<&Keyed> {
        match self {
            Self::Upsert { keyed, .. } | Self::ScdType2 { keyed, .. } => Some(keyed),
            Self::Append | Self::Replace | Self::ReplaceWhere(_) | Self::ReplacePartitions => None,
        }
    }
}

impl Keyed {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        p.one_of(&[("KEY", ()), ("KEYS", ())])?;
        let mut keyed = Self { key: p.columns()?, sequence_by: None, delete_when: None };
        keyed.clauses(p)?;
        Ok(keyed)
    }

    /// SEQUENCE BY and DELETE WHEN, in any order, each once.
    fn clauses(&mut self, p: &mut Cursor<'_>) -> Result<()> {
        loop {
            let position = p.position();
            if p.words(&["SEQUENCE", "BY"]) {
                once(self.sequence_by.is_none(), "SEQUENCE BY", position)?;
                self.sequence_by = Some(p.expr()?);
            } else if p.words(&["APPLY", "AS", "DELETE", "WHEN"]) || p.words(&["DELETE", "WHEN"]) {
                once(self.delete_when.is_none(), "DELETE WHEN", position)?;
                self.delete_when = Some(p.expr_in_brackets()?);
            } else {
                return Ok(());
            }
        }
    }
}

impl Track {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if !p.words(&["TRACK", "HISTORY", "ON"]) {
            return Ok(Self::All);
        }
        if !p.symbol(&Token::Mul) {
            return Ok(Self::Only(p.columns()?));
        }
        if p.word("EXCEPT") {
            return Ok(Self::AllExcept(p.columns()?));
        }
        Ok(Self::All)
    }
}
