//! Who reads, and how far: what holds events back from being removed.

use rusqlite::Connection;

use super::thread::Writer;
use crate::database::stored;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{ConsumerId, Micros, Sequence};
use crate::reader::{first_at_or_after, reachable};

/// A consumer and what it has passed: everything up to and including its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumer {
    pub id: ConsumerId,
    pub position: Sequence,
}

/// Where a new consumer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the earliest event that is there.
    Earliest,
    /// With the next that comes: after all that was appended before the call.
    Latest,
    /// With the first event received at that time or later.
    At(Micros),
    /// With the event after this one.
    After(Sequence),
}

impl Writer {
    pub(crate) fn register(&mut self, consumer: ConsumerId, start: Start) -> Result<Sequence> {
        if let Some(position) = self.consumers.get(&consumer) {
            return Ok(*position);
        }
        let position = match start {
            Start::Earliest => self.bounds.removed_through,
            Start::Latest => self.bounds.latest,
            Start::At(time) => {
                first_at_or_after(&self.durable, time)?.map_or(self.bounds.latest, |first| Sequence(first.0.saturating_sub(1)))
            }
            Start::After(position) => position,
        };
        reachable(&self.bounds, position)?;
        self.place(Durability::Synced, consumer, position)
    }

    pub(crate) fn advance(&mut self, consumer: ConsumerId, position: Sequence) -> Result<Sequence> {
        let current = self.position(consumer)?;
        if position <= current {
            return Ok(current);
        }
        reachable(&self.bounds, position)?;
        self.place(Durability::Repeatable, consumer, position)
    }

    pub(crate) fn rewind(&mut self, consumer: ConsumerId, position: Sequence) -> Result<Sequence> {
        self.position(consumer)?;
        reachable(&self.bounds, position)?;
        self.place(Durability::Synced, consumer, position)
    }

    pub(crate) fn drop_consumer(&mut self, consumer: ConsumerId) -> Result<()> {
        let dropped = self.durable.execute("DELETE FROM consumers WHERE id = ?1", [consumer.0]);
        dropped.map_err(|error| self.failing(error))?;
        self.consumers.remove(&consumer);
        Ok(())
    }

    fn position(&self, consumer: ConsumerId) -> Result<Sequence> {
        self.consumers.get(&consumer).copied().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("consumer {} is not registered", consumer.0)).with_hint("Register it first.")
        })
    }

    fn place(&mut self, durability: Durability, consumer: ConsumerId, position: Sequence) -> Result<Sequence> {
        let connection = match durability {
            Durability::Synced => &self.durable,
            Durability::Repeatable => &self.relaxed,
        };
        write_position(connection, consumer, position).map_err(|error| self.failing(error))?;
        self.consumers.insert(consumer, position);
        Ok(position)
    }
}

/// Whether a write must survive the power.
enum Durability {
    Synced,
    Repeatable,
}

fn write_position(connection: &Connection, consumer: ConsumerId, position: Sequence) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO consumers (id, position) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET position = excluded.position",
    )?;
    statement.execute((consumer.0, stored(position.0)))
}
