//! The whole plan of a run: the user's query, provenance, the target's types, and marks that rules need from other tables.
//!
//! Everything is one plan and one pass. The columns of the result are the target's own, then the carried provenance, then the marks.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DFSchema, JoinType, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::physical_plan::ExecutionPlan;
use weir_catalog::{Object, TableBody};
use weir_sql::statements::create_pipeline::{Mode, Output};
use weir_sql::{Action, Element, Rule, RuleKind};

use super::carry::{CARRIED_POSITION, CARRIED_SOURCE, carried, carry};
use super::deletion;
use super::history;
use super::in_turn::InTurnExec;
use super::isolate::{Isolated, isolate};
use super::references::{foreign_table, key};
use super::sequence::Sequence;
use super::target::Target;
use crate::delta::is_validity;
use crate::engine::{Engine, Planned, Relations, Scope, Wanted, definition};
use crate::error::{Code, Error, Result};
use crate::rules::{Check, CompiledRule, KeyHasher, RuleSet, Seen, with_words};

/// Boolean column that tells an upsert to remove the key.
pub(super) const DELETE_COLUMN: &str = "__weir_delete";

/// A plan that can be executed, and all that the pass needs to know about its rows.
pub(super) struct Assembled {
    pub(super) physical: Arc<dyn ExecutionPlan>,
    pub(super) context: Arc<TaskContext>,
    pub(super) isolated: Arc<Isolated>,
    /// Columns of the result, in order.
    pub(super) schema: SchemaRef,
    /// How many of them, from the left, are the target's own.
    pub(super) own: usize,
    /// The columns that a dead letter keeps of a row: what the query gave.
    pub(super) recorded: Vec<usize>,
    rules: Vec<BoundRule>,
    df_schema: DFSchema,
    state: Arc<SessionState>,
}

/// A rule with its expression bound; compiled anew for every worker.
struct BoundRule {
    name: String,
    action: Action,
    message: Option<String>,
    demand: String,
    code: Code,
    kind: BoundKind,
}

enum BoundKind {
    Expect(Expr),
    Holds(Expr),
    NotNull(Vec<usize>),
    Unique { columns: Vec<usize>, taken: Option<usize> },
    Reference { columns: Vec<usize>, found: usize },
}

/// How many threads read and write, and whether rows keep their order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Width {
    pub(super) partitions: usize,
}

/// A query that was planned with a run's own inputs, and those inputs, which its rules look at too.
pub(super) struct Fixed<'a> {
    pub(super) planned: Planned,
    pub(super) sequence: Sequence,
    pub(super) relations: &'a dyn Relations,
    /// Whether rows come in the order of their places, whatever they were made from.
    pub(super) in_place: bool,
}

