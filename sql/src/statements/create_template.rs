//! `CREATE [OR REPLACE] TEMPLATE [IF NOT EXISTS] name (parameters) [COMMENT '..'] AS 'statements'`

use super::Create;
use crate::cursor::Cursor;
use crate::error::{Result, SyntaxError};
use crate::template::{self, Filling, LiteralValue, SELF, TemplateType};
use crate::{Argument, Ident, Name};
use sqlparser::ast::{Expr as Tree, UnaryOperator, Value};
use sqlparser::tokenizer::Token;

#[derive(Debug, Clone, PartialEq)]
pub struct CreateTemplate {
    pub name: Name,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub parameters: Vec<TemplateParameter>,
    pub comment: Option<String>,
    /// The statements of an instance, with `{{parameter}}`.
    pub body: String,
}

/// `name type [DEFAULT value]`.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateParameter {
    pub name: Ident,
    pub kind: TemplateType,
    pub default: Option<crate::Expr>,
}

impl CreateTemplate {
    pub(super) fn parse(p: &mut Cursor<'_>, create: &Create) -> Result<Self> {
        let if_not_exists = create.if_not_exists(p)?;
        let name = p.name()?;
        let parameters = if p.sees_symbol(&Token::LParen) { parameters(p)? } else { Vec::new() };
        let comment = if p.word("COMMENT") { Some(p.string()?) } else { None };
        p.expect(&["AS"])?;
        let position = p.position();
        let body = p.string()?;
        p.finish()?;
        for named in template::parameters(&body).map_err(|error| error.at(position))? {
            if !parameters.iter().any(|parameter| parameter.name == named) {
                return Err(SyntaxError::syntax(format!("the template has no parameter \"{}\"", named.value))
                    .hint(
                        crate::nearest(&named.value, parameters.iter().map(|known| known.name.value.as_str()))
                            .map(|near| format!("Did you mean \"{near}\"?")),
                    )
                    .at(position));
            }
        }
        Ok(Self { name, or_replace: create.or_replace, if_not_exists, parameters, comment, body })
    }

    /// The statements of an instance called `own`.
    ///
    /// # Errors
    /// An argument that is missing, unknown, given twice or of another type, by its place.
    pub fn instance(&self, own: &Name, arguments: &[Argument], position: usize) -> Result<String> {
        let mut fillings: Vec<(&str, Filling)> = vec![(SELF, Filling::Name(own.clone()))];
        for (at, argument) in arguments.iter().enumerate() {
            let parameter = self.parameter_of(arguments, at)?;
            if fillings.iter().any(|(name, _)| *name == parameter.name.value) {
                let message = format!("parameter \"{}\" is given twice", parameter.name.value);
                return Err(SyntaxError::syntax(message).at(argument.value.position));
            }
            let filling = parameter.filling(&argument.value).map_err(|error| error.at(argument.value.position))?;
            fillings.push((&parameter.name.value, filling));
        }
        for parameter in &self.parameters {
            if fillings.iter().any(|(name, _)| *name == parameter.name.value) {
                continue;
            }
            let Some(default) = &parameter.default else {
                let message = format!("parameter \"{}\" of the template is not given", parameter.name.value);
                return Err(SyntaxError::syntax(message)
                    .hint(Some(format!("It is of type {}: write {} => ..", parameter.kind.name(), parameter.name)))
                    .at(position));
            };
            fillings.push((&parameter.name.value, parameter.filling(default).map_err(|error| error.at(position))?));
        }
        let found = |name: &str| fillings.iter().find(|(known, _)| *known == name).map(|(_, filling)| filling.clone());
        template::filled(&self.body, found).map_err(|error| error.at(position))
    }

