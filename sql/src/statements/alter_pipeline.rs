//! `ALTER PIPELINE [IF EXISTS] name {SUSPEND | RESUME | SET .. | RESET .. | ADD trigger | DROP .. | RESET OFFSETS ..}`

use super::alter_object::ObjectChange;
use super::create_pipeline::Trigger;
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
    Object(ObjectChange),
}

#[derive(Debug, Clone, PartialEq)]
pub enum OffsetTarget {
    /// Also when no TO was written.
    Earliest,
    Latest,
    At(Expr),
}