/// Puts the plan of an output together.
pub(super) async fn assemble(
    engine: &Arc<Engine>,
    scope: &Scope,
    fixed: Fixed<'_>,
    output: &Output,
    mode: &Mode,
    target: &Target,
    width: Width,
) -> Result<Assembled> {
    let Fixed { planned, sequence, relations, in_place } = fixed;
    let mut state = Arc::unwrap_or_clone(planned.state);
    let options = state.config_mut().options_mut();
    options.execution.target_partitions = width.partitions;
    // A step that fails should hold what the source gave: whoever repairs its row has to see the document, not a part with a name of the planner's.
    options.optimizer.enable_leaf_expression_pushdown = false;
    let visible = planned.plan.schema().as_arrow().clone();
    let plan = carry(&planned.plan).map_err(Engine::error)?;
    let plan = shaped(plan, &visible, target)?;
    let rules = all_rules(engine, output, mode, &sequence, target)?;
    let of_table = scope.of_table(&target.object);
    // The table's own rules mean what they meant to its owner.
    let scope_of = |rule: &Rule| if output.rules.contains(rule) { scope } else { &of_table };
    let mut marks = Marks { engine, relations, plan, next: 0 };
    let mut kinds = Vec::new();
    for rule in &rules {
        kinds.push(marks.bind(rule, scope_of(rule), mode, target).await?);
    }
    let mut plan = marks.plan;
    let is_marked = deletion::is_marked(&plan);
    if let Some(condition) = mode.keyed().and_then(|keyed| keyed.delete_when.as_ref()).filter(|_| !is_marked) {
        let schema = plain(plan.schema())?;
        let value = engine.plan_expr(condition, &schema, scope).await?;
        let mut exprs: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
        exprs.push(value.is_true().alias(DELETE_COLUMN));
        plan = build(LogicalPlanBuilder::from(plan).project(exprs))?;
    }
    let df_schema = plain(plan.schema())?;
    let mut bound = Vec::new();
    for (rule, kind) in rules.iter().zip(kinds) {
        bound.push(bound_rule(&Binding { engine, scope: scope_of(rule), relations, target, schema: &df_schema }, rule, kind).await?);
    }
    let isolated = Arc::new(Isolated::default());
    let state = Arc::new(state);
    let plan = if in_place { placed(plan)? } else { plan };
    let physical = Engine::physical(&state, plan).await?;
    let physical = isolate(physical, &isolated).map_err(Engine::error)?;
    let physical = if width.partitions == 1 { InTurnExec::over(physical) } else { physical };
    let schema = physical.schema();
    let mark = schema.index_of(DELETE_COLUMN).ok().filter(|_| is_marked);
    Ok(Assembled {
        recorded: (0..target.columns.len()).chain(mark).collect(),
        context: Engine::context(&state),
        physical,
        isolated,
        schema,
        own: target.columns.len(),
        rules: bound,
        df_schema,
        state,
    })
}

/// The query's columns as the target's, by name, with its types; then source and position, and the mark of deletion where the query gives it.
fn shaped(plan: LogicalPlan, visible: &Schema, target: &Target) -> Result<LogicalPlan> {
    let columns = plan.schema().columns();
    let mut exprs = Vec::new();
    for field in &target.columns {
        let given = visible.index_of(field.name()).ok().and_then(|at| Some((columns.get(at)?, visible.fields().get(at)?)));
        let value = match given {
            Some((column, given)) if given.data_type() == field.data_type() => Expr::Column(column.clone()),
            Some((column, _)) => cast(Expr::Column(column.clone()), field.data_type().clone()),
            None => lit(ScalarValue::try_new_null(field.data_type()).map_err(Engine::error)?),
        };
        exprs.push(value.alias(field.name()));
    }
    match carried(plan.schema()) {
        Some((source, position)) => {
            exprs.push(Expr::Column(source).alias(CARRIED_SOURCE));
            exprs.push(Expr::Column(position).alias(CARRIED_POSITION));
        }
        None => {
            exprs.push(lit(ScalarValue::Utf8(None)).alias(CARRIED_SOURCE));
            exprs.push(lit(ScalarValue::Int64(None)).alias(CARRIED_POSITION));
        }
    }
    if let Some(mark) = visible.index_of(DELETE_COLUMN).ok().and_then(|at| columns.get(at)) {
        exprs.push(Expr::Column(mark.clone()).alias(DELETE_COLUMN));
    }
    build(LogicalPlanBuilder::from(plan).project(exprs))
}

fn build(builder: datafusion::error::Result<LogicalPlanBuilder>) -> Result<LogicalPlan> {
    builder.and_then(LogicalPlanBuilder::build).map_err(Engine::error)
}

/// The rows in the order of what they came from, where that is known.
fn placed(plan: LogicalPlan) -> Result<LogicalPlan> {
    match carried(plan.schema()) {
        Some((_, position)) => build(LogicalPlanBuilder::from(plan).sort([Expr::Column(position).sort(true, true)])),
        None => Ok(plan),
    }
}

/// The schema without qualifiers: rules speak of output columns only.
fn plain(schema: &DFSchema) -> Result<DFSchema> {
    DFSchema::try_from(schema.as_arrow().clone()).map_err(Engine::error)
}