    /// Which parameter an argument is for: by name, or by its place before the first name.
    fn parameter_of(&self, arguments: &[Argument], at: usize) -> Result<&TemplateParameter> {
        let Some(argument) = arguments.get(at) else { return Err(SyntaxError::syntax("an argument is missing")) };
        let Some(name) = &argument.name else {
            if arguments.iter().take(at).any(|earlier| earlier.name.is_some()) {
                return Err(SyntaxError::syntax("an argument by place cannot follow one by name").at(argument.value.position));
            }
            return self.parameters.get(at).ok_or_else(|| {
                SyntaxError::syntax(format!("the template takes {} arguments", self.parameters.len())).at(argument.value.position)
            });
        };
        self.parameters.iter().find(|parameter| parameter.name == *name).ok_or_else(|| {
            let near = crate::nearest(&name.value, self.parameters.iter().map(|known| known.name.value.as_str()));
            SyntaxError::syntax(format!("the template has no parameter \"{}\"", name.value))
                .hint(near.map(|near| format!("Did you mean \"{near}\"?")))
                .at(name.position)
        })
    }
}

impl TemplateParameter {
    /// What the value puts in the parameter's place.
    fn filling(&self, value: &crate::Expr) -> Result<Filling> {
        let wrong = || {
            let kind = self.kind.name();
            let article = if matches!(self.kind, TemplateType::Interval | TemplateType::Identifier) { "an" } else { "a" };
            SyntaxError::syntax(format!("parameter \"{}\" takes {article} {kind}", self.name.value))
        };
        if self.kind.is_name() {
            let parts = match value.ast.as_ref() {
                Tree::Identifier(only) => vec![folded(only)],
                Tree::CompoundIdentifier(parts) if self.kind != TemplateType::Identifier => parts.iter().map(folded).collect(),
                _ => return Err(wrong()),
            };
            let ident = |value: &String| Ident { value: value.clone(), position: 1 };
            return match parts.as_slice() {
                [name] => Ok(Filling::Name(Name { schema: None, name: ident(name) })),
                [schema, name] => Ok(Filling::Name(Name { schema: Some(ident(schema)), name: ident(name) })),
                _ => Err(wrong()),
            };
        }
        literal(&value.ast).and_then(|value| self.kind.literal(&value)).map(Filling::Literal).ok_or_else(wrong)
    }
}

fn folded(ident: &sqlparser::ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

fn literal(tree: &Tree) -> Option<LiteralValue> {
    match tree {
        Tree::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(LiteralValue::Text(text.clone())),
            Value::DollarQuotedString(text) => Some(LiteralValue::Text(text.value.clone())),
            Value::Number(digits, _) => Some(LiteralValue::Number(digits.clone())),
            Value::Boolean(truth) => Some(LiteralValue::Boolean(*truth)),
            _ => None,
        },
        Tree::UnaryOp { op: UnaryOperator::Minus, expr } => match literal(expr)? {
            LiteralValue::Number(digits) => Some(LiteralValue::Number(format!("-{digits}"))),
            _ => None,
        },
        Tree::Interval(interval) => match literal(&interval.value)? {
            LiteralValue::Text(text) => {
                let unit = interval.leading_field.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
                Some(LiteralValue::Text(format!("{text}{unit}")))
            }
            _ => None,
        },
        Tree::Nested(inner) => literal(inner),
        _ => None,
    }
}

fn parameters(p: &mut Cursor<'_>) -> Result<Vec<TemplateParameter>> {
    let mut inner = p.group()?;
    let mut parameters: Vec<TemplateParameter> = Vec::new();
    if inner.at_end() {
        return Ok(parameters);
    }
    inner.list(|p| {
        let name = p.ident()?;
        let kind = match p.peek_word().and_then(TemplateType::of) {
            Some(kind) => kind,
            None => return Err(p.expected("a type, IDENTIFIER, RELATION, CONNECTION or SECRET")),
        };
        p.any_ident()?;
        if name.value == SELF || parameters.iter().any(|earlier| earlier.name == name) {
            let message = if name.value == SELF {
                "\"self\" is the instance itself".to_owned()
            } else {
                format!("parameter {name} is written twice")
            };
            return Err(SyntaxError::syntax(message).at(name.position));
        }
        let default = if p.word("DEFAULT") { Some(p.expr()?) } else { None };
        let parameter = TemplateParameter { name, kind, default };
        if let Some(default) = &parameter.default {
            parameter.filling(default).map_err(|error| error.at(default.position))?;
        }
        parameters.push(parameter);
        Ok(())
    })?;
    inner.finish_or(&["DEFAULT"])?;
    Ok(parameters)
}
