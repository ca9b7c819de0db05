//! `ALTER PIPELINE [IF EXISTS] name {SUSPEND | RESUME | SET .. | RESET .. | ADD trigger | DROP .. | RESET OFFSETS ..}`

use super::alter_object::ObjectChange;
use super::create_pipeline::Trigger;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Expr, Name};

#[derive(Debug, Clone, PartialEq)]
pub struct AlterPipeline {
    pub name: Name,
    pub if_exists: bool,
    pub change: PipelineChange,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PipelineChange {
    Suspend,
    Resume,
    AddTrigger(Trigger),
    /// Replaces the triggers of the same kind.
    SetTrigger(Trigger),
    DropSchedule,
    DropTriggers,
    ResetOffsets {
        source: Option<Name>,
        to: OffsetTarget,
    },
    /// `REFRESH FROM TEMPLATE`: made again, as its template is now.
    RefreshFromTemplate,
    Object(ObjectChange),
}

#[derive(Debug, Clone, PartialEq)]
pub enum OffsetTarget {
    /// Also when no TO was written.
    Earliest,
    Latest,
    At(Expr),
}

const CHANGES: &[&str] = &[
    "SUSPEND",
    "RESUME",
    "SET",
    "RESET",
    "ADD TRIGGER",
    "SET SCHEDULE",
    "DROP SCHEDULE",
    "DROP TRIGGERS",
    "RESET OFFSETS",
    "RENAME TO",
    "SET SCHEMA",
    "OWNER TO",
    "REFRESH FROM TEMPLATE",
];

impl AlterPipeline {
    pub(super) fn parse(p: &mut Cursor<'_>, name: Name, if_exists: bool) -> Result<Self> {
        Ok(Self { name, if_exists, change: PipelineChange::parse(p)? })
    }
}

impl PipelineChange {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if let Some(change) = ObjectChange::parse(p)? {
            return Ok(Self::Object(change));
        }
        if p.word("SUSPEND") {
            return Ok(Self::Suspend);
        }
        if p.word("RESUME") {
            return Ok(Self::Resume);
        }
        if p.word("REFRESH") {
            p.expect(&["FROM", "TEMPLATE"])?;
            return Ok(Self::RefreshFromTemplate);
        }
        if p.words(&["RESET", "OFFSETS"]) {
            let source = if p.word("FOR") { Some(p.name()?) } else { None };
            return Ok(Self::ResetOffsets { source, to: OffsetTarget::parse(p)? });
        }
        if p.word("ADD") {
            return Ok(Self::AddTrigger(Trigger::parse(p)?));
        }
        if p.word("SET") {
            return Ok(Self::SetTrigger(Trigger::parse(p)?));
        }
        if p.word("DROP") {
            let schedule_only = p.one_of(&[("SCHEDULE", true), ("TRIGGERS", false)])?;
            return Ok(if schedule_only { Self::DropSchedule } else { Self::DropTriggers });
        }
        Err(p.expected_one_of(CHANGES))
    }
}

impl OffsetTarget {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if !p.word("TO") || p.word("EARLIEST") {
            return Ok(Self::Earliest);
        }
        if p.word("LATEST") {
            return Ok(Self::Latest);
        }
        Ok(Self::At(p.expr()?))
    }
}