/// Rules of the output, then those of the table, then that keys are not NULL.
fn all_rules(engine: &Engine, output: &Output, mode: &Mode, sequence: &Sequence, target: &Target) -> Result<Vec<Rule>> {
    let mut rules = output.rules.clone();
    let table = definition::table(&target.object)?;
    let is_history = matches!(mode, Mode::ScdType2 { .. });
    let key: Vec<&str> = mode.keyed().into_iter().flat_map(|keyed| &keyed.key).map(|column| column.value.as_str()).collect();
    for element in table.elements {
        match element {
            // A history keeps these by what it is.
            Element::Rule(rule) if is_history && is_kept(&rule, &key) => {}
            Element::Column(column) if is_history && is_validity(&column.name.value) => {}
            Element::PrimaryKey(columns) if is_history => {
                let given = columns.into_iter().filter(|column| !is_validity(&column.value)).collect();
                rules.push(named("primary_key_not_null", RuleKind::NotNull(given)));
            }
            Element::Rule(rule) => rules.push(Rule { action: rule.action.or(Some(Action::Quarantine)), ..rule }),
            Element::Column(column) => {
                if column.not_null || column.primary_key {
                    rules.push(named(&format!("not_null_{}", column.name.value), RuleKind::NotNull(vec![column.name.clone()])));
                }
                if let Some(check) = column.check {
                    rules.push(named(&format!("check_{}", column.name.value), RuleKind::Check(check)));
                }
                let keyed_by_it = matches!(mode, Mode::Upsert { keyed, .. } if keyed.key == [column.name.clone()]);
                if (column.primary_key || column.unique) && !keyed_by_it {
                    rules.push(named(&format!("unique_{}", column.name.value), RuleKind::Unique(vec![column.name])));
                }
            }
            Element::PrimaryKey(columns) => {
                rules.push(named("primary_key_not_null", RuleKind::NotNull(columns.clone())));
                if !matches!(mode, Mode::Upsert { keyed, .. } if keyed.key == columns) {
                    rules.push(named("primary_key", RuleKind::Unique(columns)));
                }
            }
            Element::LookupKey(_) => {}
        }
    }
    if let Some(keyed) = mode.keyed() {
        rules.push(named("key_not_null", RuleKind::NotNull(keyed.key.clone())));
    }
    // At no time, an event belongs nowhere in a history.
    if let (true, Some(sequence)) = (is_history, sequence.column().filter(|_| *sequence != Sequence::Moment)) {
        let column = weir_sql::Ident { value: sequence.to_owned(), position: 0 };
        rules.push(named("sequence_not_null", RuleKind::NotNull(vec![column])));
    }
    if let Mode::ReplaceWhere(condition) = mode {
        rules.push(named("replace_where", RuleKind::Expect(condition.clone())));
    }
    let _ = engine;
    Ok(rules)
}

/// Whether a rule of the table holds for every history.
fn is_kept(rule: &Rule, key: &[&str]) -> bool {
    match &rule.kind {
        RuleKind::Unique(columns) => history::is_unique(columns, key),
        RuleKind::NotNull(columns) => columns.iter().all(|column| is_validity(&column.value)),
        _ => false,
    }
}

fn named(name: &str, kind: RuleKind) -> Rule {
    Rule { name: Some(weir_sql::Ident { value: name.to_owned(), position: 0 }), kind, action: None, message: None, position: 0 }
}

/// Whether rows of one key can only be in one partition.
///
/// # Errors
/// `NotSupported` when they can be in several, of which some are replaced and others stay.
pub(super) fn within_partitions(columns: &[weir_sql::Ident], by: &[String], position: usize) -> Result<()> {
    if by.iter().all(|partition| columns.iter().any(|column| column.value == *partition)) {
        return Ok(());
    }
    let names: Vec<&str> = columns.iter().map(|column| column.value.as_str()).collect();
    Err(Error::new(Code::NotSupported, format!("UNIQUE ({}) cannot be judged under REPLACE PARTITIONS", names.join(", ")))
        .hint(format!("Which rows stay is known only at the end. Add the columns of the partitions: {}.", by.join(", ")))
        .at(Some(position).filter(|at| *at > 0)))
}

/// What a rule needs of the plan, before its expression is bound.
enum Marked {
    Nothing,
    Unique { columns: Vec<String>, taken: Option<String> },
    Reference { columns: Vec<String>, found: String },
}

/// Adds a mark column per rule that looks at another table.
struct Marks<'a> {
    engine: &'a Arc<Engine>,
    relations: &'a dyn Relations,
    plan: LogicalPlan,
    next: usize,
}

impl Marks<'_> {
    async fn bind(&mut self, rule: &Rule, scope: &Scope, mode: &Mode, target: &Target) -> Result<Marked> {
        match &rule.kind {
            RuleKind::Expect(_) | RuleKind::Check(_) | RuleKind::NotNull(_) => Ok(Marked::Nothing),
            RuleKind::Unique(columns) => {
                let names: Vec<String> = columns.iter().map(|column| column.value.clone()).collect();
                // Rows that are replaced are none to clash with.
                let taken = match mode {
                    Mode::Append => {
                        let provider = self.engine.table(&target.object).await?.scan(None).await?;
                        Some(self.mark(provider, None, &names, &names, rule.position)?)
                    }
                    Mode::ReplaceWhere(condition) => {
                        let provider = self.engine.table(&target.object).await?.scan(None).await?;
                        let columns = DFSchema::try_from(provider.schema().as_ref().clone()).map_err(Engine::error)?;
                        let stays = self.engine.plan_expr(condition, &columns, scope).await?.is_not_true();
                        Some(self.mark(provider, Some(stays), &names, &names, rule.position)?)
                    }
                    Mode::ReplacePartitions => {
                        within_partitions(columns, &target.table.partition_by(), rule.position)?;
                        None
                    }
                    Mode::Replace | Mode::Upsert { .. } | Mode::ScdType2 { .. } => None,
                };
                Ok(Marked::Unique { columns: names, taken })
            }
            RuleKind::ForeignKey { columns, table, referenced } => {
                let object = foreign_table(table, scope, self.engine.store().as_ref())?;
                let body: TableBody = serde_json::from_value(object.body.clone())
                    .map_err(|error| Error::internal("a table's body cannot be read").caused_by(error))?;
                let there: Vec<String> = match referenced.is_empty() {
                    true => body.key.clone(),
                    false => referenced.iter().map(|column| column.value.clone()).collect(),
                };
                if there.len() != columns.len() {
                    return Err(Error::new(
                        Code::InvalidDefinition,
                        format!("FOREIGN KEY names {} columns and {} of \"{}\"", columns.len(), there.len(), object.full_name()),
                    )
                    .hint(format!("Write REFERENCES {} (column, ..).", object.full_name()))
                    .at(rule.position));
                }
                let here: Vec<String> = columns.iter().map(|column| column.value.clone()).collect();
                // As the run was frozen with it; one frozen without it reads what is there.
                let provider = match self.relations.provider(&key(&object), &Wanted::Plain).await? {
                    Some(pinned) => pinned,
                    None => self.engine.table(&object).await?.scan(None).await?,
                };
                let found = self.mark(provider, None, &here, &there, rule.position)?;
                Ok(Marked::Reference { columns: here, found })
            }
        }
    }

    /// Joins the distinct keys of a table, small side first, so that the stream is never held in memory.
    fn mark(
        &mut self,
        provider: Arc<dyn TableProvider>,
        only: Option<Expr>,
        here: &[String],
        there: &[String],
        position: usize,
    ) -> Result<String> {
        let schema = provider.schema();
        let alias = format!("__weir_ref{}", self.next);
        let mark = format!("__weir_mark{}", self.next);
        self.next += 1;
        let mut keys = Vec::new();
        for (at, (here, there)) in here.iter().zip(there).enumerate() {
            let given = self.plan.schema().as_arrow().field_with_name(here).map_err(|_| no_column(here, position))?.data_type().clone();
            let field = schema.field_with_name(there).map_err(|_| no_column(there, position))?;
            let key = Expr::Column(Column::from_name(there.as_str()));
            let key = if *field.data_type() == given { key } else { cast(key, given) };
            keys.push(key.alias(format!("__weir_key{at}")));
        }
        let names: Vec<String> = (0..keys.len()).map(|at| format!("__weir_key{at}")).collect();
        let known = build(
            LogicalPlanBuilder::scan("known", provider_as_source(provider), None)
                .and_then(|plan| if let Some(only) = only { plan.filter(only) } else { Ok(plan) })
                .and_then(|plan| plan.project(keys))
                .and_then(LogicalPlanBuilder::distinct),
        )?;
        let marked: Vec<Expr> =
            names.iter().map(|name| Expr::Column(Column::from_name(name.as_str()))).chain([lit(true).alias(&mark)]).collect();
        let known = build(LogicalPlanBuilder::from(known).project(marked).and_then(|plan| plan.alias(alias.as_str())))?;
        let left: Vec<Column> = names.iter().map(|name| Column::new(Some(alias.as_str()), name)).collect();
        let right: Vec<Column> = here.iter().map(|name| Column::from_name(name.as_str())).collect();
        let columns: Vec<Expr> = self.plan.schema().columns().into_iter().map(Expr::Column).collect();
        let joined = LogicalPlanBuilder::from(known).join(self.plan.clone(), JoinType::Right, (left, right), None);
        let found = Expr::Column(Column::new(Some(alias.as_str()), &mark)).alias(&mark);
        self.plan = build(joined.and_then(|plan| plan.project(columns.into_iter().chain([found]))))?;
        Ok(mark)
    }
}

fn no_column(name: &str, position: usize) -> Error {
    Error::new(Code::UndefinedColumn, format!("column \"{name}\" does not exist")).at(Some(position).filter(|at| *at > 0))
}

/// What rules are bound with.
struct Binding<'a> {
    engine: &'a Arc<Engine>,
    scope: &'a Scope,
    relations: &'a dyn Relations,
    target: &'a Target,
    schema: &'a DFSchema,
}

impl Binding<'_> {
    /// A condition whose sub-queries were answered.
    async fn condition(&self, expr: &weir_sql::Expr) -> Result<Expr> {
        let (row, table) = (self.schema.as_arrow(), &self.target.object.name);
        let definitions = self.engine.store().as_ref();
        let condition = self.engine.plan_condition(expr, row, table, self.scope, definitions, Some(self.relations)).await?;
        condition.settle().await?;
        Ok(condition.expr)
    }
}

async fn bound_rule(binding: &Binding<'_>, rule: &Rule, marked: Marked) -> Result<BoundRule> {
    let schema = binding.schema;
    let index = |name: &str| schema.index_of_column_by_name(None, name).ok_or_else(|| no_column(name, rule.position));
    let indices = |names: &[String]| names.iter().map(|name| index(name)).collect::<Result<Vec<_>>>();
    let list = |names: &[String]| names.join(", ");
    let (kind, word, demand, code) = match (&rule.kind, marked) {
        (RuleKind::Expect(expr), _) => {
            let bound = binding.condition(expr).await?;
            (BoundKind::Expect(bound), "expect".to_owned(), format!("EXPECT ({})", expr.text), Code::CheckViolated)
        }
        (RuleKind::Check(expr), _) => {
            let bound = binding.condition(expr).await?;
            (BoundKind::Holds(bound), "check".to_owned(), format!("CHECK ({})", expr.text), Code::CheckViolated)
        }
        (RuleKind::NotNull(columns), _) => {
            let names: Vec<String> = columns.iter().map(|column| column.value.clone()).collect();
            (
                BoundKind::NotNull(indices(&names)?),
                format!("not_null_{}", names.join("_")),
                format!("NOT NULL ({})", list(&names)),
                Code::NotNullViolated,
            )
        }
        (RuleKind::Unique(_), Marked::Unique { columns, taken }) => {
            let taken = taken.as_deref().map(index).transpose()?;
            let kind = BoundKind::Unique { columns: indices(&columns)?, taken };
            (kind, format!("unique_{}", columns.join("_")), format!("UNIQUE ({})", list(&columns)), Code::UniqueViolated)
        }
        (RuleKind::ForeignKey { table, .. }, Marked::Reference { columns, found }) => {
            let kind = BoundKind::Reference { columns: indices(&columns)?, found: index(&found)? };
            let demand = format!("FOREIGN KEY ({}) REFERENCES {table}", list(&columns));
            (kind, format!("foreign_key_{}", columns.join("_")), demand, Code::ForeignKeyViolated)
        }
        (RuleKind::Unique(_) | RuleKind::ForeignKey { .. }, _) => return Err(Error::internal("a rule has lost its mark")),
    };
    let name = rule.name.as_ref().map_or(word, |name| name.value.clone());
    if let BoundKind::Expect(expr) | BoundKind::Holds(expr) = &kind {
        use datafusion::logical_expr::ExprSchemable as _;
        let given = expr.get_type(schema).map_err(Engine::error)?;
        if !matches!(given, DataType::Boolean | DataType::Null) {
            return Err(
                Error::new(Code::WrongType, format!("rule \"{name}\" must be a condition, not a value of type {given}")).at(rule.position)
            );
        }
    }
    Ok(BoundRule { name, action: rule.action.unwrap_or(Action::Quarantine), message: rule.message.clone(), demand, code, kind })
}

impl Assembled {
    /// The rules, ready for one worker.
    pub(super) fn rules(&self) -> Result<RuleSet> {
        let physical = |expr: &Expr| {
            let expr = with_words(expr.clone(), &self.df_schema);
            expr.and_then(|expr| self.state.create_physical_expr(expr, &self.df_schema)).map_err(Engine::error)
        };
        let mut rules = Vec::new();
        for rule in &self.rules {
            let check = match &rule.kind {
                BoundKind::Expect(expr) => Check::Expect(physical(expr)?),
                BoundKind::Holds(expr) => Check::Holds(physical(expr)?),
                BoundKind::NotNull(columns) => Check::NotNull(columns.clone()),
                BoundKind::Reference { columns, found } => Check::Reference { columns: columns.clone(), found: *found },
                BoundKind::Unique { columns, taken } => Check::Unique {
                    hasher: KeyHasher::new(&self.schema, columns.clone()).map_err(Engine::error)?,
                    seen: Seen::default(),
                    taken: *taken,
                },
            };
            rules.push(CompiledRule {
                name: rule.name.clone(),
                action: rule.action,
                reason: rule.message.clone().unwrap_or_else(|| format!("the row breaks {}", rule.demand)),
                demand: rule.demand.clone(),
                code: rule.code,
                check,
            });
        }
        Ok(RuleSet::new(rules))
    }
}

/// Whether the rows of a definition must keep their order and pass through one worker.
pub(super) fn is_ordered(mode: &Mode, output: &Output, target: &Object) -> bool {
    let unique = |rule: &Rule| matches!(rule.kind, RuleKind::Unique(_));
    let declared = definition::table(target).map(|table| {
        table.elements.iter().any(|element| match element {
            Element::Rule(rule) => unique(rule),
            Element::Column(column) => column.primary_key || column.unique,
            Element::PrimaryKey(_) => true,
            Element::LookupKey(_) => false,
        })
    });
    mode.keyed().is_some() || output.rules.iter().any(unique) || declared.unwrap_or(true)
}
